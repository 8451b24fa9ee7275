"""What containerd answers, sorted into what its callers act on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty

from ring.core.errors import EngineError
from ring.runtimes.base import Unavailable
from ring.runtimes.containerd import methods
from ring.runtimes.containerd.api import containers_pb2 as containers
from ring.runtimes.containerd.api import content_pb2 as content
from ring.runtimes.containerd.api import events_pb2 as events
from ring.runtimes.containerd.api import version_pb2 as version
from ring.runtimes.containerd.client import Already, Client, Locked, NotThere, Refused
from tests.runtimes.containerd import loops
from tests.runtimes.containerd.scripted import Context, Server, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[loops.Plain, loops.Quick], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The server runs on uvloop where it can."""
    return "asyncio", {"loop_factory": request.param}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path / "socket") as one:
        yield one


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    one = Client(server.socket, "shop")
    yield one
    await one.close()


def refusing(
    code: grpc.StatusCode, details: str
) -> Callable[[Any, Context], Coroutine[None, None, None]]:
    async def behaviour(_request: Any, context: Context) -> None:
        await context.abort(code, details)

    return behaviour


async def silent(_request: Any, _context: Context) -> None:
    await asyncio.Event().wait()


async def said(client: Client, timeout_s: float = 20.0) -> version.VersionResponse:
    return await client.call(methods.VERSION, Empty(), timeout_s=timeout_s)


async def test_a_call_is_of_the_clients_namespace_and_under_the_lease(
    server: Server, client: Client
) -> None:
    async def behaviour(_request: Empty, _context: Context) -> version.VersionResponse:
        return version.VersionResponse(version="1.7")

    server.answers(methods.VERSION, behaviour)
    assert (await said(client)).version == "1.7"
    await client.call(methods.VERSION, Empty(), lease="mine")
    first, second = (metadata for _, metadata in server.asked)
    assert first["containerd-namespace"] == "shop"
    assert "containerd-lease" not in first
    assert second["containerd-lease"] == "mine"


@pytest.mark.parametrize(
    ("code", "details", "kind"),
    [
        (grpc.StatusCode.NOT_FOUND, "no such thing", NotThere),
        (grpc.StatusCode.ALREADY_EXISTS, "there is", Already),
        (grpc.StatusCode.UNAVAILABLE, "ref layer-a locked for 3s: unavailable", Locked),
        (grpc.StatusCode.UNAVAILABLE, "shutting down", Unavailable),
        (grpc.StatusCode.CANCELLED, "context canceled", Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "context deadline exceeded", Unavailable),
        (grpc.StatusCode.FAILED_PRECONDITION, "unexpected digest", Refused),
        (grpc.StatusCode.UNKNOWN, "exec: no such file", Refused),
    ],
)
async def test_refusals_have_classes(
    server: Server,
    client: Client,
    code: grpc.StatusCode,
    details: str,
    kind: type[EngineError],
) -> None:
    server.answers(methods.VERSION, refusing(code, details))
    with pytest.raises(EngineError) as raised:
        await said(client)
    assert type(raised.value) is kind
    if isinstance(raised.value, Refused):
        assert (raised.value.message, raised.value.code) == (details, code.name)


async def test_a_socket_that_nobody_listens_at_is_named(tmp_path: Path) -> None:
    client = Client(tmp_path / "none", "shop")
    with pytest.raises(Unavailable, match=r"unix:///.*/none is not available: cannot connect: No"):
        await said(client)
    await client.close()


async def test_no_answer_in_time_is_unavailable(server: Server, client: Client) -> None:
    server.answers(methods.VERSION, silent)
    with pytest.raises(Unavailable, match=r"no answer in 0\.05 s"):
        await said(client, timeout_s=0.05)


async def test_an_answer_may_be_as_large_as_containerd_lets_it_be(
    server: Server, client: Client
) -> None:
    async def behaviour(_request: Any, _context: Context) -> containers.GetContainerResponse:
        large = containers.Container(id="a", image="x" * 15 * 1024 * 1024)
        return containers.GetContainerResponse(container=large)

    server.answers(methods.CONTAINERS_GET, behaviour)
    told = await client.call(methods.CONTAINERS_GET, containers.GetContainerRequest(id="a"))
    assert len(told.container.image) == 15 * 1024 * 1024


