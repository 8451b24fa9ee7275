"""A private dockerd, on a containerd of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scripts.lib.containerd import containerd_down, docker_view, settle, start_containerd
from scripts.lib.engine import (
    await_part,
    end_part,
    engine_at,
    is_alive,
    run,
    signal_part,
    spawn_part,
)
from scripts.lib.images import answers_at

if TYPE_CHECKING:
    import signal
    from pathlib import Path

    from scripts.lib.engine import Engine


def up(root: Path, name: str | None = None, release: str | None = None) -> Engine:
    """Starts the engine unless it answers already; returns when it answers."""
    engine = engine_at(root, name, release)
    settle(engine)
    start_containerd(engine)
    start_dockerd(engine)
    return engine


def start_dockerd(engine: Engine) -> None:
    """The part that answers, unless it runs already; returns when it answers."""
    if not is_alive(engine, "dockerd"):
        _start_dockerd(engine)
    await_part(engine, "dockerd", lambda: answers_at(engine.host, "/_ping"))


def stop_dockerd(engine: Engine) -> None:
    """Ends it in an orderly way, and with it the containers; their containerd goes on."""
    end_part(engine, "dockerd")


def signal_dockerd(engine: Engine, number: signal.Signals) -> None:
    """Kills, stops or continues it. Returns when one that was killed is gone."""
    signal_part(engine, "dockerd", number)


def limit_data(root: Path, mib: int) -> None:
    """Before `up`: the engine's data has so much room, in memory, until `down`."""
    data = root.resolve() / "data"
    data.mkdir(parents=True)
    run("mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", os.fspath(data))


def dockerd_down(engine: Engine) -> None:
    """Ends it, its containerd and what either left."""
    end_part(engine, "dockerd")
    containerd_down(engine)


def _start_dockerd(engine: Engine) -> None:
    settings = engine.root / "daemon.json"
    # What a registry does is seen at once: by itself the engine would try five times, in a minute.
    settings.write_text('{"max-download-attempts": 1}\n')
    (engine.root / "docker.pid").unlink(missing_ok=True)
    argv = [
        "dockerd",
        f"--config-file={settings}",
        f"--host={engine.host}",
        f"--data-root={engine.root}/data",
        f"--exec-root={engine.root}/exec",
        f"--pidfile={engine.root}/docker.pid",
        f"--containerd={engine.containerd_socket}",
        "--bridge=none",
        "--shutdown-timeout=5",
    ]
    spawn_part(engine, "dockerd", docker_view(engine, argv))
