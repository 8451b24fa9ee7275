"""Rolling updates: the old version serves until the new one is ready, and no request is lost."""

from __future__ import annotations

import hashlib
import hmac
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.both import ON_ADAPTERS
from tests.e2e.edge import Edge, unharmed
from tests.e2e.lives import ended_early, lives, most_at_once
from tests.e2e.polling import wait_until
from tests.e2e.ring import free_port
from tests.e2e.story import WEB, alarm

if TYPE_CHECKING:
    from tests.e2e.receivers import Receiver
    from tests.e2e.story import Row, Story

pytestmark = pytest.mark.engine

WINDOW_S = 1.0
"""Of the check that a site has."""


def rolled(story: Story, row: Row, name: str = "web", within_s: float = 40.0) -> Row:
    """The row that took its place, once nothing is left of it."""

    def is_over() -> bool:
        rows = story.rows(name)
        return (
            len(rows) == 1
            and rows[0]["id"] != row["id"]
            and rows[0]["status"] == "running"
            and "parent_id" not in rows[0]
        )

    wait_until(is_over, within_s, f"{name} has rolled", lambda: story.account(name))
    return story.row(name)


def test_one_instance_gives_way_to_one_and_open_requests_are_finished(
    story: Story, receiver: Receiver
) -> None:
    """Slow requests are under way all the time; they take longer than a step."""
    hook = {"url": receiver.url("/all"), "namespaces": [story.namespace]}
    status, hooked = story.ring.ask("POST", "/webhooks", hook)
    assert status == 201
    edge = Edge(story)
    story.applied(story.site("1"))
    (old,) = story.wait_whole(1)
    before = story.row()
    edge.await_answer("web")
    with edge.asked("/web/", "/web/cgi-bin/slow", rate=10) as stream:
        story.applied(story.site("2"))
        child = story.rows()[-1]
        assert child["parent_id"] == before["id"] != child["id"]
        assert child["revision"] == before["revision"] + 1
        wait_until(lambda: len(story.docker.running(story.namespace, "web")) == 2, 20, "both run")
        assert old.id in story.ids()
        after = rolled(story, before)
        (new,) = story.wait_whole(1)
        told = stream.end()
    assert unharmed(told) == {"1", "2"}
    assert (after["id"], after["restart_count"]) == (child["id"], 0)
    assert new.id != old.id
    _, answer = story.ring.ask("GET", f"/deployments/{before['id']}")
    assert answer["status"] == 404
    reasons = story.reasons()
    order = ["scale_up", "state_transition", "rolling_update_step", "rolling_update_complete"]
    assert [one for one in reasons if one in order] == order
    (step,) = story.told("rolling_update_step")
    assert old.name in step.message
    assert before["id"] in step.message

    story.ring.ask("DELETE", f"/deployments/{after['id']}")
    story.wait_gone()
    wait_until(
        lambda: (
            [one.told["new_status"] for one in receiver.at("/all") if "new_status" in one.told][-1]
            == "deleted"
        ),
        10,
        "its end is told",
    )
    secret = hooked["secret"].encode()
    for one in receiver.at("/all"):
        digest = hmac.new(secret, one.body, hashlib.sha256).hexdigest()
        assert one.headers["X-Ring-Signature"] == f"sha256={digest}"
    bodies = [one.told for one in receiver.at("/all") if one.told["deployment_id"] == child["id"]]
    phases = [(one["phase"], one["drained_instance_id"]) for one in bodies if "phase" in one]
    assert phases == [("step", old.id), ("complete", None)]
    assert {one["parent_id"] for one in bodies if "phase" in one} == {before["id"]}
    assert [one["direction"] for one in bodies if "direction" in one][:1] == ["up"]
    assert [one["new_status"] for one in bodies if "new_status" in one] == ["running", "deleted"]


@ON_ADAPTERS
def test_three_replicas_roll_a_second_apart_and_never_fewer_than_three_serve(story: Story) -> None:
    edge = Edge(story)
    story.applied(story.site("1", replicas=3))
    story.wait_whole(3)
    before = story.row()
    edge.await_answer("web")
    with edge.asked("/web/") as stream:
        story.applied(story.site("2", replicas=3))
        after = rolled(story, before)
        containers = story.wait_whole(3)
        told = stream.end()
    assert unharmed(told) == {"1", "2"}
    assert {one.deployment_id for one in containers} == {after["id"]}
    reasons = story.reasons()
    assert reasons.count("rolling_update_step") == 3
    assert reasons[-1] == "rolling_update_complete"
    assert after["restart_count"] == 0
    seen = lives(story.watch.all())
    assert len(seen) == 6
    assert ended_early(seen, before["id"], {after["id"]}, least=3, window_s=WINDOW_S) == []
    ends = sorted(one.ended_at for one in seen if one.deployment_id == before["id"])
    assert all(0.9 <= late - early <= 2.5 for early, late in pairwise(ends)), ends
    assert most_at_once(seen, after["id"]) == 3


def test_what_cannot_roll_is_replaced_and_says_why(story: Story) -> None:
    port = free_port()
    published = {"ports": [{"published": port, "target": 80}]}
    kinds: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
        "forced": ({}, ("--force",), "force=true"),
        "unchecked": ({"health_checks": []}, (), "no health checks"),
        "published": (published, (), "host port"),
    }
    before: dict[str, Row] = {}
    for version in ("1", "2"):
        for name, (fields, flags, _) in kinds.items():
            chosen = flags if version == "2" else ()
            story.applied(story.site(version, name, **fields), flags=chosen)
        for name, (_, _, token) in kinds.items():
            story.wait_whole(1, name)
            row = story.row(name)
            assert "parent_id" not in row
            if version == "1":
                before[name] = row
                continue
            assert row["id"] != before[name]["id"]
            (told,) = story.told("force_replace", name)
            assert (told.level, told.component) == ("warning", "api")
            assert token in told.message
            assert before[name]["id"] in told.message
            assert "rolling_update_step" not in story.reasons(name)
            first, second = lives(story.watch.all(), name)
            assert first.ended_at < second.started_at
    assert not {"port_allocation_failed", "instance_creation_failed"} & {
        *story.reasons("published")
    }
    assert story.row("published")["restart_count"] == 0


def test_a_server_that_is_killed_while_it_rolls_goes_on_where_it_was(story: Story) -> None:
    story.applied(
        story.site("1", replicas=3),
        story.worker("beside", command=WEB, health_checks=[alarm()]),
    )
    story.wait_whole(3)
    (beside,) = story.wait_whole(1, "beside")
    before = story.row()
    story.applied(story.site("2", replicas=3))
    wait_until(
        lambda: (
            [
                one
                for one in lives(story.watch.all())
                if one.deployment_id == before["id"] and one.ended_at < float("inf")
            ]
        ),
        30,
        "the first one is asked to go",
        story.account,
    )
    seen = len(story.probes("beside"))
    story.ring.kill()
    story.ring.start()
    after = rolled(story, before)
    story.wait_whole(3)
    found = lives(story.watch.all())
    assert ended_early(found, before["id"], {after["id"]}, least=3, window_s=WINDOW_S) == []
    assert len(found) == 6
    assert story.ids("beside") == {beside.id}
    assert story.row("beside")["restart_count"] == 0
    assert after["restart_count"] == 0
    assert story.reasons().count("rolling_update_complete") == 1
    wait_until(lambda: len(story.probes("beside")) > seen, 10, "its check goes on")
