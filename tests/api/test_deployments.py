from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ring.core.model.events import EventDraft, Level
from ring.core.model.ids import DeploymentId, GroupKey
from ring.core.model.status import Status
from ring.core.plan.view import Plan, RowChange

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from tests.api.world import World

UNKNOWN_ID = "3e0f3c1e-54c4-4a4e-9d0a-7a3f8f3b2c11"
MINIMAL = [
    "id",
    "created_at",
    "updated_at",
    "name",
    "namespace",
    "runtime",
    "image",
    "kind",
    "status",
    "restart_count",
    "command",
    "config",
    "replicas",
    "revision",
    "ports",
    "labels",
    "instances",
    "environment",
    "volumes",
]


def _row(world: World, deployment_id: str) -> Deployment:
    row = world.store.deployment(DeploymentId(deployment_id))
    assert row is not None
    return row


def _change(world: World, deployment_id: str, **fields: Any) -> None:
    row = _row(world, deployment_id)
    plan = Plan(rows=(RowChange(row, replace(row, **fields)),))
    assert world.run(world.store.commit(plan))


def _events(world: World, deployment_id: str) -> list[tuple[str, str]]:
    found = world.call("GET", f"/deployments/{deployment_id}/events").json
    return [(each["level"], each["reason"]) for each in found]


def test_a_minimal_one_shows_its_defaults(world: World) -> None:
    reply = world.apply()
    assert reply.status == 201
    shown = reply.json
    assert list(shown) == MINIMAL
    assert uuid.UUID(shown["id"]).version == 4
    assert shown["created_at"] == "2027-03-02T08:15:04.120934Z"
    assert (shown["updated_at"], shown["status"], shown["revision"]) == ("", "creating", 1)
    assert (shown["config"], shown["instances"], shown["command"]) == ({}, [], [])
    assert (shown["kind"], shown["replicas"], shown["restart_count"]) == ("worker", 1, 0)
    assert b", " not in reply.body
    assert world.engine.woken == [GroupKey("shop", "web")]
    assert _events(world, shown["id"]) == [("info", "deployment_created")]


def test_a_range_of_ports_is_shown_port_by_port(world: World) -> None:
    shown = world.apply(ports=[{"published": "9100-9102", "target": "9000-9002"}])
    assert shown.status == 201
    assert shown.json["ports"] == [
        {"published": 9100 + one, "target": 9000 + one, "host_ip": None, "protocol": "tcp"}
        for one in range(3)
    ]


@pytest.mark.parametrize(
    ("published", "target", "code"),
    [
        ("9100-9102", "9000-9001", "length_mismatch"),
        ("9102-9100", "9000-9002", "invalid"),
        ("9100-9102", 9000, "invalid"),
        ("1000-1256", "1000-1256", "too_large"),
    ],
)
def test_a_range_that_is_refused(world: World, published: str, target: object, code: str) -> None:
    reply = world.apply(ports=[{"published": published, "target": target}])
    assert reply.status == 422
    (violation,) = reply.json["violations"]
    assert violation["code"] == f"deployment.ports.range.{code}"
    assert violation["property_path"] == "ports[0]"


def test_what_is_declared_is_shown_as_declared(world: World) -> None:
    shown = world.apply(
        manifest="stack",
        command=["serve", "--all"],
        environment={"MODE": "ü"},
        labels={"tier": "web"},
        ports=[{"published": 8080, "target": 80}],
        volumes=[{"type": "bind", "source": "/srv", "destination": "/data"}],
        resources={"limits": {"memory": "64Mi"}},
        network={"mode": "bridge"},
        config={"image_pull_policy": "Never"},
    )
    assert shown.status == 201
    assert "ü".encode() in shown.body
    json = shown.json
    assert json["manifest"] == "stack"
    assert json["command"] == ["serve", "--all"]
    assert json["ports"] == [{"published": 8080, "target": 80, "host_ip": None, "protocol": "tcp"}]
    assert json["volumes"] == [
        {
            "type": "bind",
            "source": "/srv",
            "key": None,
            "destination": "/data",
            "driver": "local",
            "permission": "rw",
        }
    ]
    assert json["resources"] == {"limits": {"memory": "64Mi"}}
    assert json["network"] == {"mode": "bridge"}
    assert json["config"] == {
        "image_pull_policy": "Never",
        "server": None,
        "username": None,
        "password": None,
        "user": None,
    }


