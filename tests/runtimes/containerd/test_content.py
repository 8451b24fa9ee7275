"""The content store's refusals, from a server that a test scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

from ring.runtimes.base import Unavailable
from ring.runtimes.containerd import content, methods
from ring.runtimes.containerd.api import content_pb2 as api
from ring.runtimes.containerd.client import Client, Refused
from ring.runtimes.containerd.content import Content, Damaged, Wanted
from ring.runtimes.distribution.descriptors import digest_of
from tests.runtimes.containerd.scripted import Context, Server, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

BLOB = b"some content"
WANTED = Wanted("layer-a", digest_of(BLOB), len(BLOB))
LOCKED = "ref layer-a locked for 3s (since now): unavailable"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path / "socket") as one:
        yield one


@pytest.fixture
async def store(server: Server) -> AsyncIterator[Content]:
    client = Client(server.socket, "shop")
    yield Content(client)
    await client.close()


class Ingest:
    """One unfinished blob, written as containerd writes it."""

    def __init__(self, server: Server, held: bytes = b"", locked: int = 0) -> None:
        self.held = bytearray(held)
        self.locked = locked
        """How often somebody else writes it."""
        self.is_aborted = False
        self.is_lost = False
        """It cannot be given up."""
        self.why_not = ""
        """Why nothing more is taken."""
        server.converses(methods.CONTENT_WRITE, self.write)
        server.answers(methods.CONTENT_ABORT, self.abort)
        server.answers(methods.CONTENT_STATUS, self.status)

    async def write(
        self, requests: AsyncIterator[api.WriteContentRequest], context: Context
    ) -> AsyncIterator[api.WriteContentResponse]:
        async for request in requests:
            if self.locked:
                self.locked -= 1
                await context.abort(grpc.StatusCode.UNAVAILABLE, LOCKED)
            if request.action != api.WriteAction.STAT:
                if request.offset == 0:
                    self.held.clear()
                assert request.offset == len(self.held)
                if self.why_not:
                    await context.abort(grpc.StatusCode.UNKNOWN, self.why_not)
                self.held += request.data
            if request.action == api.WriteAction.COMMIT and (
                digest_of(bytes(self.held)) != request.expected
            ):
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "unexpected digest")
            yield api.WriteContentResponse(offset=len(self.held))

    async def abort(self, request: Any, context: Context) -> Any:
        assert request.ref == WANTED.ref
        if self.is_lost:
            await context.abort(grpc.StatusCode.UNKNOWN, "it is lost")
        self.is_aborted = True
        self.held.clear()
        return methods.CONTENT_ABORT.answer_type()

    async def status(self, _request: Any, _context: Context) -> api.StatusResponse:
        return api.StatusResponse(status=api.Status(ref=WANTED.ref, offset=len(self.held)))


async def test_a_blob_goes_on_from_where_it_was(server: Server, store: Content) -> None:
    ingest = Ingest(server, BLOB[:5])
    async with store.writing(WANTED, lease="mine") as writing:
        assert writing is not None
        assert writing.offset == 5
        await writing.write(BLOB[5:])
        await writing.commit()
    assert ingest.held == BLOB
    assert server.asked[0][1]["containerd-lease"] == "mine"


async def test_a_large_blob_goes_in_pieces(
    server: Server, store: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "_PIECE_BYTES", 5)
    ingest = Ingest(server, b"left from before")
    labelled: list[api.UpdateRequest] = []

    async def update(request: api.UpdateRequest, _context: Context) -> api.UpdateResponse:
        labelled.append(request)
        return api.UpdateResponse()

    server.answers(methods.CONTENT_UPDATE, update)
    await store.put(WANTED, BLOB, {"a.b/c": "d"}, lease="mine")
    assert ingest.held == BLOB
    assert list(labelled[0].update_mask.paths) == ["labels.a.b/c"]


async def test_what_is_here_is_not_written(server: Server, store: Content) -> None:
    async def write(_requests: Any, context: Context) -> AsyncIterator[Any]:
        await context.abort(grpc.StatusCode.ALREADY_EXISTS, "there is")
        yield

    server.converses(methods.CONTENT_WRITE, write)
    async with store.writing(WANTED, lease="mine") as writing:
        assert writing is None


async def test_what_is_not_what_it_should_be_is_dropped(server: Server, store: Content) -> None:
    ingest = Ingest(server)
    async with store.writing(WANTED, lease="mine") as writing:
        assert writing is not None
        await writing.write(b"other stuff!")
        with pytest.raises(Damaged, match=WANTED.digest):
            await writing.commit()
    assert ingest.is_aborted


@pytest.mark.parametrize(
    ("why_not", "is_aborted"),
    [
        ("write /x/data: no space left on device: unknown", True),
        ("write /x/data: input/output error", False),
    ],
)
async def test_what_has_come_is_kept_unless_the_disk_is_full(
    server: Server, store: Content, why_not: str, is_aborted: bool
) -> None:
    ingest = Ingest(server, BLOB[:5])
    ingest.why_not = why_not

    async def write() -> None:
        async with store.writing(WANTED, lease="mine") as writing:
            assert writing is not None
            await writing.write(BLOB[5:])

    with pytest.raises(Refused, match=why_not):
        await write()
    assert ingest.is_aborted is is_aborted
    assert ingest.held == (b"" if is_aborted else BLOB[:5])


async def test_what_cannot_be_taken_from_a_full_disk_is_told(
    server: Server, store: Content, caplog: pytest.LogCaptureFixture
) -> None:
    ingest = Ingest(server)
    ingest.why_not, ingest.is_lost = "no space left on device", True
    with pytest.raises(Refused, match="no space left"):
        await store.put(WANTED, BLOB, {}, lease="mine")
    assert f"{WANTED.ref} stays on the full disk: it is lost" in caplog.text


async def test_what_somebody_else_writes_is_waited_for(
    server: Server, store: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "_LOCKED_PAUSE_S", 0.001)
    ingest = Ingest(server, locked=3)
    async with store.writing(WANTED, lease="mine") as writing:
        assert writing is not None
    assert ingest.locked == 0


async def test_who_writes_for_ever_is_not_waited_for(
    server: Server, store: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "_LOCKED_PAUSE_S", 0.001)
    monkeypatch.setattr(content, "LOCKED_IDLE_S", 0.003)
    Ingest(server, locked=1000)
    with pytest.raises(Unavailable, match="does not get on"):
        async with store.writing(WANTED, lease="mine"):
            pass


@pytest.mark.parametrize(
    ("held", "most_bytes", "why"), [(b"other", 100, "is sha256:"), (BLOB, 5, "longer than 5")]
)
async def test_what_is_read_is_compared_with_its_digest(
    server: Server, store: Content, held: bytes, most_bytes: int, why: str
) -> None:
    async def read(_request: Any, _context: Context) -> AsyncIterator[api.ReadContentResponse]:
        for begin in range(0, len(held), 4):
            yield api.ReadContentResponse(offset=begin, data=held[begin : begin + 4])

    server.streams(methods.CONTENT_READ, read)
    with pytest.raises(Damaged, match=why):
        await store.read(WANTED.digest, most_bytes)
    if held == BLOB:
        assert await store.read(WANTED.digest, 100) == BLOB
