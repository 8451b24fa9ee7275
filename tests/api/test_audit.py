"""The audit log: what is in it, who reads how much of it, and that nobody can flood it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ring.store import audit
from ring.store.records import Author
from tests.api.world import PASSWORD

if TYPE_CHECKING:
    from tests.api.client import Reply
    from tests.api.world import World

WRONG = "wrong"


def _entries(world: World, query: str = "", token: str = "") -> list[dict[str, Any]]:
    reply = world.call("GET", f"/audit{query}", token=token)
    assert reply.status == 200
    found: list[dict[str, Any]] = reply.json
    return found


def _acts(world: World, query: str = "") -> list[tuple[str, str, str, str | None]]:
    """Oldest first."""
    keys = ("action", "target_type", "target_name", "namespace")
    return [tuple(each[key] for key in keys) for each in reversed(_entries(world, query))]


def _login(world: World, username: str, password: str = WRONG) -> Reply:
    body = {"username": username, "password": password}
    return world.call("POST", "/login", token=None, body=body)


def _admin_id(world: World) -> str:
    user = world.store.user_named("admin")
    assert user is not None
    return user.id


def test_an_entry_has_its_shape(world: World) -> None:
    world.call("POST", "/namespaces", body={"name": "shop"})
    (entry,) = _entries(world)
    assert list(entry) == [
        "id",
        "timestamp",
        "user_id",
        "action",
        "target_type",
        "target_name",
        "namespace",
    ]
    assert entry["timestamp"] == "2027-03-02T08:15:04.120934Z"
    assert entry["user_id"] == _admin_id(world)


def test_what_is_done_is_told(world: World) -> None:
    deployment = world.apply().json["id"]
    world.call("DELETE", f"/deployments/{deployment}")
    session = _login(world, "admin", PASSWORD).json["token"]
    _login(world, "nobody")
    world.call("POST", "/logout", token=session)
    token = world.call("POST", "/tokens", body={"name": "ci", "scopes": ["admin"]}).json
    world.call("POST", f"/tokens/{token['id']}/rotate")
    assert _acts(world) == [
        ("create", "namespace", "shop", "shop"),
        ("create", "deployment", "web", "shop"),
        ("delete", "deployment", "web", "shop"),
        ("login", "session", "admin", None),
        ("login_failed", "session", "nobody", None),
        ("logout", "session", "admin", None),
        ("create", "token", "ci", None),
        ("rotate", "token", "ci", None),
    ]
    failed = _entries(world, "?action=login_failed")
    assert [each["user_id"] for each in failed] == [None]


def test_secrets_configs_and_volumes_are_told_with_who_did_it(world: World) -> None:
    world.call("POST", "/namespaces", body={"name": "shop"})
    bodies = {
        "secrets": {"namespace": "shop", "name": "key", "value": "hunter2"},
        "configs": {"namespace": "shop", "name": "site", "data": "{}"},
        "volumes": {"namespace": "shop", "name": "disk"},
    }
    for noun, body in bodies.items():
        made = world.call("POST", f"/{noun}", body=body)
        assert made.status == 201
        assert world.call("DELETE", f"/{noun}/{made.json['id']}").status == 204
    trail = world.call("GET", "/namespaces/shop/audit").json
    assert {each["user_id"] for each in trail} == {_admin_id(world)}
    assert [(each["action"], each["target_type"]) for each in reversed(trail)] == [
        ("create", "namespace"),
        ("create", "secret"),
        ("delete", "secret"),
        ("create", "config"),
        ("delete", "config"),
        ("create", "volume"),
        ("delete", "volume"),
    ]


# filters


@pytest.fixture
def trail(world: World) -> World:
    """Two users, two namespaces."""
    boss = world.session(world.user("boss", "admin"))
    world.call("POST", "/namespaces", body={"name": "aa"})
    world.call("POST", "/namespaces", token=boss, body={"name": "bb"})
    world.call("DELETE", "/namespaces/bb", token=boss)
    world.call("POST", "/tokens", body={"name": "ci", "scopes": ["admin"]})
    return world


def test_filters_are_or_within_a_key_and_and_between(trail: World) -> None:
    admin = _admin_id(trail)
    cases: list[tuple[str, int]] = [
        ("", 3),
        ("?namespace=aa", 1),
        ("?namespace=aa&namespace[]=bb", 2),
        ("?namespace=nope", 0),
        (f"?user_id={admin}", 2),
        (f"?user_id={admin}&namespace=aa", 1),
        (f"?user_id={admin}&namespace=bb", 0),
        (f"?user_id={admin}&user_id=x&target_type=token", 1),
        ("?action=create", 2),
        ("?action=create&action=delete&target_type=namespace", 2),
        ("?action=' OR 1=1 --", 0),
        ("?target_type=%00", 0),
        ("?limit=1", 1),
        ("?limit=0", 0),
        ("?colour=red", 3),
    ]
    counts = [(query, len(_entries(trail, query.replace(" ", "%20")))) for query, _ in cases]
    assert counts == cases


@pytest.mark.parametrize("path", ["/audit", "/namespaces/aa/audit"])
@pytest.mark.parametrize("limit", ["-1", "x", "1.5", "", "%D9%A3"])
def test_a_limit_is_a_number(world: World, path: str, limit: str) -> None:
    assert world.call("GET", f"{path}?limit={limit}").status == 400


@pytest.mark.parametrize("path", ["/audit", "/audit?namespace=aa", "/namespaces/aa/audit"])
def test_a_hundred_are_told_and_at_most_a_thousand(world: World, path: str) -> None:
    def many(tx: Any) -> None:  # a transaction
        for number in range(1200):
            audit.record(tx, "u", "create", audit.Target("config", f"c{number:04d}", "aa"))

    world.store._database.write_inline(many, lambda _: None)
    mark = "&" if "?" in path else "?"
    for query, count in [("", 100), (f"{mark}limit=450", 450), (f"{mark}limit=5000", 1000)]:
        names = [each["target_name"] for each in world.call("GET", path + query).json]
        assert names == [f"c{1199 - number:04d}" for number in range(count)]


def test_a_bound_token_sees_its_namespaces_alone(trail: World) -> None:
    bound = trail.token(scopes=["admin"], namespaces=["aa"])
    assert {each["namespace"] for each in _entries(trail, token=bound)} == {"aa"}
    assert _entries(trail, "?namespace=bb", bound) == []
    assert _entries(trail, "?target_type=token", bound) == []


# of one namespace


def test_the_trail_of_an_unknown_namespace_is_empty(world: World) -> None:
    for name in ("unknown", "a'b", "%00"):
        reply = world.call("GET", f"/namespaces/{name}/audit")
        assert (reply.status, reply.body) == (200, b"[]")


def test_a_bound_token_may_not_ask_for_a_name_outside(world: World) -> None:
    bound = world.token(scopes=["namespaces:read"], namespaces=["prod"])
    for name in ("staging", "unknown"):
        assert world.call("GET", f"/namespaces/{name}/audit", token=bound).status == 403
    assert world.call("GET", "/namespaces/prod/audit", token=bound).status == 200


# failed logins, which anybody can make


def test_failed_logins_are_recorded_up_to_a_rate(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(audit.FAILED_LOGINS_A_MINUTE + 5):
        world.run(world.store.audit.login_failed(f"u{number}"))
    assert len(_entries(world, "?limit=1000")) == audit.FAILED_LOGINS_A_MINUTE
    world.clock.advance(60)
    world.run(world.store.audit.login_failed("later"))
    assert _entries(world)[0]["target_name"] == "later"


def test_only_the_newest_failed_logins_are_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "FAILED_LOGINS_KEPT", 3)
    world.run(world.store.create_namespace("shop", Author("u", may_create_namespace=True)))
    for number in range(6):
        world.run(world.store.audit.login_failed(f"u{number}"))
    names = [each["target_name"] for each in _entries(world)]
    assert names == ["u5", "u4", "u3", "shop"]


def test_an_endless_name_is_cut(world: World) -> None:
    _login(world, "a" * 60_000)
    assert _entries(world)[0]["target_name"] == "a" * 64


def test_a_login_that_is_not_even_tried_is_not_recorded(world: World) -> None:
    for _ in range(12):
        _login(world, "nobody")
    assert len(_entries(world, "?action=login_failed")) == 10


def test_an_entry_that_cannot_be_written_stops_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world._write(
        "CREATE TRIGGER deaf BEFORE INSERT ON audit_log BEGIN SELECT RAISE(ABORT, 'deaf'); END"
    )
    assert world.call("POST", "/namespaces", body={"name": "shop"}).status == 201
    assert _login(world, "nobody").status == 401
    assert caplog.text.count("Failed to record audit entry") == 2
    assert world.call("GET", "/namespaces/shop").status == 200
