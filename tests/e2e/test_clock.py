"""A wall clock that is set forward and back: nothing waits for it, and nothing is done twice."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.e2e.faketime import DAY_S, WallClock
from tests.e2e.polling import wait_until
from tests.e2e.ring import program
from tests.e2e.story import STEADY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import Tell
    from tests.e2e.outside import Container
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

RETRY_S = 4
TALKER = ("sh", "-c", "echo up; trap 'exit 0' TERM; while :; do sleep 3600 & wait; done")


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path / "clock")


@contextmanager
def following(story: Story, clock: WallClock, what: str, into: Path) -> Iterator[Path]:
    """`ring deployment <what> --follow` of the deployment, its output in a file."""
    command = [*program(), "deployment", what, f"{story.namespace}/web", "--follow"]
    home = f"{story.ring.home}"
    environment = {"HOME": home, "RING_CONFIG_DIR": home, **clock.environment}
    with ExitStack() as stack:
        out = stack.enter_context(into.open("wb"))
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        try:
            yield into
        finally:
            process.kill()
            process.wait()


def shown(into: Path, text: str) -> None:
    wait_until(lambda: text in into.read_text(), 10, f"'{text}' is shown", into.read_text)


def told_at(story: Story, reason: str) -> float:
    """Seconds of the epoch, by the server's clock."""
    _, told = story.ring.ask("GET", f"/deployments/{story.row()['id']}/events?limit=100")
    (at,) = [one["timestamp"] for one in told if one["reason"] == reason]
    return datetime.fromisoformat(at).timestamp()


def healing_s(story: Story, since: int) -> float:
    """From the last death to the creation after it, by the engine's clock."""
    died = story.watch.noted("die")[-1].at
    return story.watch.noted("create")[since].at - died


@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S])
def test_a_clock_that_is_set_while_the_server_runs(
    clock: WallClock, tell: Tell, tmp_path: Path, jump_s: int
) -> None:
    story = tell(environment=clock.environment)
    story.applied(story.worker(replicas=2, command=list(TALKER)))
    stays, dies = (one.id for one in story.wait_whole(2))
    with (
        following(story, clock, "events", tmp_path / "events") as events,
        following(story, clock, "logs", tmp_path / "logs") as logs,
    ):
        shown(events, "state_transition")
        wait_until(lambda: logs.read_text().count(" up") == 2, 10, "both are read")
        clock.set_off(jump_s)
        assert story.row()["id"]  # the session is still good

        story.crash(dies)
        wait_until(lambda: story.told("container_crashed"), 5, "the crash is counted")
        after = story.wait_whole(2)
        assert stays in {one.id for one in after}
        assert dies not in {one.id for one in after}
        assert healing_s(story, since=2) < 2
        shown(events, "container_crashed")
        wait_until(lambda: logs.read_text().count(" up") == 3, 10, "the new one is read")

        wait_until(lambda: story.row()["restart_count"] == 0, 20, "the crash is forgotten")
        (told,) = story.told("container_crashed")
        assert "(restart count 1 of " in told.message
        shown(events, "restart_count_reset")
    wanted = ["deployment_created", "state_transition", "container_crashed", "restart_count_reset"]
    assert [reason for reason in story.reasons() if reason in wanted] == wanted
    assert story.created() == 3
    assert abs(told_at(story, "container_crashed") - told_at(story, "state_transition")) > DAY_S / 2

    # what the engine wrote is asked for by the engine's clock
    entries = story.ring.read("deployment", "logs", f"{story.namespace}/web")
    first = min(str(entry["timestamp"]) for entry in entries)
    words = ("deployment", "logs", f"{story.namespace}/web", "--since")
    assert len(story.ring.read(*words, first)) == 3, "the last words of the dead one among them"
    story.ring.login()


def test_deaths_that_come_together_are_one_also_when_the_clocks_differ(
    clock: WallClock, tell: Tell
) -> None:
    story = tell(environment=clock.environment)
    story.applied(story.worker(replicas=3))
    before = {one.id for one in story.wait_whole(3)}
    for count, jump_s in ((1, DAY_S), (2, -DAY_S)):
        clock.set_off(jump_s)
        for one in before:
            story.crash(one)
        wait_until(lambda: len(story.told("container_crashed")) == 3 * count, 10, "all crashed")  # noqa: B023 - called at once
        counted = [
            one.message.rpartition("restart count ")[2].split()[0].rstrip(")")
            for one in story.told("container_crashed")
        ]
        assert counted[-3:] == [f"{count}"] * 3
        after = {one.id for one in story.wait_whole(3)}
        assert not after & before
        before = after


def test_a_clock_that_is_set_between_two_starts(clock: WallClock, tell: Tell) -> None:
    environment = {**clock.environment, "RING_CRASH_LOOP_RETRY": f"{RETRY_S}s"}
    story = tell(interval_s=1, environment=environment)
    story.applied(story.worker(replicas=2), story.worker("bad", command=["sh", "-c", "exit 1"]))
    there = {one.id for one in story.wait_whole(2)}
    row = story.row()
    story.wait_for("crash_loop_back_off", "bad", within_s=40)
    for jump_s in (DAY_S, -DAY_S):
        story.ring.kill()
        clock.set_off(jump_s)
        tried = story.created("bad")
        story.ring.start()
        # the wait that was pending lasts as long as one can last, and not until the clock is there
        wait_until(lambda: story.created("bad") > tried, RETRY_S + 8, "the next attempt")  # noqa: B023 - called at once
        assert {one.id for one in story.wait_whole(2)} == there
        assert (story.row()["id"], story.row()["restart_count"]) == (row["id"], 0)
    assert story.created() == 2
    assert story.told("instances_recovered") == []


def turn_up(story: Story, gone: Container) -> None:
    """The engine does late what it was asked for: a container of this name and these labels. It may
    be removed before it is started."""
    late = story.docker.create(story.image, STEADY, gone.labels, name=gone.name)
    story.docker.ask("POST", f"/containers/{late}/start")


def test_what_turns_up_of_a_deleted_deployment_is_still_removed(
    clock: WallClock, tell: Tell
) -> None:
    story = tell(interval_s=1, environment=clock.environment)
    story.applied(story.worker())
    (only,) = story.wait_whole(1)
    assert story.ring.run("deployment", "delete", f"{story.namespace}/web").code == 0
    story.wait_gone()
    for jump_s in (DAY_S, -DAY_S):
        clock.set_off(jump_s)
        turn_up(story, only)
        wait_until(lambda: not story.containers(), 15, "the late one is removed")
        story.ring.kill()
        story.ring.start()
    turn_up(story, only)
    wait_until(lambda: not story.containers(), 15, "so it is after a start")
