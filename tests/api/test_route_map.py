"""Every route against every token: made of the one route map, so that a new route is in it.

Who adds a route writes its scope into SCOPES, as the specification has it, and for a new noun an
entry into NOUNS; without them the tests here fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.api.routing import Guarded, Public
from ring.api.table import ROUTES
from ring.core.access import Scope
from tests.api import nouns
from tests.api.nouns import AWAY, HOME, NOUNS, noun_of

if TYPE_CHECKING:
    from tests.api.world import World

SCOPES: dict[str, tuple[str | None, str | None]] = {
    "/deployments": ("deployments:read", "deployments:write"),
    "/deployments/{id}": ("deployments:read", "deployments:write"),
    "/deployments/{id}/events": ("deployments:read", None),
    "/deployments/{id}/health-checks": ("deployments:read", None),
    "/deployments/{id}/metrics": ("deployments:read", None),
    "/deployments/{id}/logs": ("deployments:read", None),
    "/deployments/{id}/exec": ("deployments:exec", None),
    "/deployments/{id}/port-forward": ("deployments:forward", None),
    "/deployments/{id}/revisions": ("deployments:read", None),
    "/deployments/{id}/why": ("deployments:read", None),
    "/deployments/{id}/restart": (None, "deployments:write"),
    "/deployments/{id}/scale": (None, "deployments:write"),
    "/deployments/{id}/stop": (None, "deployments:write"),
    "/deployments/{id}/start": (None, "deployments:write"),
    "/deployments/{id}/rollback": (None, "deployments:write"),
    "/deployments/diff": (None, "deployments:write"),
    "/node/get": ("deployments:read", None),
    "/namespaces": ("namespaces:read", "namespaces:write"),
    "/namespaces/{id}": ("namespaces:read", "namespaces:write"),
    "/namespaces/{id}/audit": ("namespaces:read", None),
    "/namespaces/{id}/network": (None, "namespaces:write"),
    "/configs": ("configs:read", "configs:write"),
    "/configs/{id}": ("configs:read", "configs:write"),
    "/secrets": ("secrets:read", "secrets:write"),
    "/secrets/{id}": ("secrets:read", "secrets:write"),
    "/volumes": ("volumes:read", "volumes:write"),
    "/volumes/{id}": ("volumes:read", "volumes:write"),
    "/users": ("users:read", "users:write"),
    "/users/me": ("users:read", None),
    "/users/{id}": ("users:read", "users:read"),
    "/webhooks": ("webhooks:read", "webhooks:write"),
    "/webhooks/{id}": (None, "webhooks:write"),
    "/webhooks/{id}/events": ("webhooks:read", None),
    "/tokens": ("admin", "admin"),
    "/tokens/{id}": ("admin", "admin"),
    "/tokens/{id}/rotate": (None, "admin"),
    "/auth/stream-ticket": (None, "admin"),
    "/audit": ("admin", None),
    "/images": ("admin", None),
    "/images/prune": (None, "admin"),
    "/node/orphans": ("admin", None),
    "/node/orphans/remove": (None, "admin"),
}
"""By path: what GET takes, and what every other method takes; None: there is no such method."""

UNSCOPED = {("POST", "/logout"), ("GET", "/openapi.json")}
"""Any valid token will do."""
PUBLIC = {("POST", "/login"), ("GET", "/healthz"), ("GET", "/metrics")}

UPGRADES = {"/deployments/{id}/exec", "/deployments/{id}/port-forward"}
"""Answered with 426 where nobody asks for an upgrade, once everything else is right."""

ALSO = {("DELETE", "/users/{id}"): ["users:write"]}
"""Scopes that a check after the gate takes besides the route's."""

GUARDED = [route for route in ROUTES if isinstance(route, Guarded)]
SCOPED = [route for route in GUARDED if route.scope is not None]
BY_ID = [route for route in SCOPED if "{" in route.path]
LISTS = [route for route in SCOPED if route.method == "GET" and route.path.count("/") == 1]
MAKING = [route for route in SCOPED if route.method == "POST" and route.path.count("/") == 1]


