"""The readiness gate: not running before it is ready, and not waited for without end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.polling import wait_until
from tests.e2e.story import probe

if TYPE_CHECKING:
    from tests.e2e.conftest import Tell
    from tests.e2e.story import Row, Story

pytestmark = pytest.mark.engine

FILE = "test -f /ready"
NEVER = "test -f /nowhere"


def command(text: str, **fields: object) -> dict[str, object]:
    return probe(type="command", command=text, port=None, **fields)


def test_a_worker_runs_once_its_file_has_been_there_for_the_window(story: Story) -> None:
    """The window is 10 s where the check does not say."""
    story.applied(story.worker(health_checks=[command(FILE, min_healthy_time=None)]))
    (held,) = wait_until(
        lambda: story.docker.running(story.namespace, "web"), 20, "its container runs"
    )
    native = story.docker.inspect(held.id)["Config"]["Healthcheck"]
    assert native["Test"] == ["CMD-SHELL", FILE]
    assert (native["Interval"], native["Timeout"], native["Retries"]) == (500_000_000, 2 * 10**9, 3)
    wait_until(lambda: len(story.probes()) >= 4, 20, "it was looked at")
    assert {one["status"] for one in story.probes()} == {"failed"}
    assert (story.status(), story.told("state_transition")) == ("creating", [])

    assert story.docker.run(held.id, "touch", "/ready")[0] == 0
    made_at = time.monotonic()
    story.wait_for("running", within_s=20)
    assert 9.5 <= time.monotonic() - made_at <= 14
    assert len(story.told("state_transition")) == 1
    assert story.ids() == {held.id}

    assert story.docker.run(held.id, "rm", "/ready")[0] == 0
    wait_until(lambda: story.told("health_check_alert"), 20, "a red check alerts")
    assert story.status() == "running"
    assert story.ids() == {held.id}


def test_what_is_never_ready_fails_at_its_deadline(tell: Tell) -> None:
    """The start period of a check postpones it; what came up is kept to be looked at."""
    story = tell(environment={"RING_ROLLOUT_DEADLINE": "4"})
    checks = {"short": command(NEVER), "long": command(NEVER, start_period="7s")}
    story.applied(*(story.worker(name, health_checks=[one]) for name, one in checks.items()))
    ended: dict[str, Row] = {}
    at: dict[str, float] = {}
    began = time.monotonic()
    for name in checks:
        ended[name] = story.wait_for("failed", name, within_s=25)
        at[name] = time.monotonic() - began
        if name == "short":
            assert story.status("long") == "creating"
    assert 2.5 <= at["short"] <= 7
    assert 9.5 <= at["long"] <= 14
    for name in checks:
        (told,) = story.told("readiness_deadline_exceeded", name)
        assert (told.level, told.component) == ("error", "scheduler")
        assert [one.state for one in story.containers(name)] == ["running"]
        assert ended[name]["restart_count"] == 0
        assert "state_transition" not in story.reasons(name)


CRASHES_THRICE = (
    "sh",
    "-c",
    'echo >>/count/all; [ "$(wc -l </count/all)" -gt 3 ] || exit 1; '
    "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done",
)


def test_what_is_held_is_forgiven_once_it_stays_up(story: Story) -> None:
    mount = {"type": "volume", "source": f"{story.namespace}-count", "destination": "/count"}
    story.applied(
        story.worker(
            command=list(CRASHES_THRICE),
            volumes=[mount],
            health_checks=[command(NEVER, start_period="10m", min_healthy_time="3s")],
        )
    )
    wait_until(lambda: story.row()["restart_count"] == 3, 30, "it crashed three times")
    wait_until(lambda: story.row()["restart_count"] == 0, 30, "it is forgiven", story.account)
    assert len(story.told("restart_count_reset")) == 1
    assert story.status() == "creating"
    assert story.created() == 4
