from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.api.asgi import Api
from ring.api.logins import Logins
from ring.security.passwords import Passwords
from tests.api.world import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.api.client import Reply
    from tests.api.world import World


def _login(
    world: World, username: str = "admin", password: str = PASSWORD, **options: str
) -> Reply:
    body = {"username": username, "password": password}
    return world.call("POST", "/login", token=None, body=body, **options)


def test_two_logins_give_two_working_tokens(world: World) -> None:
    replies = [_login(world), _login(world)]
    tokens = [reply.json["token"] for reply in replies]
    assert tokens[0] != tokens[1]
    for reply, token in zip(replies, tokens, strict=True):
        assert reply.status == 200
        assert b'"token":"ring_pat_' in reply.body
        assert re.fullmatch("ring_pat_[0-9a-f]{64}", token)
        assert world.call("GET", "/deployments", token=token).status == 200


def test_a_wrong_password_and_an_unknown_user_look_the_same(world: World) -> None:
    world.user("gone", "viewer", status="disabled")
    wrong, unknown, disabled = (
        _login(world, password="wrong"),
        _login(world, username="nobody"),
        _login(world, username="gone"),
    )
    assert wrong.status == 401
    assert wrong.json["title"] == "Unauthorized"
    assert wrong.json["detail"] == "invalid credentials"
    assert wrong == unknown == disabled


@pytest.mark.parametrize(
    ("role", "readable", "writable"),
    [("admin", 200, 201), ("operator", 200, 201), ("viewer", 200, 403)],
)
def test_a_session_can_what_its_role_can(
    world: World, role: str, readable: int, writable: int
) -> None:
    token = _login(world, world.user("mira", role)).json["token"]
    assert world.call("GET", "/namespaces", token=token).status == readable
    made = world.call("POST", "/namespaces", token=token, body={"name": "shop"})
    assert made.status == writable


def test_logout_ends_exactly_the_presented_token(world: World) -> None:
    token, other = (world.session("admin") for _ in range(2))
    reply = world.call("POST", "/logout", token=token)
    assert (reply.status, reply.body) == (204, b"")
    assert world.call("POST", "/logout", token=token).status == 401
    assert world.call("GET", "/namespaces", token=token).status == 401
    assert world.call("GET", "/namespaces", token=other).status == 200


def test_logout_needs_no_scope(world: World) -> None:
    assert world.call("POST", "/logout", token=world.token(scopes=[])).status == 204


def test_ten_failures_hold_up_the_eleventh(world: World) -> None:
    for _ in range(10):
        assert _login(world, password="wrong").status == 401
    held = _login(world)
    assert held.status == 429
    assert held.headers["retry-after"] == "60"
    assert _login(world, peer="192.0.2.9").status == 200
    world.clock.advance(60)
    assert _login(world).status == 200


@pytest.mark.parametrize(
    ("body", "violations"),
    [
        (
            {},
            [("username", "request.field.missing"), ("password", "request.field.missing")],
        ),
        (
            {"username": 1, "password": None},
            [("username", "request.field.type"), ("password", "request.field.type")],
        ),
        ([], [("", "request.field.type")]),
    ],
)
def test_a_body_of_the_wrong_shape_names_every_field(
    world: World, body: object, violations: list[tuple[str, str]]
) -> None:
    reply = world.call("POST", "/login", token=None, body=body)
    assert reply.status == 422
    assert reply.json["title"] == "Validation failed"
    found = [(each["property_path"], each["code"]) for each in reply.json["violations"]]
    assert found == violations


def test_a_refused_body_is_not_repeated(world: World) -> None:
    body = {"username": ["hunter2"], "password": {"x": "hunter2"}}
    assert b"hunter2" not in world.call("POST", "/login", token=None, body=body).body


@pytest.mark.parametrize(
    "username", ["", "admin\x00", "a" * 60_000, "ädmin", "' OR 1=1 --", "admin\n"]
)
def test_strange_usernames_are_just_wrong(world: World, username: str) -> None:
    assert _login(world, username).status == 401


def test_a_login_body_is_bounded(world: World) -> None:
    assert _login(world, password="x" * 70_000).status == 413


def test_a_damaged_hash_is_our_fault(world: World) -> None:
    world.set_user("admin", "password", "plain")
    assert _login(world).status == 500


def test_only_the_digest_of_a_token_is_stored(world: World) -> None:
    token = _login(world).json["token"]
    dump = "\n".join(world.store._database._writer.iterdump())
    assert token not in dump
    assert f"'{token[:15]}'" in dump


def test_logins_wait_for_their_turn_and_the_queue_is_bounded(world: World) -> None:
    body = {"username": "nobody", "password": "x"}

    async def ask() -> list[int]:
        tries = [
            world.open("POST", "/login", token=None, body=body, peer=f"192.0.2.{number}")
            for number in range(70)
        ]
        refused = [await each.reply() for each in tries[64:]]
        for each in tries[:64]:
            await each.abandon()
        return [each.status for each in refused]

    assert world.run(ask()) == [429] * 6


def test_one_peer_does_not_fill_the_queue(world: World) -> None:
    body = {"username": "nobody", "password": "x"}
    peers = [f"127.0.0.{number}" for number in range(1, 6)]

    async def ask() -> tuple[int, int]:
        tries = [world.open("POST", "/login", token=None, body=body, peer=peer) for peer in peers]
        other = world.open("POST", "/login", token=None, body=body, peer="192.0.2.1")
        refused = await tries.pop().reply()
        for each in tries:
            await each.abandon()
        return refused.status, (await other.reply()).status

    assert world.run(ask()) == (429, 401)


def test_failures_count_for_all_addresses_of_a_peer(world: World) -> None:
    for number in range(10):
        assert _login(world, password="wrong", peer=f"127.0.0.{number + 1}").status == 401
    assert _login(world, peer="::1").status == 429


class _Slow(Passwords):
    """Verifies, and lets something happen before anybody hears of it."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    async def verify(self, encoded: str | None, password: str) -> bool:
        matched = await super().verify(encoded, password)
        self.meanwhile()
        return matched


@pytest.mark.parametrize(
    ("column", "value"),
    [("", ""), ("role", "viewer"), ("status", "disabled"), ("password", "another")],
)
def test_a_user_who_changes_meanwhile_gets_no_session(
    world: World, column: str, value: str
) -> None:
    """It would have the scopes of a role that is taken away, or outlive a password."""
    world.user("mira", "operator")
    slow = _Slow(
        lambda: world.set_user("mira", column, value) if column else world.delete_user("mira")
    )
    services = world.app._services
    services.logins.close()
    logins = Logins(world.store, world.clock, slow)
    world.app = Api(replace(services, logins=logins))
    reply = _login(world, "mira")
    assert (reply.status, reply.json["detail"]) == (401, "invalid credentials")
