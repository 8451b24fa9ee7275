"""A blob on its way from a registry into the content store, both of which a test scripts."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ring.runtimes.containerd import fetching, methods
from ring.runtimes.containerd.api import content_pb2 as api
from ring.runtimes.containerd.client import Client
from ring.runtimes.containerd.content import Content
from ring.runtimes.containerd.fetching import RETRIES, Fetching
from ring.runtimes.distribution.client import Registries
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.distribution.transport import Deadlines
from ring.runtimes.images import references
from ring.runtimes.images.refusals import Cause
from tests.runtimes.containerd import scripted as engines
from tests.runtimes.distribution import scripted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from aiohttp import web

    from tests.runtimes.containerd.scripted import Context
    from tests.runtimes.distribution.scripted import Registry

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(256)) * 40
LEAST = Deadlines(least_bytes_per_s=1)
"""The beginning of it is slower in a minute, and all of it is not."""


class Store:
    """One blob of containerd's, and what it has been begun from."""

    def __init__(self) -> None:
        self.held = bytearray()
        self.begun: list[int] = []
        self.is_committed = False

    async def write(
        self, requests: AsyncIterator[api.WriteContentRequest], _context: Context
    ) -> AsyncIterator[api.WriteContentResponse]:
        async for request in requests:
            if request.action == api.WriteAction.STAT:
                self.begun.append(len(self.held))
            assert request.offset in {0, len(self.held)}
            self.held += request.data
            self.is_committed = request.action == api.WriteAction.COMMIT
            yield api.WriteContentResponse(offset=len(self.held))


@asynccontextmanager
async def fetched(
    tmp_path: Path, store: Store, registry: Registry
) -> AsyncGenerator[Fetching, None]:
    async with engines.serving(tmp_path / "socket") as engine:
        engine.converses(methods.CONTENT_WRITE, store.write)
        client = Client(engine.socket, "shop")
        registries = Registries(tmp_path, deadlines=LEAST, clock=scripted.Ticking())
        try:
            reference = references.parse(registry.image())
            yield Fetching(Content(client), registries, reference, None)
        finally:
            await registries.close()
            await client.close()


async def test_what_was_too_slow_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_PAUSE_S", 0)
    store, noted = Store(), list[int]()
    async with scripted.serving() as registry:
        kept = registry.keep_blob(CONTENT)
        path = f"GET /v2/team/app/blobs/{kept.digest}"
        drips = scripted.dripping(CONTENT[:3], kept.size)

        async def once(request: web.Request) -> web.StreamResponse:
            del registry.instead[path]
            return await drips(request)

        registry.instead[path] = once
        async with fetched(tmp_path, store, registry) as one:
            await one.blob(kept, "layer", lease="mine", note=noted.append)
        assert [asked.headers.get("Range") for asked in registry.asked] == [None, "bytes=3-"]
    assert store.begun == [0, 3]
    assert bytes(store.held) == CONTENT
    assert store.is_committed
    assert noted == [0, 3, 3, len(CONTENT)]


async def test_what_stays_too_slow_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_PAUSE_S", 0)
    store = Store()
    async with scripted.serving() as registry:
        kept = registry.keep_blob(CONTENT)
        drips = scripted.dripping(CONTENT[:3], kept.size)
        registry.instead[f"GET /v2/team/app/blobs/{kept.digest}"] = drips
        async with fetched(tmp_path, store, registry) as one:
            with pytest.raises(RegistryProblem) as caught:
                await one.blob(kept, "layer", lease="mine", note=lambda _: None)
        assert len(registry.asked) == RETRIES + 1
    assert caught.value.cause is Cause.TOO_SLOW