def test_every_violation_is_told_and_nothing_is_written(world: World) -> None:
    reply = world.apply(image=5, replicas="3", namespace="Fresh")
    assert reply.status == 422
    assert {"deployment.image.type", "deployment.replicas.type"} <= set(reply.codes)
    assert len(reply.codes) > 2
    assert reply.json["detail"] == reply.json["message"] == reply.json["error"]
    assert len(reply.json["detail"].splitlines()) == len(reply.codes)
    assert world.call("GET", "/deployments").json == []
    assert world.call("GET", "/namespaces").json == []
    assert world.engine.woken == []


@pytest.mark.parametrize("query", ["force=1", "force=", "if_changed=True", "force=true&force=x"])
def test_switches_are_strict(world: World, query: str) -> None:
    reply = world.apply(f"?{query}")
    assert reply.status == 400
    assert world.call("GET", "/deployments").json == []


def test_applying_again_replaces(world: World) -> None:
    first, second = world.apply().json, world.apply().json
    assert second["id"] != first["id"]
    assert second["revision"] == 2
    assert "parent_id" not in second
    assert _row(world, first["id"]).status is Status.DELETED
    assert ("warning", "force_replace") in _events(world, second["id"])


def test_force_replaces_what_is_unchanged(world: World) -> None:
    first = world.apply().json
    forced = world.apply("?force=true&if_changed=true")
    assert forced.status == 201
    assert forced.json["id"] != first["id"]
    assert "x-ring-change" not in forced.headers


def test_unchanged_writes_nothing_and_wakes_nobody(world: World) -> None:
    first = world.apply().json
    world.engine.woken.clear()
    world.engine.run(first["id"], "10.0.0.2")
    again = world.apply("?if_changed=true")
    assert again.status == 200
    assert again.headers["x-ring-change"] == "unchanged"
    assert again.json == {**first, "instances": [{"id": "c0ffee", "address": "10.0.0.2"}]}
    assert world.engine.woken == []


def test_another_count_scales_the_same_row(world: World) -> None:
    first = world.apply(replicas=2).json
    world.engine.woken.clear()
    scaled = world.apply("?if_changed=true", replicas=5)
    assert scaled.status == 200
    assert scaled.headers["x-ring-change"] == "scaled; from=2; to=5"
    assert (scaled.json["id"], scaled.json["revision"]) == (first["id"], 2)
    assert scaled.json["replicas"] == 5
    assert world.engine.woken == [GroupKey("shop", "web")]


@pytest.mark.parametrize(
    ("image", "policy", "digest", "asked"),
    [
        ("r.example/web:1", "Always", "sha256:1", True),
        ("r.example/web:1", "IfNotPresent", "sha256:1", False),
        ("r.example/web:1", "Always", None, False),
        (f"r.example/web@sha256:{'a' * 64}", "Always", "sha256:1", False),
    ],
)
def test_the_registry_is_asked_only_where_it_decides(
    world: World, image: str, policy: str, digest: str | None, *, asked: bool
) -> None:
    members = {"image": image, "config": {"image_pull_policy": policy}}
    row = world.apply(**members).json
    _change(world, row["id"], image_digest=digest)
    world.engine.moved = True
    again = world.apply("?if_changed=true", **members)
    assert again.status == (201 if asked else 200)
    assert world.engine.asked == ([row["id"]] if asked else [])


@pytest.mark.parametrize(
    ("query", "members"),
    [
        ("", {}),
        ("?force=true&if_changed=true", {}),
        ("?if_changed=true", {"command": ["x"]}),
        ("?if_changed=true", {"name": "other"}),
    ],
)
def test_a_change_is_a_change_without_the_registry(
    world: World, query: str, members: dict[str, object]
) -> None:
    _change(world, world.apply().json["id"], image_digest="sha256:1")
    assert world.apply(query, **members).status == 201
    assert world.engine.asked == []


def test_an_unmoved_tag_is_unchanged(world: World) -> None:
    row = world.apply().json
    _change(world, row["id"], image_digest="sha256:1")
    again = world.apply("?if_changed=true")
    assert (again.status, again.json["image_digest"]) == (200, "sha256:1")
    assert world.engine.asked == [row["id"]]


