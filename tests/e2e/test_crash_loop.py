"""Programs that do not stay up: what is shown, what is left, and how they come back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ALL
from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Tell
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

FAILING = ("sh", "-c", "exit 1")


@ON_ALL
def test_a_program_that_dies_at_once_is_never_running_and_ends_in_a_crash_loop(
    tell: Tell,
) -> None:
    story = tell(environment={"RING_CRASH_LOOP_RETRY": "never"})
    began = time.time()
    story.applied(story.worker(command=FAILING))
    seen: list[str] = []

    def is_over() -> bool:
        seen.append(story.status())
        return seen[-1] == "crash_loop_back_off"

    wait_until(is_over, 30, "the crash loop is shown")
    assert len(seen) / (time.time() - began) >= 5, "not looked often enough"
    assert set(seen) == {"creating", "crash_loop_back_off"}
    wait_until(lambda: not story.containers(), 15, "no container is left")
    shown = story.ring.read("deployment", "inspect", f"{story.namespace}/web")
    assert (shown["restart_count"], shown["instances"]) == (5, [])
    (limit,) = story.told("restart_limit_reached")
    assert "no further attempt is made" in limit.message
    assert len(story.told("container_crashed")) == 5
    assert story.created() == 5, "there may be no more than five at any time"


def test_a_program_that_has_died_can_still_be_asked_why(tell: Tell) -> None:
    story = tell(environment={"RING_CRASH_LOOP_RETRY": "never"})
    program = "echo starting; echo 'FATAL: no database' >&2; exit 1"
    story.applied(story.worker(command=["sh", "-c", program]))
    story.wait_for("crash_loop_back_off", within_s=30)
    wait_until(lambda: not story.containers(), 15, "no container is left")
    shown = story.ring.run("deployment", "logs", f"{story.namespace}/web")
    assert (shown.code, shown.err) == (0, ""), shown
    assert len([line for line in shown.out.splitlines() if line.endswith("starting")]) == 5
    assert len([line for line in shown.out.splitlines() if "FATAL: no database" in line]) == 5
    story.ring.kill()
    story.ring.start()
    again = story.ring.run("deployment", "logs", f"{story.namespace}/web")
    assert again.out == shown.out
    entries = story.ring.read("deployment", "logs", f"{story.namespace}/web", "--tail", "1")
    assert {(one["stream"], one["message"]) for one in entries} <= {
        ("stderr", "FATAL: no database"),
        ("stdout", "starting"),
    }


def test_a_label_does_not_make_a_crash_a_completion(tell: Tell) -> None:
    story = tell(environment={"RING_CRASH_LOOP_RETRY": "never"})
    forged = {"exitCode": "0", "signal": "9", "name": "other"}
    story.applied(story.worker(command=FAILING, labels=forged))
    wait_until(lambda: story.status() == "crash_loop_back_off", 30, "the crash loop is shown")
    crashes = story.told("container_crashed")
    assert len(crashes) == 5
    assert all("exited with code 1" in crash.message for crash in crashes)
    assert story.told("container_completed") == []


def test_a_crash_loop_is_tried_again_and_left_once_the_program_stays_up(
    tell: Tell, tmp_path: Path
) -> None:
    story = tell(environment={"RING_CRASH_LOOP_RETRY": "3s"})
    flags = tmp_path / "flags"
    flags.mkdir()
    program = "test -e /flags/good || exit 1; trap 'exit 0' TERM; while :; do sleep 99 & wait; done"
    story.applied(
        story.worker(
            command=["sh", "-c", program],
            replicas=2,
            volumes=[
                {
                    "type": "bind",
                    "source": f"{flags}",
                    "destination": "/flags",
                    "permission": "ro",
                }
            ],
        )
    )
    story.wait_for("crash_loop_back_off", within_s=40)
    spent = story.created()
    wait_until(lambda: story.row()["restart_count"] >= 7, 20, "two further attempts have failed")
    row = story.row()
    assert row["status"] == "crash_loop_back_off"
    assert story.created() - spent == row["restart_count"] - 5, "one instance an attempt"

    (flags / "good").touch()
    story.wait_whole(2, within_s=30)
    assert story.row()["restart_count"] == 0
    reasons = story.reasons()
    assert reasons.index("restart_limit_reached") < reasons.index("restart_count_reset")


def test_a_crash_loop_that_is_never_tried_again_ends_with_the_next_apply(tell: Tell) -> None:
    story = tell(environment={"RING_CRASH_LOOP_RETRY": "never"})
    story.applied(story.worker(command=FAILING))
    looping = story.wait_for("crash_loop_back_off", within_s=30)
    answer = story.applied(story.worker())
    assert "Deployment 'web' created\n" in answer.out
    story.wait_whole(1)
    row = story.row()
    assert row["id"] != looping["id"]
    assert (row["restart_count"], row["revision"]) == (0, 2)


@ON_ALL
def test_a_program_that_is_not_there_is_tried_once(story: Story) -> None:
    story.applied(story.worker(command=["sh", "-c", "exit 127"]))
    story.wait_for("create_container_error")
    wait_until(lambda: not story.containers(), 15, "no container is left")
    assert story.row()["restart_count"] == 1
    (event,) = story.told("non_retryable_exit")
    assert event.level == "error"
    assert "127" in event.message
    assert story.created() == 1


@ON_ALL
def test_a_program_that_ends_well_is_completed(story: Story) -> None:
    story.applied(story.worker(command=["sh", "-c", "exit 0"], replicas=2))
    story.wait_for("completed")
    wait_until(lambda: not story.containers(), 15, "no container is left")
    assert story.row()["restart_count"] == 0
    assert len(story.told("container_completed")) == 2
    assert story.told("container_crashed") == []
    assert story.created() == 2
    assert (
        "Deployment 'web' unchanged\n"
        in story.applied(story.worker(command=["sh", "-c", "exit 0"], replicas=2)).out
    )


@ON_ALL
def test_a_command_that_the_engine_cannot_start_leaves_nothing(tell: Tell) -> None:
    story = tell(environment={"RING_CRASH_LOOP_RETRY": "never"})
    story.applied(story.worker(command=["/no/such/binary"]))
    story.wait_for("create_container_error")
    story.wait_for("crash_loop_back_off", within_s=30)
    wait_until(lambda: not story.containers(), 15, "no container is left")
    assert story.row()["restart_count"] >= 5
    failures = story.told("instance_creation_failed")
    assert failures[0].component == story.runtime
    assert "/no/such/binary" in failures[0].message
    assert len(story.told("scale_up")) <= 10
    assert story.created() == story.row()["restart_count"]
