"""What goes wrong on the way to a registry, in words."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from ring.runtimes.distribution.client import Registries
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.distribution.transport import Deadlines
from ring.runtimes.images import references
from ring.runtimes.images.refusals import Cause
from tests.runtimes.distribution.scripted import always, serving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def refused(registries: Registries, written: str) -> RegistryProblem:
    with pytest.raises(RegistryProblem) as caught:
        await registries.resolve(references.parse(written), None)
    return caught.value


async def plain(registries: Registries, hosts_dir: Path, answer: bytes | None) -> RegistryProblem:
    """Of a server that says this to everybody, and closes; None: that says nothing for long."""
    served = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is None:
            await served.wait()
        else:
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    folder = hosts_dir / host
    folder.mkdir()
    (folder / "hosts.toml").write_text(f'server = "http://{host}"')
    try:
        return await refused(registries, f"{host}/team/app:1")
    finally:
        served.set()
        server.close()
        await server.wait_closed()


async def test_no_http_is_told(registries: Registries, hosts_dir: Path) -> None:
    problem = await plain(registries, hosts_dir, b"220 mail.example ESMTP\r\n")
    assert problem.cause is Cause.OTHER
    assert problem.text.endswith(": its answer is not HTTP that can be read")


async def test_no_answer_is_told(registries: Registries, hosts_dir: Path) -> None:
    problem = await plain(registries, hosts_dir, b"")
    assert problem.cause is Cause.UNREACHABLE
    assert problem.text.endswith(": it closed the connection without an answer")


async def test_silence_is_told(hosts_dir: Path) -> None:
    registries = Registries(hosts_dir, deadlines=Deadlines(idle_s=0.05))
    problem = await plain(registries, hosts_dir, None)
    assert problem.cause is Cause.UNREACHABLE
    assert ": stalled, no byte for" in problem.text
    await registries.close()


async def test_a_name_that_is_unknown_is_told(
    registries: Registries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    problem = await refused(registries, "reg.example/team/app:1")
    assert problem.cause is Cause.UNREACHABLE
    assert problem.text == "reg.example: its name cannot be resolved"


async def test_nobody_who_lets_nobody_in_is_waited_for(hosts_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        registries = Registries(hosts_dir, deadlines=Deadlines(connect_s=0.05))
        problem = await refused(registries, f"127.0.0.1:{address[1]}/team/app:1")
        await registries.close()
        for one in waiting:
            one.close()
    assert problem.cause is Cause.UNREACHABLE
    assert problem.text == f"127.0.0.1:{address[1]}: no connection within 0 s"


@pytest.mark.parametrize(("status", "says"), [(418, "418 I'm a Teapot"), (599, "599")])
async def test_a_refusal_without_end_is_told_by_its_status(
    registries: Registries, status: int, says: str
) -> None:
    async with serving() as registry:
        path = "/v2/team/app/manifests/1"
        registry.instead[f"GET {path}"] = always(
            lambda: web.Response(status=status, body=b"x" * 1_000_000)
        )
        problem = await refused(registries, registry.image())
    assert problem.cause is Cause.OTHER
    assert problem.text == f"{registry.host}: it answers {says}"
