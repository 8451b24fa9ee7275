"""Who asks, told the way a registry wants to hear it, and to nobody else."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from ring.runtimes.base import Login
from ring.runtimes.distribution import exchanges
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.distribution.tokens import Tokens
from ring.runtimes.images import references
from ring.runtimes.images.refusals import Cause
from tests.runtimes.distribution.scripted import Asked, Registry, basic, errors, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ring.runtimes.distribution.client import Registries
    from ring.runtimes.distribution.transport import Transport

pytestmark = pytest.mark.anyio

LOGIN = Login("127.0.0.1", "ada", "geheim:ß", "config")
IDENTITY = Login("127.0.0.1", "<token>", "", "config", identity_token="1dentity")
MANIFEST = b"{}"
SCOPE = "repository:team/app:pull"


class ByHand:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def mono(self) -> float:
        return self.now


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    async with serving() as one:
        one.keep(MANIFEST)
        yield one


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ByHand:
    """For all tokens of clients that a test makes from here on."""
    clock = ByHand()

    def timed(transport: Transport) -> Tokens:
        return Tokens(transport, clock)  # type: ignore[arg-type]  # only `mono` is asked for

    monkeypatch.setattr(exchanges, "Tokens", timed)
    return clock


def given(token: str, **more: object) -> Callable[[Asked], web.Response]:
    return lambda _asked: web.json_response({"token": token, **more})


async def resolved(registries: Registries, registry: Registry, login: Login | None = None) -> None:
    await registries.resolve(references.parse(registry.image()), login)


async def refused(
    registries: Registries, registry: Registry, login: Login | None = None
) -> RegistryProblem:
    with pytest.raises(RegistryProblem) as caught:
        await resolved(registries, registry, login)
    return caught.value


def services(registry: Registry) -> list[Asked]:
    """Requests to the token service."""
    return [one for one in registry.asked if one.path.startswith("/token")]


async def test_basic_is_told_once_it_is_asked_for(
    registries: Registries, registry: Registry
) -> None:
    registry.demand_basic(LOGIN.username, LOGIN.password)
    await resolved(registries, registry, LOGIN)
    await resolved(registries, registry, LOGIN)
    right = basic("ada", "geheim:ß")
    assert [one.authorization for one in registry.asked] == [None, right, right]


@pytest.mark.parametrize("login", [None, IDENTITY, Login("x", "", "", "config")])
async def test_basic_needs_a_name_and_a_password(
    registries: Registries, registry: Registry, login: Login | None
) -> None:
    registry.demand_basic("ada", "geheim")
    problem = await refused(registries, registry, login)
    assert problem.cause is Cause.DENIED
    assert problem.text == f"{registry.host}: unauthorized: authentication required"
    assert {one.authorization for one in registry.asked} == {None}


async def test_a_wrong_password_is_told_no_more_than_needed(
    registries: Registries, registry: Registry
) -> None:
    registry.demand_basic("ada", "another")
    problem = await refused(registries, registry, LOGIN)
    assert problem.cause is Cause.DENIED
    wrong = basic(LOGIN.username, LOGIN.password)
    assert [one.authorization for one in registry.asked] == [None, wrong, wrong]


async def test_a_token_is_asked_for_by_nobody(registries: Registries, registry: Registry) -> None:
    registry.demand_bearer("t0ken", given("t0ken"))
    await resolved(registries, registry)
    (asked,) = services(registry)
    assert asked.method == "GET"
    assert asked.authorization is None
    query = parse_qs(urlsplit(asked.path).query)
    assert query == {"service": ["the registry"], "scope": [SCOPE]}


async def test_a_token_is_asked_for_with_the_login(
    registries: Registries, registry: Registry
) -> None:
    registry.demand_bearer("t0ken", given("t0ken"))
    await resolved(registries, registry, LOGIN)
    assert [one.authorization for one in registry.asked] == [
        None,
        basic(LOGIN.username, LOGIN.password),
        "Bearer t0ken",
    ]


async def test_an_identity_token_is_exchanged(registries: Registries, registry: Registry) -> None:
    registry.demand_bearer(
        "t0ken", lambda _asked: web.json_response({"access_token": "t0ken", "expires_in": 300})
    )
    await resolved(registries, registry, IDENTITY)
    (asked,) = services(registry)
    assert (asked.method, asked.path, asked.authorization) == ("POST", "/token", None)
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["1dentity"],
        "client_id": ["ring"],
        "service": ["the registry"],
        "scope": [SCOPE],
    }


async def test_the_scope_and_the_query_of_the_registry_are_kept(
    registries: Registries, registry: Registry
) -> None:
    registry.demand_bearer("t0ken", given("t0ken"), realm=f"{registry.url}/token?account=x")
    registry.challenge = f'{registry.challenge},scope="repository:proxied/team/app:pull"'
    await resolved(registries, registry)
    query = parse_qs(urlsplit(services(registry)[0].path).query)
    assert query["scope"] == ["repository:proxied/team/app:pull"]
    assert query["account"] == ["x"]


async def test_a_token_is_preferred_to_basic(registries: Registries, registry: Registry) -> None:
    registry.demand_bearer("t0ken", given("t0ken"))
    registry.challenge = f'Basic realm="x", {registry.challenge}'
    await resolved(registries, registry, LOGIN)
    assert registry.asked[-1].authorization == "Bearer t0ken"


@pytest.mark.parametrize(
    ("told", "good_s"),
    [
        ({}, 50),
        ({"expires_in": 300}, 290),
        ({"expires_in": 1}, 50),
        ({"expires_in": 10**9}, 3590),
        ({"expires_in": "300"}, 50),
        ({"expires_in": float("nan")}, 50),
    ],
)
async def test_a_token_is_kept_while_it_is_good(
    clock: ByHand,
    registries: Registries,
    registry: Registry,
    told: dict[str, object],
    good_s: float,
) -> None:
    registry.demand_bearer("t0ken", given("t0ken", **told))
    await resolved(registries, registry)
    clock.now += good_s - 0.01
    await resolved(registries, registry)
    assert len(services(registry)) == 1
    clock.now += 0.02
    await resolved(registries, registry)
    assert len(services(registry)) == 2


async def test_a_token_that_is_refused_is_renewed(
    registries: Registries, registry: Registry
) -> None:
    registry.demand_bearer("t0ken", given("t0ken"))
    await resolved(registries, registry)
    registry.demand_bearer("another", given("another"))
    await resolved(registries, registry)
    assert registry.asked[-1].authorization == "Bearer another"


async def test_each_login_has_a_token_of_its_own(
    registries: Registries, registry: Registry
) -> None:
    registry.demand_bearer("t0ken", given("t0ken"))
    for login in (LOGIN, None, LOGIN, IDENTITY):
        await resolved(registries, registry, login)
    assert [one.method for one in services(registry)] == ["GET", "GET", "POST"]


@pytest.mark.parametrize(
    ("answer", "cause", "says"),
    [
        (lambda: errors("UNAUTHORIZED", "wrong password", 401), Cause.DENIED, "wrong password"),
        (lambda: web.json_response({"details": "no such user"}, status=401), Cause.DENIED, "user"),
        (lambda: web.json_response({"error": "invalid_grant"}, status=400), Cause.DENIED, "400"),
        (lambda: web.Response(status=404), Cause.OTHER, "404 Not Found"),
        (lambda: web.Response(status=302, headers={"Location": "/x"}), Cause.OTHER, "302 Found"),
        (lambda: web.Response(status=503), Cause.OTHER, "503 Service Unavailable"),
        (lambda: web.Response(body=b"<html>"), Cause.OTHER, "holds no token"),
        (lambda: web.json_response({"token": ""}), Cause.OTHER, "holds no token"),
        (lambda: web.json_response({"token": "a\r\nHost: b"}), Cause.OTHER, "holds no token"),
        (lambda: web.json_response(["t0ken"]), Cause.OTHER, "holds no token"),
        (lambda: web.Response(body=b" " * (1 << 20) + b"{}"), Cause.OTHER, "longer than"),
    ],
)
async def test_a_service_that_gives_no_token(
    registries: Registries,
    registry: Registry,
    answer: Callable[[], web.Response],
    cause: Cause,
    says: str,
) -> None:
    registry.demand_bearer("t0ken", lambda _asked: answer())
    problem = await refused(registries, registry, LOGIN)
    assert problem.cause is cause
    assert says in problem.text
    assert f"HEAD {registry.asked[0].path}" == registry.lines[0]
    assert len(registry.asked) == 2


async def test_a_limit_of_the_service_is_waited_for(
    registries: Registries, registry: Registry
) -> None:
    registry.demand_bearer(
        "t0ken", lambda _asked: web.Response(status=429, headers={"Retry-After": "30"})
    )
    problem = await refused(registries, registry)
    assert (problem.cause, problem.retry_after_s) == (Cause.LIMITED, 30.0)


@pytest.mark.parametrize(
    "realm", ["ftp://x.example/t", "/token", "", "http://a:b@x.example/t", "http://[", "http://"]
)
async def test_a_service_without_an_address(
    registries: Registries, registry: Registry, realm: str
) -> None:
    registry.demand_bearer("t0ken", given("t0ken"))
    registry.challenge = f'Bearer realm="{realm}"'
    problem = await refused(registries, registry, LOGIN)
    assert {one.authorization for one in registry.asked} == {None}
    assert problem.cause is (Cause.OTHER if realm else Cause.DENIED)


async def test_an_unreachable_service_is_told(registries: Registries, registry: Registry) -> None:
    async with serving() as gone:
        realm = f"{gone.url}/token"
    registry.demand_bearer("t0ken", given("t0ken"), realm=realm)
    problem = await refused(registries, registry)
    assert problem.cause is Cause.UNREACHABLE
    assert problem.text == f"{gone.host}: connection refused"


async def test_no_secret_is_told_or_logged(
    registries: Registries, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    """Servers that repeat what they were told do not make it public."""
    caplog.set_level(logging.DEBUG)
    secrets = (LOGIN.password, basic(LOGIN.username, LOGIN.password), "1dentity", "t0ken-t0ken")

    def repeats(asked: Asked) -> web.Response:
        told = asked.body.decode() or f"{asked.authorization} {LOGIN.password}"
        return errors("UNAUTHORIZED", told, 401)

    registry.demand_bearer("t0ken", repeats)
    texts = [(await refused(registries, registry, login)).text for login in (LOGIN, IDENTITY)]
    registry.demand_bearer("another", given("t0ken-t0ken"))
    registry.instead["GET /v2/team/app/manifests/1"] = _repeating
    texts.append((await refused(registries, registry, LOGIN)).text)
    assert all("***" in text for text in texts)
    for secret in secrets:
        assert not any(secret in text for text in (*texts, caplog.text))


async def _repeating(request: web.Request) -> web.StreamResponse:
    return errors("DENIED", f"not with {request.headers.get('Authorization')}", 403)
