"""A new version that does not work costs no request, and the way out of it costs none either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.edge import Edge, unharmed
from tests.e2e.lives import lives
from tests.e2e.polling import wait_until
from tests.e2e.story import probe
from tests.e2e.test_rollouts import rolled

if TYPE_CHECKING:
    from tests.e2e.conftest import Tell
    from tests.e2e.story import Row, Story

pytestmark = pytest.mark.engine

DEADLINE_S = 12
CRASHES_LATER = (
    "mkdir -p /www; echo broken >/www/index.html; httpd -f -p 80 -h /www & "
    "sleep 5; kill $!; sleep 0.5; exit 1"
)
"""What it is answering when it crashes is lost with it, whoever stands before it: so nothing is."""
ENDED = {"failed", "crash_loop_back_off", "image_pull_back_off"}


@dataclass(frozen=True, slots=True)
class Broken:
    name: str
    fields: dict[str, Any]
    status: str


def shell(text: str) -> dict[str, Any]:
    return {"command": ["sh", "-c", text]}


NEVER_READY = {"health_checks": [probe(type="command", command="test -f /nowhere", port=None)]}
KINDS = (
    Broken("exits", shell("exit 1"), "failed"),
    Broken("unready", NEVER_READY, "failed"),
    Broken(
        "imageless",
        {"image": "ring-test/nothing:1", "config": {"image_pull_policy": "Never"}},
        "image_pull_back_off",
    ),
    # It serves for longer than its neighbours' window: its own must be the longer one.
    Broken(
        "crashes",
        {**shell(CRASHES_LATER), "health_checks": [probe(min_healthy_time="6s")]},
        "failed",
    ),
    Broken("reverts", {**NEVER_READY, "auto_rollback": True}, "deleted"),
)
NAMES = [one.name for one in KINDS]


def test_a_version_that_does_not_work_costs_no_request(tell: Tell) -> None:
    story = tell(environment={"RING_ROLLOUT_DEADLINE": f"{DEADLINE_S}"})
    edge = Edge(story)
    story.applied(*(story.site("1", name, replicas=2) for name in NAMES))
    for name in NAMES:
        story.wait_whole(2, name)
    edge.await_answer(*NAMES)
    parents = {name: story.row(name) for name in NAMES}
    kept = {name: story.ids(name) for name in NAMES}
    paths = [f"/{name}/" for name in NAMES]
    with edge.asked(*paths) as stream:
        story.applied(*(_broken(story, one) for one in KINDS))
        for one in KINDS:
            _await_failure(story, one, parents[one.name])
            assert kept[one.name] <= story.ids(one.name)
        broken = unharmed(stream.end())
    assert broken <= {"1", "2", "broken"}
    ended = [life for name in NAMES for life in lives(story.watch.all(), name)]
    early = {id_ for ids in kept.values() for id_ in ids} & {
        one.id for one in ended if one.ended_at < float("inf")
    }
    assert early == set(), "an instance that served was asked to go"

    with edge.asked(*paths) as stream:
        story.applied(*(story.site("3", name, replicas=2) for name in NAMES))
        for name in NAMES:
            child = story.rows(name)[-1]
            assert child["parent_id"] == parents[name]["id"]
        fixed = {name: rolled(story, parents[name], name) for name in NAMES}
        for name in NAMES:
            story.wait_whole(2, name)
        assert "3" in unharmed(stream.end())
    for name in NAMES:
        assert "rolling_update_complete" in story.reasons(name)
        assert fixed[name]["restart_count"] == 0

    _go_back(story, edge, fixed)


def _broken(story: Story, kind: Broken) -> dict[str, object]:
    return {**story.site("2", kind.name, replicas=2), **kind.fields}


def _await_failure(story: Story, kind: Broken, parent: Row) -> None:
    """The new version has failed, once; the old one is there as it was."""

    def child() -> Row | None:
        return next((one for one in story.rows(kind.name) if one["id"] != parent["id"]), None)

    if kind.status == "deleted":
        wait_until(
            lambda: child() is None and story.told("rolled_back", kind.name),
            DEADLINE_S + 20,
            f"{kind.name} is back by itself",
            lambda: story.account(kind.name),
        )
    else:
        wait_until(
            lambda: (
                (found := child()) is not None
                and found["status"] in ENDED
                and [
                    one
                    for one in story.told_of(found["id"])
                    if one.reason == "rolling_update_failed"
                ]
            ),
            DEADLINE_S + 20,
            f"{kind.name} has failed",
            lambda: story.account(kind.name),
        )
        found = child()
        assert found is not None
        assert found["status"] in {kind.status, "crash_loop_back_off"}
        (told,) = [e for e in story.told_of(found["id"]) if e.reason == "rolling_update_failed"]
        assert (told.level, told.component) == ("error", "scheduler")
        assert parent["id"] in told.message
    (still,) = [one for one in story.rows(kind.name) if one["id"] == parent["id"]]
    assert (still["status"], len(still["instances"])) == ("running", 2)
    assert still["restart_count"] == 0


def _go_back(story: Story, edge: Edge, fixed: dict[str, Row]) -> None:
    """To the first revision, which is kept; and from there to the one before."""
    name = NAMES[0]
    path = f"/deployments/{fixed[name]['id']}"
    status, kept = story.ring.ask("GET", f"{path}/revisions")
    assert status == 200, kept
    assert [one["revision"] for one in kept] == [3, 2, 1]
    with edge.asked(f"/{name}/") as stream:
        status, made = story.ring.ask("POST", f"{path}/rollback", {"to": 1, "reason": "a drill"})
        assert status == 201, made
        assert (made["revision"], made["environment"]) == (4, {"VERSION": "1"})
        back = rolled(story, fixed[name], name)
        assert story.told("rolled_back", name)
        status, made = story.ring.ask("POST", f"/deployments/{back['id']}/rollback", {})
        assert status == 201, made
        assert made["environment"] == {"VERSION": "3"}
        rolled(story, back, name)
        assert unharmed(stream.end()) == {"1", "3"}
    status, refused = story.ring.ask("POST", f"{path}/rollback", {"to": 99})
    assert status == 404, refused
