"""A whole life of an instance over TLS: the engine is reached by a port that wants certificates."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from ring.core.model.logs import LogQuery
from ring.core.model.observed import State
from ring.runtimes.base import CameUp, Destroyed, Execs, Logs
from ring.runtimes.docker import open_runtime
from tests.certificates import Authority

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.contract.outside import DockerOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def door(path: str, tls: ssl.SSLContext) -> AsyncIterator[int]:
    """A port with TLS in front of the engine's socket."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(path)
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]
        server.close()


async def test_an_engine_behind_tls(
    docker_space: Space, docker: DockerOutside, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    client = authority.issue("client")
    async with door(docker.host.removeprefix("unix://"), authority.demanding()) as port:
        options = {
            "host": f"tcp://127.0.0.1:{port}",
            "tls_ca": f"{authority.ca}",
            "tls_cert": f"{client.cert}",
            "tls_key": f"{client.key}",
        }
        runtime = open_runtime(options)
        try:
            await runtime.ping()
            order = await docker_space.order(command=("sh", "-c", "echo written; sleep 100"))
            created = await runtime.create(order)
            await runtime.start(created.id)
            assert isinstance(runtime, Execs)
            assert (await runtime.exec(created.id, ("echo", "told"), 10)).output == "told\n"
            assert isinstance(runtime, Logs)
            query = LogQuery(follow=True)
            async with contextlib.aclosing(runtime.logs(created.id, query)) as batches:
                assert [line.message for line in await anext(batches)] == ["written"]
            await runtime.stop(created.id, 0)
            ended = await runtime.inspect(created.id)
            assert (ended.name, ended.state) == (order.name, State.EXITED)
            assert created.id in {one.id for one in await runtime.list()}
            await runtime.remove(created.id)
            async with contextlib.AsyncExitStack() as stack:
                events = runtime.events(created.created_at)
                stack.push_async_callback(events.aclose)  # type: ignore[attr-defined]  # a generator
                seen: set[type] = set()
                while not {CameUp, Destroyed} <= seen:
                    event = await asyncio.wait_for(anext(events), 10)
                    if getattr(event, "instance_id", "") == created.id:
                        seen.add(type(event))
        finally:
            await runtime.close()
