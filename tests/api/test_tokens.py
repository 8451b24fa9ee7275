"""Tokens for programs: made once, seen by their owner alone, never wider than they were."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from ring.clock import rfc3339
from ring.core.access import Scope

if TYPE_CHECKING:
    from tests.api.client import Reply
    from tests.api.world import World


def _make(world: World, token: str = "", /, **members: object) -> Reply:
    body = {"name": "nightly", "scopes": ["deployments:read"], **members}
    return world.call("POST", "/tokens", token=token, body=body)


def _made(world: World, token: str = "", /, **members: object) -> dict[str, Any]:
    reply = _make(world, token, **members)
    assert reply.status == 201, reply.body
    found: dict[str, Any] = reply.json
    return found


def _status(world: World, token: str, path: str = "/deployments") -> int:
    return world.call("GET", path, token=token).status


def _audit(world: World) -> list[tuple[str, str, None]]:
    entries = world.call("GET", "/audit?target_type=token").json
    return [(each["action"], each["target_name"], each["namespace"]) for each in reversed(entries)]


def test_a_token_is_shown_once(world: World) -> None:
    made = _made(world, scopes=["deployments:write", "deployments:write"], namespaces=["media"])
    assert list(made) == [
        "id",
        "name",
        "token",
        "token_prefix",
        "scopes",
        "namespaces",
        "created_at",
        "expire_at",
        "message",
    ]
    assert re.fullmatch("ring_pat_[0-9a-f]{64}", made["token"])
    assert made["token_prefix"] == made["token"][:15]
    assert (made["scopes"], made["namespaces"]) == (["deployments:write"], ["media"])
    view = world.call("GET", f"/tokens/{made['id']}")
    assert list(view.json) == [
        "id",
        "name",
        "token_prefix",
        "scopes",
        "namespaces",
        "created_at",
        "expire_at",
        "last_used_at",
        "revoked_at",
    ]
    assert b'"expire_at":null,"last_used_at":null,"revoked_at":null' in view.body
    listed = world.call("GET", "/tokens")
    assert listed.json == [view.json]
    assert made["token"] not in listed.body.decode() + view.body.decode()
    assert made["token"] not in "\n".join(world.store._database._writer.iterdump())
    assert _audit(world) == [("create", "nightly", None)]


def test_the_newest_comes_first_and_sessions_never(world: World) -> None:
    assert world.call("GET", "/tokens").json == []
    for name in ("first", "session", "third"):
        _made(world, name=name)
    listed = world.call("GET", "/tokens").json
    assert [each["name"] for each in listed] == ["third", "session", "first"]
    assert world.call("DELETE", f"/tokens/{listed[1]['id']}").status == 204


def test_a_token_opens_what_it_names(world: World) -> None:
    token = _made(world)["token"]
    assert [_status(world, token, path) for path in ("/deployments", "/namespaces", "/tokens")] == [
        200,
        403,
        403,
    ]
    assert world.call("POST", "/deployments", token=token, body={}).status == 403
    writer = _made(world, scopes=["deployments:write"])["token"]
    assert _status(world, writer) == 403


def test_every_scope_but_admin_makes_no_token(world: World) -> None:
    token = _made(world, scopes=[scope for scope in Scope if scope != Scope.ADMIN])["token"]
    identity = _made(world)["id"]
    assert _make(world, token).status == 403
    assert world.call("POST", f"/tokens/{identity}/rotate", token=token).status == 403
    body = {"scope": "deployment:logs:x"}
    assert world.call("POST", "/auth/stream-ticket", token=token, body=body).status == 403


def test_revoking_is_repeatable(world: World) -> None:
    made = _made(world)
    for _ in range(2):
        reply = world.call("DELETE", f"/tokens/{made['id']}")
        assert (reply.status, reply.body) == (204, b"")
        assert _status(world, made["token"]) == 401
        world.clock.advance(5)
    revoked_at = world.call("GET", f"/tokens/{made['id']}").json["revoked_at"]
    assert revoked_at == "2027-03-02T08:15:04.120934Z"
    assert [action for action, *_ in _audit(world)] == ["create", "revoke"]


# rotating


def test_rotating_ends_the_old_value_with_the_new_one(world: World) -> None:
    made = _made(world, namespaces=["prod"], expire_at="2027-03-03T00:00:00+02:00")
    rotated = world.call("POST", f"/tokens/{made['id']}/rotate")
    assert rotated.status == 201
    assert list(rotated.json) == list(made)
    assert rotated.json["id"] != made["id"]
    for member in ("name", "scopes", "namespaces", "expire_at"):
        assert rotated.json[member] == made[member]
    assert made["expire_at"] == "2027-03-02T22:00:00.000000Z"
    assert _status(world, made["token"]) == 401
    assert _status(world, rotated.json["token"]) == 200
    old = next(each for each in world.call("GET", "/tokens").json if each["id"] == made["id"])
    assert old["revoked_at"] is not None
    assert [action for action, *_ in _audit(world)] == ["create", "rotate"]


def test_what_has_ended_is_not_rotated(world: World) -> None:
    made = _made(world)
    world.call("DELETE", f"/tokens/{made['id']}")
    assert world.call("POST", f"/tokens/{made['id']}/rotate").status == 409
    expired = _made(world, expire_at="2027-03-02T07:15:04Z")
    assert world.call("POST", f"/tokens/{expired['id']}/rotate").status == 409
    assert len(world.call("GET", "/tokens").json) == 2


def test_a_token_rotates_itself(world: World) -> None:
    made = _made(world, scopes=["admin"])
    rotated = world.call("POST", f"/tokens/{made['id']}/rotate", token=made["token"])
    assert rotated.status == 201
    assert _status(world, made["token"]) == 401
    assert _status(world, rotated.json["token"], "/tokens") == 200


def test_of_two_who_rotate_at_once_one_does(world: World) -> None:
    made = _made(world)

    async def both() -> list[int]:
        tries = [world.open("POST", f"/tokens/{made['id']}/rotate") for _ in range(2)]
        return sorted([(await each.reply()).status for each in tries])

    assert world.run(both()) == [201, 409]
    assert len(world.call("GET", "/tokens").json) == 2


def test_a_use_shows_at_once_although_nothing_is_written(world: World) -> None:
    made = _made(world)
    assert world.call("GET", f"/tokens/{made['id']}").json["last_used_at"] is None
    world.clock.advance(5)
    assert _status(world, made["token"]) == 200
    used = rfc3339(world.clock.wall())
    world.clock.advance(5)
    assert world.call("GET", f"/tokens/{made['id']}").json["last_used_at"] == used
    (listed,) = world.call("GET", "/tokens").json
    assert listed["last_used_at"] == used
    world.call("POST", "/namespaces", body={"name": "written"})
    assert world.call("GET", f"/tokens/{made['id']}").json["last_used_at"] == used


# whose


@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("DELETE", ""), ("POST", "/rotate")])
def test_of_others_sessions_and_nothing_one_hears_the_same(
    world: World, method: str, tail: str
) -> None:
    boss = world.session(world.user("boss", "admin"))
    foreign = _made(world, boss)
    row = world.store._database._writer.execute(
        "SELECT id FROM token WHERE kind = 'session' AND user_id = (SELECT id FROM user"
        " WHERE username = 'admin')"
    ).fetchone()
    replies = [
        world.call(method, f"/tokens/{identity}{tail}")
        for identity in (foreign["id"], row["id"], "nope", "a'--", "%00")
    ]
    assert {reply.status for reply in replies} == {404}
    assert {reply.body for reply in replies} == {replies[0].body}
    assert replies[0].json["detail"] == "token not found"
    assert _status(world, foreign["token"]) == 200
    assert _status(world, world.admin) == 200


def test_a_demoted_admin_makes_no_more_tokens(world: World) -> None:
    """Neither with a session from before, nor with what it had made."""
    boss = world.session(world.user("boss", "admin"))
    pat = _made(world, boss, scopes=["admin"])["token"]
    user = world.store.user_named("boss")
    assert user is not None
    assert world.call("PUT", f"/users/{user.id}", body={"role": "operator"}).status == 200
    assert (_make(world, boss).status, _make(world, pat).status) == (401, 401)


# bounds


def test_a_bound_token_rotates_and_ends_what_it_made(world: World) -> None:
    bound = world.token(scopes=["admin"], namespaces=["prod"])
    child = _made(world, bound, scopes=["admin"], namespaces=["prod"])
    rotated = world.call("POST", f"/tokens/{child['id']}/rotate", token=bound)
    assert rotated.status == 201
    assert rotated.json["namespaces"] == ["prod"]
    assert _make(world, rotated.json["token"], namespaces=[]).status == 403
    assert world.call("DELETE", f"/tokens/{rotated.json['id']}", token=bound).status == 204


def test_validation_comes_before_the_boundary(world: World) -> None:
    bound = world.token(scopes=["admin"], namespaces=["prod"])
    assert _make(world, bound, name="x").status == 422


# what it may look like


@pytest.mark.parametrize(
    ("members", "codes"),
    [
        ({"name": "x", "scopes": []}, ["token.name.length", "token.scopes.empty"]),
        ({"name": ""}, ["token.name.length", "token.name.format"]),
        ({"name": "a" * 64}, ["token.name.length"]),
        ({"name": "-ab"}, ["token.name.format"]),
        ({"name": "ab\n"}, ["token.name.format"]),
        ({"name": "a\x00b"}, ["token.name.format"]),
        ({"scopes": ["admin", "root", "Admin"]}, ["token.scopes.unknown"] * 2),
        ({"scopes": ["deployments:*"]}, ["token.scopes.unknown"]),
        ({"namespaces": ["Prod", "x", "prod"]}, ["token.namespaces.format"] * 2),
        ({"namespaces": ["a" * 64]}, ["token.namespaces.format"]),
        ({"namespaces": ["prod"] * 2000}, ["token.namespaces.format"]),
        ({"scopes": ["admin"] * 2000}, ["token.scopes.unknown"]),
        ({"expire_at": "tomorrow"}, ["token.expire_at.format"]),
        ({"expire_at": ""}, ["token.expire_at.format"]),
        ({"expire_at": "2027-03-02"}, ["token.expire_at.format"]),
        ({"expire_at": "2027-03-02T08:15:04"}, ["token.expire_at.format"]),
        ({"expire_at": "2027-13-02T08:15:04Z"}, ["token.expire_at.format"]),
        ({"expire_at": "0001-01-01T00:00:00+14:00"}, ["token.expire_at.format"]),
        ({"expire_at": "٢٠٢٧-03-02T08:15:04Z"}, ["token.expire_at.format"]),
        ({"expire_at": 5}, ["request.field.type"]),
        ({"scopes": None}, ["request.field.type"]),
        ({"scopes": "admin"}, ["request.field.type"]),
        ({"scopes": [1]}, ["request.field.type"]),
    ],
)
def test_violations(world: World, members: dict[str, object], codes: list[str]) -> None:
    reply = _make(world, **members)
    assert (reply.status, reply.codes) == (422, codes)
    assert world.call("GET", "/tokens").json == []


def test_an_unknown_scope_is_told_the_known_ones(world: World) -> None:
    (violation,) = _make(world, scopes=["root"]).json["violations"]
    assert violation["property_path"] == "scopes"
    assert all(scope in violation["message"] for scope in Scope)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, None),
        ("2027-03-02t09:15:04z", "2027-03-02T09:15:04.000000Z"),
        ("2027-03-02 09:15:04.5+00:00", "2027-03-02T09:15:04.500000Z"),
        ("2027-03-02T09:15:04.123456789Z", "2027-03-02T09:15:04.123456Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_an_expiry_is_shown_as_every_other_time(
    world: World, given: str | None, kept: str | None
) -> None:
    assert _made(world, expire_at=given)["expire_at"] == kept


def test_a_token_may_be_born_expired_and_expires_in_time(world: World) -> None:
    assert _status(world, _made(world, expire_at="2027-03-02T07:15:04Z")["token"]) == 401
    token = _made(world, expire_at="2027-03-02T08:15:34Z")["token"]
    assert _status(world, token) == 200
    world.clock.advance(30)
    assert _status(world, token) == 401


@pytest.mark.parametrize("column", ["scopes", "namespaces"])
def test_a_damaged_token_opens_nothing_and_is_not_rotated(world: World, column: str) -> None:
    made = _made(world)
    world._write(f"UPDATE token SET {column} = '{{' WHERE id = ?", made["id"])  # noqa: S608 - a literal of the test
    assert _status(world, made["token"]) == 401
    assert world.call("GET", f"/tokens/{made['id']}").json[column] == []
    assert world.call("POST", f"/tokens/{made['id']}/rotate").status == 409
    assert len(world.call("GET", "/tokens").json) == 1


def test_unknown_members_are_ignored(world: World) -> None:
    assert _made(world, kind="session", user_id="x", color="red")["name"] == "nightly"
