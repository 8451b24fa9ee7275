"""Places on this machine that a test has for itself, and what it asks and listens to there."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from dnslib import QTYPE, DNSRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Answer = Callable[[bytes], bytes | None]
    """What a server says to a query; None: nothing."""


ANY = "0.0.0.0"  # noqa: S104 - of this machine alone, in what it is for
WAIT_S = 10.0


async def until(holds: Callable[[], object]) -> None:
    """Looks again whenever the loop has done something."""
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)


def subnet() -> str:
    """The first three numbers of addresses that nobody else is likely to use."""
    second, third = os.urandom(2)
    return f"127.{100 + second % 100}.{third}"


def free_port(address: str) -> int:
    """By TCP and by UDP; below those that the kernel gives to whoever connects meanwhile, and above
    those that tests of many count through."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    while True:
        port = 20_000 + int.from_bytes(os.urandom(2)) % 12_000
        with socket.socket(family) as stream, socket.socket(family, socket.SOCK_DGRAM) as datagrams:
            try:
                stream.bind((address, port))
                datagrams.bind((address, port))
            except OSError:
                continue
            return port


def query(name: str, kind: str = "A") -> bytes:
    return bytes(DNSRecord.question(name, kind).pack())


def found(answer: bytes) -> list[str]:
    """The data of its records."""
    return [str(record.rdata) for record in DNSRecord.parse(answer).rr]


def code(answer: bytes) -> int:
    number: int = DNSRecord.parse(answer).header.rcode
    return number


def by_kind(answer: bytes, kind: str) -> list[str]:
    number = getattr(QTYPE, kind)
    return [str(one.rdata) for one in DNSRecord.parse(answer).rr if one.rtype == number]


async def ask(message: bytes, server: str, port: int, client: str) -> bytes:
    """By UDP, from this address."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.setblocking(False)
        made.bind((client, 0))
        made.connect((server, port))
        made.send(message)
        async with asyncio.timeout(WAIT_S):
            return await loop.sock_recv(made, 65535)


async def ask_by_tcp(message: bytes, server: str, port: int, client: str) -> bytes:
    """Empty: it ended without an answer."""
    reader, writer = await asyncio.open_connection(server, port, local_addr=(client, 0))
    try:
        writer.write(struct.pack("!H", len(message)) + message)
        async with asyncio.timeout(WAIT_S):
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return b""
    finally:
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Of a class that asyncio gives no such name before 3.12.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._answer(data)
        if answer is not None:
            self._transport.sendto(answer, addr)


@asynccontextmanager
async def datagrams(address: str, port: int, answer: Answer) -> AsyncIterator[None]:
    """Something that answers by UDP."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Datagrams(answer), local_addr=(address, port)
    )
    try:
        yield
    finally:
        transport.close()


@asynccontextmanager
async def streams(address: str, port: int, answer: Answer) -> AsyncIterator[None]:
    """A name server that answers by TCP, one query for a connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            said = answer(await reader.readexactly(length))
            if said is not None:
                writer.write(struct.pack("!H", len(said)) + said)
        finally:
            writer.close()

    async with await asyncio.start_server(serve, address, port):
        yield
