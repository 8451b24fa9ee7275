"""Shims that nobody knows any more are found by what they were started with, and ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ring.core.model.ids import InstanceId
from ring.runtimes.containerd import shims

INSTANCE = InstanceId("shop_web_0a1b2c3d")
SHIM = "/usr/bin/containerd-shim-runc-v2"


def told(processes: Path, pid: int, *argv: str) -> None:
    (processes / f"{pid}").mkdir(parents=True)
    (processes / f"{pid}" / "cmdline").write_bytes(b"".join(f"{one}\0".encode() for one in argv))


def test_those_of_the_instance_are_ended_and_no_others(tmp_path: Path) -> None:
    program = (sys.executable, "-c", "import signal; signal.pause()")
    with (
        subprocess.Popen(program) as lost,
        subprocess.Popen(program) as other,
        subprocess.Popen(program) as third,
    ):
        told(tmp_path, lost.pid, SHIM, "-namespace", "ring", "-id", INSTANCE, "-address", "/x")
        told(tmp_path, other.pid, SHIM, "-namespace", "moby", "-id", INSTANCE, "-address", "/x")
        told(tmp_path, third.pid, SHIM, "-namespace", "ring", "-id", INSTANCE, "-address", "/y")
        assert shims.end(Path("/x"), "ring", INSTANCE, tmp_path) == 1
        assert lost.wait() < 0
        assert (other.poll(), third.poll()) == (None, None)
        other.kill()
        third.kill()


def test_what_is_no_shim_is_passed_over(tmp_path: Path) -> None:
    told(tmp_path, 999_999_998, "sleep", "-namespace", "ring", "-id", INSTANCE)
    told(tmp_path, 999_999_997, SHIM, "-namespace", "ring", "-id")
    (tmp_path / "999999996").mkdir()
    (tmp_path / "self").mkdir()
    assert shims.end(Path("/x"), "ring", INSTANCE, tmp_path) == 0
