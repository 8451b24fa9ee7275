"""Stream tickets: one deployment, one kind of stream, half a minute, and never without the token
that made it."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest

from ring.api import tickets
from ring.core.access import ROLES
from tests.api.world import manifest

if TYPE_CHECKING:
    from tests.api.client import Reply
    from tests.api.world import World


def _ask(world: World, scope: object, token: str = "") -> Reply:
    return world.call("POST", "/auth/stream-ticket", token=token, body={"scope": scope})


def _ticket(world: World, scope: str, token: str = "") -> str:
    reply = _ask(world, scope, token)
    assert reply.status == 200, reply.body
    made: str = reply.json["ticket"]
    return made


def _show(world: World, target: str, ticket: str, **options: str) -> int:
    mark = "&" if "?" in target else "?"
    return world.call("GET", f"{target}{mark}ticket={ticket}", token=None, **options).status


def test_a_ticket_has_its_shape(world: World) -> None:
    reply = _ask(world, "deployment:logs:dep1")
    assert re.fullmatch("tk_stream_[A-Za-z0-9]{48}", reply.json["ticket"])
    assert reply.body.endswith(b'","expires_in":30}')


@pytest.mark.parametrize(
    ("scope", "status"),
    [("", 400), (" \t\n", 400), ("x" * 513, 400), (None, 422), (7, 422), ("\x00", 200)],
)
def test_a_scope_is_a_text_that_says_something(world: World, scope: object, status: int) -> None:
    assert _ask(world, scope).status == status


def test_it_opens_the_logs_of_its_deployment_alone(world: World) -> None:
    made = world.apply().json["id"]
    ticket = _ticket(world, "deployment:logs:dep1")
    assert _show(world, "/deployments/dep1/logs", ticket) == 200  # there is no such deployment
    for target in (
        f"/deployments/{made}/logs",
        "/deployments/dep2/logs",
        "/deployments/dep1/events",
        "/deployments/dep1",
        "/deployments",
        "/users",
        "/openapi.json",
    ):
        assert _show(world, target, ticket) == 401
    assert _show(world, "/deployments/dep1/logs", ticket) == 200  # and is not used up by any of it


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_is_for_reading(world: World, method: str) -> None:
    ticket = _ticket(world, "deployment:logs:dep1")
    target = f"/deployments/dep1/logs?ticket={ticket}"
    assert world.call(method, target, token=None).status == 401


def test_the_same_holds_for_events(world: World) -> None:
    made = world.apply().json["id"]
    ticket = _ticket(world, f"deployment:events:{made}")
    assert _show(world, f"/deployments/{made}/events", ticket) == 200
    assert _show(world, f"/deployments/{made}/logs", ticket) == 401


def test_it_lasts_thirty_seconds(world: World) -> None:
    ticket = _ticket(world, "deployment:logs:dep1")
    world.clock.advance(29.9)
    assert _show(world, "/deployments/dep1/logs", ticket) == 200
    world.clock.advance(0.1)
    assert _show(world, "/deployments/dep1/logs", ticket) == 401
    assert not world.app._services.tickets._held


@pytest.mark.parametrize(
    "query",
    [
        "",
        "ticket=",
        "ticket=tk_stream_" + "a" * 48,
        "ticket={0}&ticket={0}",
        "ticket[]={0}",
        "Ticket={0}",
        "ticket={0}%00",
        "ticket=%ff%fe",
    ],
)
def test_only_one_whole_ticket_is_one(world: World, query: str) -> None:
    ticket = _ticket(world, "deployment:logs:dep1")
    target = f"/deployments/dep1/logs?{query.format(ticket)}"
    assert world.call("GET", target, token=None).status == 401


def test_a_bearer_wins(world: World) -> None:
    target = f"/deployments/dep1/logs?ticket={_ticket(world, 'deployment:logs:dep1')}"
    assert world.call("GET", target, token="ring_pat_" + "0" * 64).status == 401
    assert world.call("GET", target, token="garbage").status == 401
    assert world.call("GET", target, token=world.token(scopes=["users:read"])).status == 403
    basic = {"Authorization": "Basic YTpi"}  # of a proxy in front
    assert world.call("GET", target, token=None, headers=basic).status == 200


@pytest.mark.parametrize("end", ["logout", "demote", "disable", "delete"])
def test_it_dies_with_the_token_that_made_it(world: World, end: str) -> None:
    boss = world.session(world.user("boss", "admin"))
    ticket = _ticket(world, "deployment:logs:dep1", boss)
    user = world.store.user_named("boss")
    assert user is not None
    match end:
        case "logout":
            world.call("POST", "/logout", token=boss)
        case "demote":
            world.call("PUT", f"/users/{user.id}", body={"role": "viewer"})
        case "disable":
            world.call("PUT", f"/users/{user.id}", body={"status": "disabled"})
        case _:
            world.call("DELETE", f"/users/{user.id}")
    assert _show(world, "/deployments/dep1/logs", ticket) == 401


def test_an_open_stream_outlives_its_ticket_but_not_the_token(world: World) -> None:
    boss = world.session(world.user("boss", "admin"))
    world.app._services.streams.recheck_s = 0.0
    made = world.apply().json["id"]
    target = f"/deployments/{made}/events?follow=true"
    ticket = _ticket(world, f"deployment:events:{made}", boss)

    async def follow() -> list[bytes]:
        exchange = world.open("GET", f"{target}&ticket={ticket}", token=None)
        pieces = exchange.pieces()
        assert (await exchange.head()).status == 200
        found = [await anext(pieces)]
        world.clock.advance(31)
        again = world.open("GET", f"{target}&ticket={ticket}", token=None)
        assert (await again.reply()).status == 401
        assert not exchange._task.done()
        await world.open("POST", "/logout", token=boss).reply()
        return found + [piece async for piece in pieces]

    assert len(world.run(follow())) == 1


# who may make one


@pytest.mark.parametrize("role", ["operator", "viewer"])
def test_a_session_may_for_a_deployment_that_exists(world: World, role: str) -> None:
    session = world.session(world.user("mira", role))
    made = world.apply().json["id"]
    for kind in ("logs", "events"):
        ticket = _ticket(world, f"deployment:{kind}:{made}", session)
        assert _show(world, f"/deployments/{made}/{kind}", ticket) == 200
        assert _ask(world, f"deployment:{kind}:nope", session).status == 404
    assert _ask(world, f"deployment:shell:{made}", session).status == 404
    assert _ask(world, "  ", session).status == 400


def test_a_program_needs_admin(world: World) -> None:
    made = world.apply().json["id"]
    pat = world.token(scopes=ROLES["operator"])
    reply = _ask(world, f"deployment:logs:{made}", pat)
    assert (reply.status, reply.json["detail"]) == (403, "token lacks required scope 'admin'")
    blind = world.token(scopes=["users:read"], kind="session")
    assert _ask(world, f"deployment:logs:{made}", blind).status == 403


def test_a_bound_token_makes_none_for_elsewhere(world: World) -> None:
    inside = world.call("POST", "/deployments", body=manifest(namespace="prod")).json["id"]
    outside = world.call("POST", "/deployments", body=manifest(namespace="test")).json["id"]
    bound = world.token(scopes=["admin"], namespaces=["prod"])
    assert _ask(world, f"deployment:logs:{outside}", bound).status == 403
    ticket = _ticket(world, f"deployment:events:{inside}", bound)
    assert _show(world, f"/deployments/{inside}/events", ticket) == 200


# bounds and traces


def test_the_number_of_tickets_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "_MOST_OF_ONE", 2)
    monkeypatch.setattr(tickets, "_MOST", 3)
    for _ in range(2):
        _ticket(world, "deployment:logs:dep1")
    refused = _ask(world, "deployment:logs:dep1")
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    boss = world.session(world.user("boss", "admin"))
    _ticket(world, "deployment:logs:dep1", boss)
    assert _ask(world, "deployment:logs:dep1", boss).status == 503
    world.clock.advance(30)
    _ticket(world, "deployment:logs:dep1")


def test_nothing_of_it_is_kept_in_clear_or_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ticket = _ticket(world, "deployment:logs:dep1")
    assert _show(world, "/deployments/dep1/logs", ticket) == 200
    assert _show(world, "/deployments/dep1/logs?tail=x", ticket) == 400
    world.store._database._reader.close()  # everything fails from here on
    assert _show(world, "/deployments/dep1/logs", ticket) == 500
    assert ticket not in caplog.text
    assert caplog.records
    held = world.app._services.tickets
    key = held.key(ticket, "deployment:logs:dep1")
    assert key is not None
    assert key not in repr(held._held)
    assert ticket not in repr(held._held)
    world.store._database._reader = world.store._database._writer