def _name(route: Guarded) -> str:
    return f"{route.method} {route.path}"


def _bounded(route: Guarded) -> bool:
    return NOUNS[noun_of(route.path)].boundary != "node"


def _target(world: World, route: Guarded) -> str:
    """The route's path for an object that exists."""
    noun = noun_of(route.path)
    if "{" not in route.path:
        if noun != "namespaces":
            world.call("POST", "/namespaces", body={"name": HOME})
        return route.path
    identity = nouns.make(world, noun)
    return route.path.replace("{id}", HOME if route.path.endswith("/audit") else identity)


def _ask(world: World, route: Guarded, target: str, token: str | None) -> tuple[int, str]:
    reply = world.call(route.method, target, token=token, body=nouns.body(route.method, route.path))
    problem = reply.headers.get("content-type") == "application/problem+json"
    return reply.status, reply.json["detail"] if problem else ""


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_a_route_has_the_scope_that_is_agreed(route: Guarded | Public) -> None:
    entry = (route.method, route.path)
    if isinstance(route, Public):
        assert entry in PUBLIC
    elif route.scope is None:
        assert entry in UNSCOPED
    else:
        assert route.path in SCOPES, f"{route.path} is not in SCOPES: which scopes does it take?"
        assert route.scope == SCOPES[route.path][0 if route.method == "GET" else 1]


def test_every_agreed_route_is_there() -> None:
    assert {route.path for route in SCOPED} == set(SCOPES)
    for path, (reading, writing) in SCOPES.items():
        methods = {route.method for route in SCOPED if route.path == path}
        assert ("GET" in methods) == (reading is not None)
        assert bool(methods - {"GET"}) == (writing is not None)


@pytest.mark.parametrize("route", SCOPED, ids=_name)
def test_a_noun_has_an_object_to_try_it_on(route: Guarded) -> None:
    noun = noun_of(route.path)
    assert noun in NOUNS, f"'{noun}' has no entry in tests/api/nouns.py: how is one made?"


def test_only_a_ticket_lets_a_session_do_what_takes_another_scope() -> None:
    other = {(route.path, route.session_scope) for route in GUARDED if route.session_scope}
    assert other == {("/auth/stream-ticket", Scope.DEPLOYMENTS_READ)}
    taking = {(route.method, route.path, route.ticket) for route in GUARDED if route.ticket}
    assert taking == {
        ("GET", "/deployments/{id}/logs", "deployment:logs"),
        ("GET", "/deployments/{id}/events", "deployment:events"),
    }


@pytest.mark.parametrize("route", GUARDED, ids=_name)
def test_nobody_gets_in_without_a_token(world: World, route: Guarded) -> None:
    target = _target(world, route) if route in SCOPED else route.path
    for token in (None, "ring_pat_" + "0" * 64, world.token(scopes=["admin"], expire_at="x")):
        assert _ask_unscoped(world, route, target, token) == (401, "Invalid token")


@pytest.mark.parametrize("route", SCOPED, ids=_name)
def test_no_other_scope_lets_anybody_in(world: World, route: Guarded) -> None:
    target = _target(world, route)
    others = [scope for scope in Scope if scope not in {route.scope, Scope.ADMIN}]
    for scopes in [*([scope] for scope in others), others, []]:
        refusal = _ask(world, route, target, world.token(scopes=scopes))
        assert refusal == (403, f"token lacks required scope '{route.scope}'")


@pytest.mark.parametrize("route", SCOPED, ids=_name)
@pytest.mark.parametrize("broad", [False, True], ids=["scope", "admin"])
def test_the_scope_alone_lets_in(world: World, route: Guarded, *, broad: bool) -> None:
    target = _target(world, route)
    scopes = ["admin"] if broad else [route.scope or ""]
    scopes += ALSO.get((route.method, route.path), [])
    if (route.method, route.path) == ("PUT", "/users/{id}") and not broad:
        target = "/users/" + world.call("GET", "/users/me").json["id"]  # oneself needs no more
    if noun_of(route.path) in {"deployments", "configs"}:
        world.call("POST", "/namespaces", body={"name": HOME})
    status, detail = _ask(world, route, target, world.token(scopes=scopes))
    assert status == 426 if route.path in UPGRADES else 200 <= status < 300, detail


