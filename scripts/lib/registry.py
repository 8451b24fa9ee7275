"""A registry in the network namespace of a private engine."""

# It runs fixed argument lists.
# ruff: noqa: S603

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from scripts.lib.engine import await_part, end_part, is_alive, spawn_part

if TYPE_CHECKING:
    from scripts.lib.engine import Engine

REGISTRY_PORT = 5000


def registry_up(engine: Engine, port: int = REGISTRY_PORT) -> str:
    """A registry without authentication on 127.0.0.1:port of the namespace. Returns its address."""
    settings = engine.root / "registry.yml"
    settings.write_text(
        "version: 0.1\n"
        "log: {level: warn}\n"
        f"storage: {{filesystem: {{rootdirectory: {engine.root}/registry}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    if not is_alive(engine, "registry"):
        spawn_part(engine, "registry", ["docker-registry", "serve", os.fspath(settings)])
    probe = engine.command(sys.executable, "-c", _CONNECT, str(port))
    await_part(engine, "registry", lambda: subprocess.run(probe, check=False).returncode == 0)
    return f"127.0.0.1:{port}"


_CONNECT = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
except OSError:
    sys.exit(1)
"""


def registry_down(engine: Engine) -> None:
    """Ends the registry; what it stores stays until `down`."""
    end_part(engine, "registry")