def test_unknown_members_are_named(world: World) -> None:
    reply = world.apply(args=[1], ports=[{"published": 1, "target": 2, "nope": 3}])
    assert reply.status == 201
    warnings = reply.headers["x-ring-warnings"].split("; ")
    assert sorted(warnings) == [
        "unknown field 'args' ignored",
        "unknown field 'ports[0].nope' ignored",
    ]
    assert _events(world, reply.json["id"]).count(("warning", "unknown_fields")) == 1


def test_an_unknown_name_cannot_break_the_header(world: World) -> None:
    reply = world.apply(**{"ü\r\nSet-Cookie: x; y%": 1})
    named = "unknown field '%C3%BC%0D%0ASet-Cookie: x%3B y%25' ignored"
    assert reply.headers["x-ring-warnings"] == named


def test_many_unknown_names_do_not_make_an_endless_header(world: World) -> None:
    reply = world.apply(**{f"member{number}": 1 for number in range(5000)})
    header = reply.headers["x-ring-warnings"]
    assert len(header) < 9000
    assert header.endswith("; and more unknown fields ignored")


def test_one_is_read_with_its_instances(world: World) -> None:
    made = world.apply().json
    world.engine.run(made["id"], "10.0.0.2")
    shown = world.call("GET", f"/deployments/{made['id']}").json
    assert shown["instances"] == [{"id": "c0ffee", "address": "10.0.0.2"}]
    world.engine.run(made["id"], None)
    shown = world.call("GET", f"/deployments/{made['id']}").json
    assert shown["instances"] == [{"id": "c0ffee"}]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("wanted", ["nope", "%00", "%ff", "' OR 1=1", "web", UNKNOWN_ID])
def test_any_other_id_is_404(world: World, method: str, wanted: str) -> None:
    world.apply()
    reply = world.call(method, f"/deployments/{wanted}")
    assert reply.status == 404
    assert reply.json["message"] == "Deployment not found"


def test_deleting_is_repeatable_until_the_row_is_purged(world: World) -> None:
    made = world.apply().json
    world.engine.woken.clear()
    path = f"/deployments/{made['id']}"
    for _ in range(2):
        reply = world.call("DELETE", path)
        assert (reply.status, reply.body) == (204, b"")
    assert world.engine.woken == [GroupKey("shop", "web")]
    shown = world.call("GET", path).json
    assert shown["status"] == "deleted"
    assert shown["updated_at"] == "2027-03-02T08:15:04.120934Z"
    assert world.run(world.store.commit(Plan(purge=(_row(world, made["id"]),))))
    assert world.call("DELETE", path).status == 404


def test_a_change_shows_when_it_was(world: World) -> None:
    made = world.apply().json
    world.clock.advance(1)
    _change(world, made["id"], status=Status.RUNNING, restart_count=3)
    shown = world.call("GET", f"/deployments/{made['id']}").json
    assert shown["updated_at"] == "2027-03-02T08:15:05.120934Z"
    assert (shown["status"], shown["restart_count"]) == ("running", 3)


def test_events_are_newest_first_and_bounded(world: World) -> None:
    made = world.apply().json
    draft = EventDraft(made["id"], Level.ERROR, "config_error", "no such volume ü", "scheduler")
    world.clock.advance(1)
    world.run(world.store.record([draft]))
    path = f"/deployments/{made['id']}/events"
    newest = world.call("GET", path).json
    assert [each["reason"] for each in newest] == ["config_error", "deployment_created"]
    first = newest[0]
    assert list(first) == [
        "id",
        "deployment_id",
        "timestamp",
        "level",
        "message",
        "component",
        "reason",
    ]
    assert first["timestamp"] == "2027-03-02T08:15:05.120934Z"
    assert (first["level"], first["component"]) == ("error", "scheduler")
    assert world.call("GET", f"{path}?limit=1").json == newest[:1]
    assert world.call("GET", f"{path}?limit=0").json == []
    assert world.call("GET", f"{path}?limit=99999999999999999999").json == newest
    assert world.call("GET", f"{path}?level=info").json == newest[1:]
    assert world.call("GET", f"{path}?level=loud").json == []


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=x", "limit=", "limit=1.5", "limit=%D9%A1", "follow=1"]
)
def test_event_queries_are_strict(world: World, query: str) -> None:
    made = world.apply().json
    assert world.call("GET", f"/deployments/{made['id']}/events?{query}").status == 400


def test_events_of_nothing_are_404(world: World) -> None:
    reply = world.call("GET", "/deployments/nope/events")
    assert (reply.status, reply.json["detail"]) == (404, "Deployment not found")
