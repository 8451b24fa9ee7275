"""An engine and a registry for one run of `scripts/kills`, in a network namespace of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from scripts import engines

if TYPE_CHECKING:
    from collections.abc import Sequence


def run_inside(argv: Sequence[str]) -> int:
    """Starts both, runs this program again inside of the namespace, and ends everything."""
    if os.geteuid() != 0:
        raise engines.EngineProblem("a private engine needs root")
    engines.ensure()
    with tempfile.TemporaryDirectory(prefix="ring-kills.") as folder:
        engine = engines.engine_at(Path(folder) / "engine")
        try:
            engines.up(engine.root)
            engines.make_image(engine.host)
            inside = {
                **os.environ,
                "RING_TEST_DOCKER_HOST": engine.host,
                "RING_TEST_IMAGE": engines.TEST_IMAGE,
                "RING_TEST_REGISTRY": engines.registry_up(engine),
            }
            command = engine.command(sys.executable, "-m", "tests.kills", *argv)
            with subprocess.Popen(command, env=inside) as process:
                try:
                    return process.wait()
                except BaseException:
                    process.terminate()
                    raise
        finally:
            engines.down(engine.root)
