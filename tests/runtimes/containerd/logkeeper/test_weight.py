"""The keeper is there as long as any instance: what it imports is paid for on every machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ring

HEAVY = ("asyncio", "contextlib", "ctypes", "json", "logging", "pathlib", "subprocess", "typing")


def test_it_imports_nothing_of_weight() -> None:
    source = Path(ring.__file__).parents[1]
    program = (
        f"import sys; sys.path.insert(0, {str(source)!r}); import fcntl, resource, signal\n"
        "import ring.runtimes.containerd.logkeeper.keeper; print(*sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    assert not {*HEAVY} & {*said.stdout.split()}
