"""What the routes of the verbs, of differences, revisions and reasons take and give."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ring.core.model.ids import DeploymentId, GroupKey
from ring.core.model.status import Status
from ring.core.plan.explaining import NOT_YET, Decided
from ring.core.plan.view import Plan, RowChange
from tests.api.world import manifest

if TYPE_CHECKING:
    from tests.api.client import Reply
    from tests.api.world import World

CANARY = "hunter2-canary"
WEB = GroupKey("shop", "web")


def _run(world: World, deployment_id: str, **fields: Any) -> None:
    row = world.store.deployment(DeploymentId(deployment_id))
    assert row is not None
    fields = {"status": Status.RUNNING, "was_running": True, **fields}
    assert world.run(world.store.commit(Plan(rows=(RowChange(row, replace(row, **fields)),))))


def _running(world: World, **members: object) -> str:
    identity: str = world.apply(**members).json["id"]
    _run(world, identity)
    return identity


def _do(world: World, identity: str, verb: str, **body: object) -> Reply:
    return world.call("POST", f"/deployments/{identity}/{verb}", body=body)


def _told(world: World, identity: str, reason: str) -> list[str]:
    found = world.call("GET", f"/deployments/{identity}/events").json
    return [each["message"] for each in found if each["reason"] == reason]


def test_a_restart_answers_with_the_new_row(world: World) -> None:
    old = _running(world)
    world.engine.woken.clear()
    reply = _do(world, old, "restart", reason="  a leak \n")
    assert reply.status == 201
    assert (reply.json["id"] == old, reply.json["revision"]) == (False, 2)
    assert _told(world, reply.json["id"], "restarted") == ["Restarted by admin: a leak"]
    assert world.engine.woken == [WEB]


def test_a_count_is_changed_in_place(world: World) -> None:
    identity = _running(world)
    reply = _do(world, identity, "scale", replicas=3, reason="sale")
    assert (reply.status, reply.json["id"], reply.json["replicas"]) == (200, identity, 3)
    assert reply.headers["x-ring-change"] == "scaled; from=1; to=3"
    reply = _do(world, identity, "scale", replicas=3)
    assert (reply.status, reply.headers["x-ring-change"]) == (200, "unchanged")
    _run(world, identity, status=Status.CRASH_LOOP_BACK_OFF)
    reply = _do(world, identity, "scale", replicas=2)
    assert (reply.status, "x-ring-change" in reply.headers) == (201, False)


def test_a_count_that_breaks_a_rule_is_answered_as_an_apply_of_it(world: World) -> None:
    members: dict[str, Any] = {"ports": [{"published": 8080, "target": 80}]}
    identity = _running(world, **members)
    reply = _do(world, identity, "scale", replicas=2)
    wanted = world.apply(**members, replicas=2)
    assert (reply.status, reply.json) == (422, wanted.json)
    assert reply.json["violations"][1]["code"] == "deployment.replicas.ports_conflict"


def test_stop_and_start(world: World) -> None:
    identity = _running(world)
    reply = _do(world, identity, "stop")
    assert (reply.status, reply.json["stopped"], reply.json["status"]) == (200, True, "running")
    assert "x-ring-change" not in reply.headers
    assert _do(world, identity, "stop").headers["x-ring-change"] == "unchanged"
    reply = _do(world, identity, "start")
    assert (reply.status, "stopped" in reply.json) == (200, False)
    assert _do(world, identity, "start").headers["x-ring-change"] == "unchanged"


def test_applying_the_same_starts_what_is_stopped(world: World) -> None:
    identity = _running(world, replicas=2)
    _do(world, identity, "stop")
    reply = world.apply("?if_changed=true", replicas=2)
    assert (reply.status, reply.json["id"]) == (200, identity)
    assert reply.headers["x-ring-change"] == "scaled; from=0; to=2"


def test_going_back(world: World) -> None:
    _running(world, image="web:1")
    identity = world.apply(image="web:2").json["id"]
    assert _do(world, identity, "rollback", to=9).status == 404
    reply = _do(world, identity, "rollback", reason="slow")
    assert (reply.status, reply.json["image"]) == (201, "web:1")
    made = reply.json["id"]
    assert _told(world, made, "rolled_back") == ["Rolled back to revision 1 by admin: slow"]
    reply = _do(world, identity, "rollback")
    assert reply.status == 409
    assert reply.json["detail"].endswith(f"is being deleted; {made} has taken its place")


def test_a_write_is_in_the_audit_log(world: World) -> None:
    identity = _running(world)
    for verb in ("stop", "start", "restart"):
        assert _do(world, identity, verb).status < 300
    entries = world.call("GET", "/audit?target_type=deployment").json
    assert [entry["action"] for entry in entries] == ["restart", "start", "stop", "create"]


@pytest.mark.parametrize("verb", ["restart", "scale", "stop", "start", "rollback"])
@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("x" * 257, "must have at most 256 characters"),
        ("a\nb", "no line breaks or control characters"),
        ("a\x1b[31mb", "no line breaks or control characters"),
        ("a\u2028b", "no line breaks or control characters"),
        (7, "must be a valid string"),
    ],
)
def test_a_reason_is_one_short_line(world: World, verb: str, reason: object, message: str) -> None:
    identity = _running(world)
    body = {"replicas": 2} if verb == "scale" else {}
    reply = _do(world, identity, verb, reason=reason, **body)
    assert reply.status == 422
    (violation,) = reply.json["violations"]
    assert (violation["property_path"], violation["code"]) == ("reason", "request.field.type")
    assert message in violation["message"]
    assert _do(world, identity, verb, reason=" " * 300 + "x" * 256, **body).status < 500


def test_a_blank_reason_is_none(world: World) -> None:
    identity = _running(world)
    _do(world, identity, "stop", reason="  ")
    assert _told(world, identity, "stopped") == ["Stopped by admin"]


@pytest.mark.parametrize(
    ("verb", "body", "path"),
    [
        ("scale", {}, "replicas"),
        ("scale", {"replicas": -1}, "replicas"),
        ("scale", {"replicas": 2**32}, "replicas"),
        ("scale", {"replicas": "2"}, "replicas"),
        ("rollback", {"to": 0}, "to"),
        ("rollback", {"to": "1"}, "to"),
        ("rollback", {"to": 2**63}, "to"),
    ],
)
def test_a_number_out_of_range_is_named(
    world: World, verb: str, body: dict[str, object], path: str
) -> None:
    reply = _do(world, _running(world), verb, **body)
    assert reply.status == 422
    assert [each["property_path"] for each in reply.json["violations"]] == [path]


def test_a_diff_tells_and_writes_nothing(world: World) -> None:
    identity = _running(world, replicas=2)
    before = world.call("GET", "/audit").json, world.store.deployments()
    world.engine.woken.clear()
    body = manifest(replicas=2, image="web:2", colour="red")
    reply = world.call("POST", "/deployments/diff?if_changed=true", body=body)
    assert reply.status == 200
    assert reply.json == {
        "action": "replace",
        "reason": "no health checks",
        "deployment_id": identity,
        "revision": 2,
        "changes": [
            {"path": "image", "before": "registry.example/web:1", "after": "web:2"},
        ],
        "warnings": ["unknown field 'colour' ignored"],
    }
    assert (world.call("GET", "/audit").json, world.store.deployments()) == before
    assert world.engine.woken == []
    made = world.call("POST", "/deployments/diff", body=manifest(namespace="new"))
    assert (made.json["action"], made.json["deployment_id"]) == ("create", None)
    assert [each["name"] for each in world.call("GET", "/namespaces").json] == ["shop"]


def test_a_diff_asks_the_registry_as_an_apply_does(world: World) -> None:
    identity = _running(world)
    _run(world, identity, image_digest="sha256:1")
    world.engine.moved = True
    reply = world.call("POST", "/deployments/diff?if_changed=true", body=manifest())
    assert world.engine.asked == [identity]
    assert reply.json["action"] == "replace"
    assert [each["path"] for each in reply.json["changes"]] == ["image (the tag has moved)"]


def test_a_diff_is_refused_as_an_apply_is(world: World) -> None:
    bound = world.token(scopes=["deployments:write"], namespaces=["away"])
    unbound = world.token(scopes=["deployments:write"])
    for token, body, status in [
        (world.admin, manifest(image=""), 422),
        (bound, manifest(), 403),
        (unbound, manifest(namespace="new"), 403),
    ]:
        diff = world.call("POST", "/deployments/diff", body=body, token=token)
        apply = world.call("POST", "/deployments", body=body, token=token)
        assert diff.status == apply.status == status
        assert diff.json == apply.json
    assert world.call("POST", "/deployments/diff?force=1", body=manifest()).status == 400


def test_revisions_tell_what_each_has_changed(world: World) -> None:
    _running(world, image="web:1")
    identity = world.apply(image="web:2", replicas=2).json["id"]
    newer, older = world.call("GET", f"/deployments/{identity}/revisions").json
    assert list(newer) == [
        "revision", "deployment_id", "created_at", "author", "cause", "ready_at", "current",
        "image", "replicas", "changes",
    ]  # fmt: skip
    assert newer["changes"] == [
        {"path": "image", "before": "web:1", "after": "web:2"},
        {"path": "replicas", "before": 1, "after": 2},
    ]
    assert (newer["revision"], newer["author"], newer["cause"]) == (2, "admin", "apply")
    assert (newer["current"], newer["ready_at"]) == (True, None)
    assert (older["current"], older["changes"], older["deployment_id"] == identity) == (
        False,
        None,
        False,
    )
    assert older["ready_at"] == "2027-03-02T08:15:04.120934Z"


def test_long_revisions_are_compared_beside_the_loop(world: World) -> None:
    identity = ""
    for number in range(3):
        environment = {f"KEY{index}": f"{number}" * 900 for index in range(40)}
        identity = world.apply(environment=environment).json["id"]
    found = world.call("GET", f"/deployments/{identity}/revisions").json
    assert [len(each["changes"] or ()) for each in found] == [40, 40, 0]


def test_why_tells_of_the_whole_group(world: World) -> None:
    identity = world.apply().json["id"]
    reply = world.call("GET", f"/deployments/{identity}/why")
    assert reply.json == {
        "deployment_id": identity,
        "status": "creating",
        "state": "progressing",
        "summary": NOT_YET,
        "decided_at": None,
        "rows": [
            {
                "id": identity, "revision": 1, "status": "creating", "target": 1, "live": 0,
                "ready": 0, "role": "current", "reason": NOT_YET,
            }
        ],
    }  # fmt: skip
    world.engine.decided = Decided(
        world.clock.wall(), {DeploymentId(identity): "waits for its image"}
    )
    found = world.call("GET", f"/deployments/{identity}/why").json
    assert (found["summary"], found["decided_at"]) == (
        "waits for its image",
        "2027-03-02T08:15:04.120934Z",
    )


def test_no_secret_is_in_any_of_it(world: World) -> None:
    world.call("POST", "/namespaces", body={"name": "shop"})
    secret = {"namespace": "shop", "name": "db", "value": CANARY}
    assert world.call("POST", "/secrets", body=secret).status == 201
    members = {
        "config": {"username": "mira", "password": CANARY},
        "environment": {"DB": {"secretRef": "db"}},
    }
    other = {"username": "mira", "password": f"{CANARY}x"}
    _running(world, **members)
    identity = world.apply(**members, image="web:2").json["id"]
    for reply in [
        world.call("GET", f"/deployments/{identity}/revisions"),
        world.call("GET", f"/deployments/{identity}/why"),
        world.call("POST", "/deployments/diff", body=manifest(**members, replicas=3)),
        world.call("POST", "/deployments/diff", body=manifest(config=other)),
        _do(world, identity, "scale", replicas=2),
        _do(world, identity, "rollback", to=1),
    ]:
        assert reply.status < 300
        assert CANARY.encode() not in reply.body
