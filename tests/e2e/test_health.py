"""Health checks: what they find, how often they look, and what they do about it."""

from __future__ import annotations

import itertools
from collections import defaultdict
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from ring.core.model.ids import short_id
from tests.e2e.polling import wait_until
from tests.e2e.story import alarm

if TYPE_CHECKING:
    from tests.e2e.receivers import Receiver
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

CLOSED_PORT = 9
ACTIONS = ("stop", "alert", "restart")


def _failed(story: Story) -> list[dict[str, Any]]:
    return [one for one in story.probes("alert") if one["status"] == "failed"]


def test_a_closed_port_stops_alerts_or_restarts(story: Story, receiver: Receiver) -> None:
    hook = {"url": receiver.url("/hook"), "events": ["deployment.health_check_failed"]}
    assert story.ring.ask("POST", "/webhooks", hook)[0] == 201
    story.applied(
        *(
            story.worker(action, health_checks=[alarm(port=CLOSED_PORT, on_failure=action)])
            for action in ACTIONS
        )
    )
    first = {
        action: wait_until(lambda a=action: story.watch.noted("start", a), 20, f"{action} starts")[  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            0
        ].id
        for action in ACTIONS
    }
    story.wait_gone("stop")

    wait_until(
        lambda: len(story.told("health_check_alert", "alert")) >= 2,
        20,
        "a check that goes on to fail alerts again",
        lambda: story.account("alert"),
    )
    alerts = story.told("health_check_alert", "alert")
    assert {(one.level, one.component) for one in alerts} == {("error", "health_checker")}
    assert short_id(first["alert"]) in alerts[0].message
    assert story.ids("alert") == {first["alert"]}
    assert (story.status("alert"), story.row("alert")["restart_count"]) == ("running", 0)
    wait_until(lambda: len(_failed(story)) >= 6, 10, "the results of two thresholds are kept")
    assert _failed(story)[0]["message"].startswith("TCP connection failed: ")

    wait_until(
        lambda: len(story.watch.noted("start", "restart")) >= 2,
        20,
        "another one is started",
        lambda: story.account("restart"),
    )
    (restarted, *_) = story.told("health_check_instance_restart", "restart")
    assert (restarted.level, restarted.component) == ("warning", "health_checker")
    wait_until(lambda: first["restart"] not in story.ids("restart"), 20, "the first one is gone")
    assert story.row("restart")["restart_count"] == 0
    ends = {"container_died", "container_crashed", "container_killed"}
    assert not ends & {*story.reasons("restart")}

    def told_of_all() -> bool:
        return {one.told["action"] for one in receiver.at("/hook")} == {*ACTIONS}

    wait_until(told_of_all, 10, "each action is told outside")
    by_action = {one.told["action"]: one.told for one in reversed(receiver.at("/hook"))}
    assert {action: by_action[action]["instance_id"] for action in ACTIONS} == first


def test_checks_look_by_their_own_clock_and_count_apart(story: Story) -> None:
    """The tick is 10 s, an interval 1 s; a kill of the server ends no container and no count."""
    asked = [
        alarm(type="http", url=f"http://localhost/{page}", interval="1s", port=None)
        for page in ("", "missing")
    ]
    story.applied(story.site("1", health_checks=asked))
    (before,) = story.wait_whole(1)
    wait_until(lambda: len(story.probes()) >= 16, 30, "there are results", story.account)
    by_index = _by_index(story.probes())
    assert by_index.keys() == {0, 1}
    for results in by_index.values():
        began = [datetime.fromisoformat(one["started_at"]).timestamp() for one in results]
        gaps = [after - before for before, after in itertools.pairwise(began)]
        assert 0.9 <= median(gaps) <= 1.1, gaps
    ends = [one["status"] for one in by_index[0]]
    # The first may have come before the program listened.
    assert set(ends[1:]) == {"success"}, {one["message"] for one in by_index[0]}
    assert {one["status"] for one in by_index[1]} == {"failed"}
    assert "HTTP check failed with status 404" in by_index[1][-1]["message"]
    alerts = story.told("health_check_alert")
    assert alerts
    assert all("404" in one.message for one in alerts)

    story.ring.kill()
    seen = len(story.watch.all())
    story.ring.start()
    last = by_index[0][-1]["started_at"]
    wait_until(
        lambda: len([one for one in story.probes() if one["started_at"] > last]) >= 4,
        20,
        "it goes on to look",
    )
    assert story.ids() == {before.id}
    assert story.status() == "running"
    assert story.watch.all()[seen:] == []


def test_what_lost_its_secret_is_still_looked_after_and_can_be_deleted(story: Story) -> None:
    secret = story.secret("key", "hunter2-canary-checked")
    story.applied(
        story.worker(
            environment={"KEY": {"secretRef": "key"}},
            health_checks=[alarm(type="command", command="test $KEY", port=None)],
        )
    )
    story.wait_whole(1)
    assert story.ring.ask("DELETE", f"/secrets/{secret}")[0] in {200, 204}
    seen = len(story.probes())
    wait_until(lambda: len(story.probes()) >= seen + 4, 20, "it is still looked after")
    assert {one["status"] for one in story.probes()} == {"success"}
    assert {one["message"] for one in story.probes()} == {"Command exited 0"}
    assert story.status() == "running"
    assert story.told("secret_resolution_error") == []
    story.ring.ask("DELETE", f"/deployments/{story.row()['id']}")
    story.wait_gone(within_s=15)


def _by_index(results: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    found = defaultdict(list)
    for one in results:
        found[one["check_index"]].append(one)
    return found
