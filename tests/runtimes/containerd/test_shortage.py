from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceId
from ring.runtimes.containerd.shortage import ran_out

if TYPE_CHECKING:
    from pathlib import Path

ID = InstanceId("shop_web_0123abcd")


@pytest.mark.parametrize(
    "path",
    [
        f"ring/{ID}/memory.events",
        f"ring.slice/ring-{ID}.scope/memory.events",
        f"memory/ring/{ID}/memory.oom_control",
        f"memory/ring.slice/ring-{ID}.scope/memory.oom_control",
    ],
)
@pytest.mark.parametrize(("kills", "expected"), [(0, False), (2, True)])
def test_its_control_group_tells(tmp_path: Path, path: str, kills: int, *, expected: bool) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n")
    assert ran_out(ID, tmp_path) is expected


def test_without_a_control_group_nothing_tells(tmp_path: Path) -> None:
    assert not ran_out(ID, tmp_path)
