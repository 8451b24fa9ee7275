"""Redirects: where they lead to, and what is told there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from ring.runtimes.base import Login
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.images import references
from ring.runtimes.images.refusals import Cause
from tests.runtimes.distribution.scripted import (
    REPOSITORY,
    Registry,
    always,
    basic,
    redirect,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ring.runtimes.distribution.client import Registries
    from ring.runtimes.distribution.descriptors import Descriptor

pytestmark = pytest.mark.anyio

LOGIN = Login("127.0.0.1", "ada", "geheim", "config")
CONTENT = b"a layer" * 100


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    async with serving() as one:
        one.demand_basic(LOGIN.username, LOGIN.password)
        yield one


@pytest.fixture
async def storage() -> AsyncIterator[Registry]:
    async with serving() as one:
        yield one


async def content(
    registries: Registries, registry: Registry, blob: Descriptor, offset: int = 0
) -> bytes:
    reference = references.parse(registry.image())
    async with registries.blob(reference, blob, offset, LOGIN) as found:
        return b"".join([chunk async for chunk in found.chunks()])


def lead(registry: Registry, blob: Descriptor, location: str, status: int = 307) -> None:
    """Whoever may ask is sent there."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != registry.allowed:
            return web.Response(status=401, headers={"WWW-Authenticate": f"{registry.challenge}"})
        return redirect(location, status)

    registry.instead[f"GET /v2/{REPOSITORY}/blobs/{blob.digest}"] = handler


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_another_server_is_told_of_no_login(
    registries: Registries, registry: Registry, storage: Registry, status: int
) -> None:
    blob = storage.keep_blob(CONTENT)
    path = f"/v2/{REPOSITORY}/blobs/{blob.digest}?signed=%2Fas%20it+is%3d"
    lead(registry, blob, f"{storage.url}{path}", status)
    assert await content(registries, registry, blob) == CONTENT
    (asked,) = storage.asked
    assert asked.path == path
    assert asked.authorization is None


async def test_another_name_is_another_server(registries: Registries, registry: Registry) -> None:
    blob = registry.keep_blob(CONTENT)
    path = f"/v2/{REPOSITORY}/elsewhere"
    registry.instead[f"GET {path}"] = always(lambda: web.Response(body=CONTENT))
    lead(registry, blob, f"http://{registry.other_host}{path}")
    assert await content(registries, registry, blob) == CONTENT
    assert registry.asked[-1].path == path
    assert registry.asked[-1].authorization is None


async def test_the_same_server_is_told_again(registries: Registries, registry: Registry) -> None:
    blob = registry.keep_blob(CONTENT)
    path = f"/v2/{REPOSITORY}/blobs/{blob.digest}"
    lead(registry, blob, "elsewhere#part")
    registry.instead[f"GET /v2/{REPOSITORY}/blobs/elsewhere"] = always(
        lambda: web.Response(body=CONTENT)
    )
    assert await content(registries, registry, blob) == CONTENT
    right = basic("ada", "geheim")
    assert [(one.path, one.authorization) for one in registry.asked] == [
        (path, None),
        (path, right),
        (f"/v2/{REPOSITORY}/blobs/elsewhere", right),
    ]


async def test_a_range_is_kept(
    registries: Registries, registry: Registry, storage: Registry
) -> None:
    blob = storage.keep_blob(CONTENT)
    lead(registry, blob, f"{storage.url}/v2/{REPOSITORY}/blobs/{blob.digest}")
    assert await content(registries, registry, blob, 100) == CONTENT[100:]


async def test_another_registry_gives_its_token_to_nobody(
    registries: Registries, registry: Registry, storage: Registry
) -> None:
    """As registry.k8s.io does, whose images are where a token is needed, which anybody gets."""
    blob = storage.keep_blob(CONTENT)
    storage.demand_bearer("t0ken", lambda _asked: web.json_response({"token": "t0ken"}))
    lead(registry, blob, f"{storage.url}/v2/{REPOSITORY}/blobs/{blob.digest}")
    assert await content(registries, registry, blob) == CONTENT
    assert [one.authorization for one in storage.asked] == [None, None, "Bearer t0ken"]


async def test_another_server_that_wants_a_password_gets_none(
    registries: Registries, registry: Registry, storage: Registry
) -> None:
    blob = storage.keep_blob(CONTENT)
    storage.demand_basic(LOGIN.username, LOGIN.password)
    lead(registry, blob, f"{storage.url}/v2/{REPOSITORY}/blobs/{blob.digest}")
    with pytest.raises(RegistryProblem) as caught:
        await content(registries, registry, blob)
    assert caught.value.cause is Cause.DENIED
    assert {one.authorization for one in storage.asked} == {None}


@pytest.mark.parametrize("is_growing", [True, False])
async def test_nobody_is_led_in_circles(
    registries: Registries, registry: Registry, is_growing: bool
) -> None:
    registry.challenge = None
    blob = registry.keep_blob(CONTENT)

    async def on(request: web.Request) -> web.StreamResponse:
        return redirect(f"{request.path}?x={len(registry.asked) if is_growing else 1}")

    registry.instead[f"GET /v2/{REPOSITORY}/blobs/{blob.digest}"] = on
    with pytest.raises(RegistryProblem, match=r"it redirects (too often|to no address)"):
        await content(registries, registry, blob)
    assert len(registry.asked) == (6 if is_growing else 2)


@pytest.mark.parametrize(
    "location", ["", "ftp://x.example/", "file:///etc/passwd", "http://a:b@x.example/", "http://["]
)
async def test_it_goes_nowhere_else(
    registries: Registries, registry: Registry, location: str
) -> None:
    blob = registry.keep_blob(CONTENT)
    lead(registry, blob, location)
    with pytest.raises(RegistryProblem, match="it redirects to no address that may be asked"):
        await content(registries, registry, blob)


async def test_where_nobody_is_any_more_is_told(registries: Registries, registry: Registry) -> None:
    blob = registry.keep_blob(CONTENT)
    async with serving() as gone:
        pass
    lead(registry, blob, f"{gone.url}/x?signature=geheim")
    with pytest.raises(RegistryProblem) as caught:
        await content(registries, registry, blob)
    assert caught.value.text == f"{gone.host}: connection refused"
    assert caught.value.cause is Cause.UNREACHABLE
