"""What is left of an instance's control group is found and taken away."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceId
from ring.runtimes.containerd import cgroups

if TYPE_CHECKING:
    from pathlib import Path

INSTANCE = InstanceId("shop_web_0a1b2c3d")


def test_it_is_removed_in_every_hierarchy(tmp_path: Path) -> None:
    for hierarchy in ("memory", "unified"):
        (tmp_path / hierarchy / "ring" / INSTANCE / "below" / "deeper").mkdir(parents=True)
        (tmp_path / hierarchy / "ring" / "another").mkdir()
    (tmp_path / "ring.slice" / f"ring-{INSTANCE}.scope").mkdir(parents=True)
    assert len(cgroups.left_of(INSTANCE, tmp_path)) == 3
    cgroups.clear(INSTANCE, tmp_path)
    assert cgroups.left_of(INSTANCE, tmp_path) == []
    assert len(list(tmp_path.glob("*/ring/another"))) == 2


def test_nothing_there_is_success(tmp_path: Path) -> None:
    cgroups.clear(INSTANCE, tmp_path)


def test_what_is_in_it_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's files are no obstacle to removing a group; here they are one."""
    monkeypatch.setattr(cgroups, "EMPTY_S", 0.0)
    group = tmp_path / "unified" / "ring" / INSTANCE
    group.mkdir(parents=True)
    program = (sys.executable, "-c", "import signal; signal.pause()")
    with subprocess.Popen(program) as process:
        (group / "cgroup.procs").write_text(f"{process.pid}\n")
        with pytest.raises(OSError, match="not empty"):
            cgroups.clear(INSTANCE, tmp_path)
        assert process.wait() < 0
