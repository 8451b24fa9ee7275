"""Servers that let their bytes drip."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from ring.runtimes.distribution.client import Registries
from ring.runtimes.distribution.descriptors import OCI_MANIFEST, Descriptor, digest_of
from ring.runtimes.distribution.pace import Pace
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.distribution.transport import Deadlines
from ring.runtimes.images import references
from ring.runtimes.images.refusals import Cause
from tests.runtimes.distribution.scripted import LAYER, Registry, Ticking, dripping, serving
from tests.store.builders import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from ring.clock import Clock
    from ring.runtimes.distribution.client import Blob

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(256)) * 40


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    async with serving() as one:
        yield one


@asynccontextmanager
async def asked(
    hosts_dir: Path, clock: Clock | None = None, deadlines: Deadlines | None = None
) -> AsyncGenerator[Registries, None]:
    registries = Registries(hosts_dir, deadlines=deadlines, clock=clock)
    try:
        yield registries
    finally:
        await registries.close()


@asynccontextmanager
async def plain(hosts_dir: Path, head: bytes) -> AsyncGenerator[str, None]:
    """A server's host that says this to everybody, and a letter more again and again."""
    going = asyncio.Event()
    going.set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        while going.is_set() and not writer.is_closing():
            writer.write(b"a")
            await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    (hosts_dir / host).mkdir()
    (hosts_dir / host / "hosts.toml").write_text(f'server = "http://{host}"')
    try:
        yield host
    finally:
        going.clear()
        server.close()
        await server.wait_closed()


async def refused(registries: Registries, written: str) -> RegistryProblem:
    with pytest.raises(RegistryProblem) as caught:
        async with asyncio.timeout(30):
            await registries.resolve(references.parse(written), None)
    return caught.value


def test_a_window_is_judged_at_its_end() -> None:
    pace = Pace(least_bytes_per_s=10, window_s=60)
    assert pace.too_slow(59, 1) == ""
    assert pace.too_slow(11, 0) == "1 bytes in 70 s"


def test_the_least_that_may_come_is_enough() -> None:
    pace = Pace(least_bytes_per_s=10, window_s=60)
    assert pace.too_slow(60, 600) == ""
    assert pace.too_slow(30, 599) == ""
    assert pace.too_slow(30, 0) == "599 bytes in 60 s"


def test_what_came_fast_excuses_no_later_window() -> None:
    pace = Pace(least_bytes_per_s=10, window_s=60)
    assert pace.too_slow(60, 1_000_000) == ""
    assert pace.too_slow(60, 1) == "1 bytes in 60 s"


async def test_a_blob_that_drips_is_broken_off(hosts_dir: Path, registry: Registry) -> None:
    kept = registry.keep_blob(CONTENT)
    registry.instead[f"GET /v2/team/app/blobs/{kept.digest}"] = dripping(CONTENT[:3], kept.size)
    taken = b""

    async def take(blob: Blob) -> None:
        nonlocal taken
        async for chunk in blob.chunks():
            taken += chunk

    async with asked(hosts_dir, Ticking()) as registries:
        reference = references.parse(registry.image())
        with pytest.raises(RegistryProblem) as caught:
            async with registries.blob(reference, kept, 0, None) as blob:
                await take(blob)
    assert caught.value.cause is Cause.TOO_SLOW
    says = "3 bytes in 60 s, which is less than 1024 bytes/s"
    assert caught.value.text == f"{registry.host}: {says}"
    assert taken == CONTENT[:3]  # for the next attempt to go on from


async def test_what_has_ended_was_fast_enough(hosts_dir: Path, registry: Registry) -> None:
    kept = registry.keep_blob(CONTENT[:3])
    async with asked(hosts_dir, Ticking()) as registries:
        reference = references.parse(registry.image())
        async with registries.blob(reference, kept, 0, None) as blob:
            assert [chunk async for chunk in blob.chunks()] == [CONTENT[:3]]


async def test_the_time_it_takes_to_keep_it_is_not_the_registrys(
    hosts_dir: Path, registry: Registry
) -> None:
    kept = registry.keep_blob(CONTENT)
    taken = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = kept.size
        await response.prepare(request)
        await response.write(CONTENT[:3])
        await taken.wait()
        await response.write(CONTENT[3:])
        return response

    registry.instead[f"GET /v2/team/app/blobs/{kept.digest}"] = handler
    clock, parts = ManualClock(), []
    async with asked(hosts_dir, clock) as registries:
        reference = references.parse(registry.image())
        async with registries.blob(reference, kept, 0, None) as blob:
            async for chunk in blob.chunks():
                clock.advance(3600)
                taken.set()
                parts.append(chunk)
    assert b"".join(parts) == CONTENT


async def test_a_manifest_that_drips_is_broken_off(hosts_dir: Path, registry: Registry) -> None:
    drips = dripping(b"{", 100, OCI_MANIFEST)
    registry.instead["HEAD /v2/team/app/manifests/1"] = drips
    registry.instead["GET /v2/team/app/manifests/1"] = drips
    async with asked(hosts_dir, Ticking()) as registries:
        problem = await refused(registries, registry.image())
    assert problem.cause is Cause.TOO_SLOW


async def test_a_head_that_drips_is_not_waited_for(hosts_dir: Path) -> None:
    deadlines = Deadlines(head_s=0.05)
    async with (
        plain(hosts_dir, b"HTTP/1.1 200 OK\r\nX: ") as host,
        asked(hosts_dir, deadlines=deadlines) as registries,
    ):
        problem = await refused(registries, f"{host}/team/app:1")
    assert problem.cause is Cause.TOO_SLOW
    assert problem.text == f"{host}: no whole head of an answer in 0 s"


async def test_letters_that_are_no_content_put_nothing_off(hosts_dir: Path) -> None:
    """An extension of a chunk, which the library's own deadline takes for an answer."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"
    blob = Descriptor(LAYER, digest_of(CONTENT), len(CONTENT))
    async with (
        plain(hosts_dir, head) as host,
        asked(hosts_dir, deadlines=Deadlines(idle_s=0.2)) as registries,
        registries.blob(references.parse(f"{host}/team/app:1"), blob, 0, None) as coming,
    ):
        with pytest.raises(RegistryProblem, match=": stalled, no byte for") as caught:
            async with asyncio.timeout(30):
                await anext(coming.chunks())
    assert caught.value.cause is Cause.UNREACHABLE
