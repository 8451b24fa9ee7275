"""How programs end, and what each end costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ADAPTERS
from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Tell
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine


@ON_ADAPTERS
def test_a_worker_that_runs_out_of_memory_crashes_and_says_so(tell: Tell) -> None:
    """With cgroup version 1 Podman does not know it (docs/how-to/podman.md)."""
    story = tell(environment={"RING_CRASH_LOOP_RETRY": "never"})
    # The engine begins to watch a moment after the start, and says nothing of what was before.
    greedy = ("sh", "-c", "sleep 1; exec dd if=/dev/zero of=/dev/null bs=64M")
    story.applied(story.worker(command=list(greedy), resources={"limits": {"memory": "16Mi"}}))
    story.wait_for("crash_loop_back_off", within_s=40)
    assert story.row()["restart_count"] == 5
    crashes = story.told("container_crashed")
    assert len(crashes) == 5
    assert [one.message for one in crashes if "ran out of memory" not in one.message] == []


def test_exit_128_is_a_crash_like_any_other(tell: Tell) -> None:
    story = tell(environment={"RING_CRASH_LOOP_RETRY": "never"})
    story.applied(story.worker(command=["sh", "-c", "exit 128"]))
    story.wait_for("crash_loop_back_off", within_s=40)
    wait_until(lambda: not story.containers(), 15, "no container is left")
    assert story.row()["restart_count"] == 5
    assert story.created() == 5


@pytest.mark.parametrize("gated", [False, True])
def test_crashes_are_forgiven_once_the_program_stays_up(
    story: Story, tmp_path: Path, gated: bool
) -> None:
    """Also while the deployment is held back by a check that is never green."""
    tmp_path.chmod(0o755)
    for crash in "123":
        (tmp_path / crash).touch()
    program = "rm /s/1 || rm /s/2 || rm /s/3 || exec sleep 3600; exit 1"
    check = {
        "type": "command",
        "command": "false",
        "interval": "1s",
        "timeout": "1s",
        "on_failure": "alert",
        "readiness": True,
        "start_period": "10m",
    }
    mount = {"type": "bind", "source": f"{tmp_path}", "destination": "/s", "permission": "rw"}
    worker = story.worker(command=["sh", "-c", program], volumes=[mount])
    story.applied({**worker, "health_checks": [check]} if gated else worker)
    wait_until(
        lambda: story.row()["restart_count"] == 3 and len(story.row()["instances"]) == 1,
        30,
        "it has crashed three times and stays up",
        story.account,
    )
    wait_until(lambda: story.row()["restart_count"] == 0, 25, "they are forgotten")
    assert story.status() == ("creating" if gated else "running")
    assert len(story.told("restart_count_reset")) == 1
    assert len(story.told("container_crashed")) == 3