async def test_a_stream_gives_what_comes_and_then_how_it_ended(
    server: Server, client: Client
) -> None:
    async def behaviour(_request: Any, context: Context) -> AsyncIterator[events.Envelope]:
        yield events.Envelope(topic="/tasks/start")
        await context.abort(grpc.StatusCode.UNAVAILABLE, "going down")

    server.streams(methods.EVENTS_SUBSCRIBE, behaviour)
    stream = client.stream(methods.EVENTS_SUBSCRIBE, events.SubscribeRequest())
    assert (await anext(stream)).topic == "/tasks/start"
    with pytest.raises(Unavailable, match="going down"):
        await anext(stream)


async def test_closing_a_stream_ends_the_call(server: Server, client: Client) -> None:
    ended = asyncio.Event()

    async def behaviour(_request: Any, _context: Context) -> AsyncIterator[events.Envelope]:
        try:
            yield events.Envelope()
            await asyncio.Event().wait()
        finally:
            ended.set()

    server.streams(methods.EVENTS_SUBSCRIBE, behaviour)
    stream = client.stream(methods.EVENTS_SUBSCRIBE, events.SubscribeRequest())
    await anext(stream)
    await stream.aclose()
    async with asyncio.timeout(10):
        await ended.wait()


async def test_closing_the_client_ends_what_waits_without_cancelling_it(
    server: Server, client: Client
) -> None:
    began = asyncio.Event()

    async def behaviour(_request: Any, _context: Context) -> AsyncIterator[events.Envelope]:
        began.set()
        await asyncio.Event().wait()
        yield events.Envelope()

    server.streams(methods.EVENTS_SUBSCRIBE, behaviour)
    stream = client.stream(methods.EVENTS_SUBSCRIBE, events.SubscribeRequest())
    waiting = asyncio.ensure_future(anext(stream))
    await began.wait()
    await client.close()
    with pytest.raises(Unavailable, match="closed"):
        await waiting
    with pytest.raises(Unavailable, match="closed"):
        await said(client)


async def test_whoever_waits_can_be_cancelled(server: Server, client: Client) -> None:
    server.answers(methods.VERSION, silent)
    waiting = asyncio.create_task(said(client))
    while not server.asked:  # noqa: ASYNC110 - another thread's socket: nothing signals it
        await asyncio.sleep(0.001)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_conversation_goes_to_and_fro_until_it_is_refused(
    server: Server, client: Client
) -> None:
    async def behaviour(
        requests: AsyncIterator[content.WriteContentRequest], context: Context
    ) -> AsyncIterator[content.WriteContentResponse]:
        async for request in requests:
            if request.action == content.WriteAction.COMMIT:
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "unexpected digest")
            yield content.WriteContentResponse(offset=request.offset + len(request.data))

    server.converses(methods.CONTENT_WRITE, behaviour)
    async with client.duplex(methods.CONTENT_WRITE, lease="mine") as both:
        write = content.WriteContentRequest(action=content.WriteAction.WRITE, data=b"abc")
        assert (await both.ask(write)).offset == 3
        commit = content.WriteContentRequest(action=content.WriteAction.COMMIT)
        with pytest.raises(Refused, match="unexpected digest"):
            await both.ask(commit)
        with pytest.raises(Refused, match="unexpected digest"):
            await both.ask(write)
    assert server.asked[0][1]["containerd-lease"] == "mine"


async def test_a_conversation_does_not_wait_for_ever(server: Server, client: Client) -> None:
    async def behaviour(
        _requests: Any, _context: Context
    ) -> AsyncIterator[content.WriteContentResponse]:
        await asyncio.Event().wait()
        yield content.WriteContentResponse()

    server.converses(methods.CONTENT_WRITE, behaviour)
    async with client.duplex(methods.CONTENT_WRITE) as both:
        with pytest.raises(Unavailable, match=r"no answer in 0\.05 s"):
            await both.ask(content.WriteContentRequest(), timeout_s=0.05)