@pytest.mark.parametrize("route", [route for route in BY_ID if _bounded(route)], ids=_name)
def test_an_object_of_another_namespace_is_out_of_reach(world: World, route: Guarded) -> None:
    target = _target(world, route)
    noun = NOUNS[noun_of(route.path)]
    for scopes in ([route.scope or ""], ["admin"], list(Scope)):
        bound = world.token(scopes=scopes, namespaces=[AWAY])
        status, detail = _ask(world, route, target, bound)
        assert status in noun.outside
        if noun.boundary == "namespace":
            assert detail == f"token is not scoped to namespace '{HOME}'"
    # and nothing has happened to it
    if route.method != "GET":
        assert _ask(world, route, target, world.admin)[0] < 300


@pytest.mark.parametrize("route", [route for route in MAKING if _bounded(route)], ids=_name)
def test_nothing_is_made_in_another_namespace(world: World, route: Guarded) -> None:
    world.call("POST", "/namespaces", body={"name": HOME})
    before = world.call("GET", route.path).json
    for scopes in ([route.scope or ""], ["admin"], list(Scope)):
        bound = world.token(scopes=scopes, namespaces=[AWAY])
        status, detail = _ask(world, route, route.path, bound)
        assert status == 403
        assert "is not scoped to namespace" in detail
    assert world.call("GET", route.path).json == before


@pytest.mark.parametrize("route", [route for route in LISTS if _bounded(route)], ids=_name)
@pytest.mark.parametrize("query", ["", f"?namespace={HOME}", f"?namespace[]={HOME}&namespace=x"])
def test_a_list_leaves_out_other_namespaces(world: World, route: Guarded, query: str) -> None:
    noun = noun_of(route.path)
    nouns.make(world, "deployments" if noun == "audit" else noun)
    seen = [NOUNS[noun].listed_as(each) for each in world.call("GET", route.path).json]
    assert HOME in seen
    for scopes in ([route.scope or ""], ["admin"], list(Scope)):
        bound = world.token(scopes=scopes, namespaces=[AWAY])
        assert world.call("GET", f"{route.path}{query}", token=bound).json == []


@pytest.mark.parametrize(
    "route",
    [route for route in SCOPED if noun_of(route.path) == "users" and route.method != "GET"],
    ids=_name,
)
def test_a_bound_token_changes_no_user(world: World, route: Guarded) -> None:
    target = _target(world, route)
    bound = world.token(scopes=list(Scope), namespaces=[AWAY])
    assert _ask(world, route, target, bound)[0] == 403


def test_a_bound_token_makes_only_narrower_tokens(world: World) -> None:
    bound = world.token(scopes=["admin"], namespaces=["prod", "test"])
    for namespaces, status in [
        ([], 403),
        (None, 403),
        (["prod", "other"], 403),
        (["prod"], 201),
        (["test", "prod"], 201),
    ]:
        body = {"name": "child", "scopes": ["admin"], "namespaces": namespaces}
        assert world.call("POST", "/tokens", token=bound, body=body).status == status
    wide = world.call("POST", "/tokens", body={"name": "wide", "scopes": ["admin"]}).json["id"]
    assert world.call("POST", f"/tokens/{wide}/rotate", token=bound).status == 403
    assert world.call("GET", f"/tokens/{wide}").json["revoked_at"] is None


def _ask_unscoped(world: World, route: Guarded, target: str, token: str | None) -> tuple[int, str]:
    reply = world.call(route.method, target, token=token, body=b"{bad")
    return reply.status, reply.json["detail"]
