"""HTTP probes against servers of this machine that answer what a test wrote down."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from ring.engine.outbound.names import Names
from ring.engine.probing.http import Requests, at_instance, port_at_instance
from ring.engine.probing.probed import Probed
from ring.engine.ways import Way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Server:
    """Answers each connection with the same bytes, and keeps what it was asked."""

    def __init__(self, said: bytes, *, again: bytes = b"") -> None:
        """again: said again and again afterwards, for as long as somebody listens."""
        self.said = said
        self.again = again
        self.asked: list[str] = []
        self.sent_bytes = 0
        self.port = 0
        self.over = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(self.said)
            while self.again:
                writer.write(self.again)
                await writer.drain()
                self.sent_bytes += len(self.again)
        writer.close()
        self.over.set()


@contextlib.asynccontextmanager
async def serving(server: Server, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    async with await asyncio.start_server(server.serve, host, 0) as listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server


@pytest.fixture
async def requests() -> AsyncIterator[Requests]:
    one = Requests()
    yield one
    await one.close()


def answer(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "299 Odd"])
async def test_success(requests: Requests, status: str) -> None:
    async with serving(Server(answer(status, "Content-Length: 0"))) as server:
        probed = await requests.probe("127.0.0.1", f"http://localhost:{server.port}/up?a=b%20c")
    url = f"http://127.0.0.1:{server.port}/up?a=b%20c"
    assert probed == Probed("success", f"HTTP check successful ({status[:3]}) for {url}")
    assert server.asked[0].startswith("GET /up?a=b%20c HTTP/1.1\r\n")


async def test_with_the_socket_that_leads_there(requests: Requests) -> None:
    """It is closed whatever comes of it."""
    async with serving(Server(answer("200 OK", "Content-Length: 0"))) as server:
        url = f"http://localhost:{server.port}/"
        for asked, status in ((url, "success"), ("ftp://localhost/", "failed")):
            link = socket.socket()
            link.setblocking(False)
            by = Way("127.0.0.1", server.port, link)
            assert (await requests.probe("127.0.0.1", asked, by)).status == status
            assert link.fileno() == -1
    assert len(server.asked) == 1


async def test_by_a_port_that_is_published(requests: Requests) -> None:
    async with serving(Server(answer("200 OK", "Content-Length: 0"))) as server:
        by = Way("127.0.0.1", server.port)
        probed = await requests.probe("10.0.0.9", "http://localhost:80/up", by)
    assert probed.message == (f"HTTP check successful (200) for http://127.0.0.1:{server.port}/up")


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://localhost/", 80),
        ("https://127.0.0.1/", 443),
        ("http://[::1]:8080/", 8080),
        ("http://elsewhere.example:80/", None),
        ("http://localhost:none/", None),
        ("ftp://localhost/", None),
    ],
)
def test_the_port_of_the_instance_that_is_meant(url: str, port: int | None) -> None:
    assert port_at_instance(url) == port


@pytest.mark.parametrize("status", ["302 Found", "304 Not Modified", "404 No", "500 Oh", "999 Odd"])
async def test_any_other_status_fails(requests: Requests, status: str) -> None:
    said = answer(status, "Location: /elsewhere", "Content-Length: 0")
    async with serving(Server(said)) as server:
        url = f"http://127.0.0.1:{server.port}/"
        probed = await requests.probe("127.0.0.1", url)
    assert probed == Probed("failed", f"HTTP check failed with status {status[:3]} for {url}")
    assert len(server.asked) == 1, "no redirect is followed"


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.2", "0", "2130706433", "0x7f.1", "localhost.", "[::ffff:127.0.0.1]", "[::]"),
        *("\uff4cocalhost", "%6cocalhost"),  # letters that a client may take for plain ones
    ],
)
async def test_nothing_else_of_this_machine_is_reached(requests: Requests, host: str) -> None:
    async with serving(Server(answer("200 OK")), "0.0.0.0") as server:  # noqa: S104 - of all that it may be reached by
        probed = await requests.probe("10.0.0.9", f"http://{host}:{server.port}/")
    assert probed.status == "failed"
    assert probed.message.startswith(f"HTTP request failed for http://{host}:{server.port}/: its ")
    assert server.asked == []


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0"])
async def test_what_a_name_stands_for_is_judged(address: str) -> None:
    found: list[tuple[object, ...]] = [(0, 0, 0, "", (address, 0))]
    requests = Requests(Names(lambda *_, **__: found))
    async with serving(Server(answer("200 OK"))) as server:
        probed = await requests.probe("10.0.0.9", f"http://inside.example:{server.port}/")
    await requests.close()
    assert probed.status == "failed"
    assert f"its address {address.partition('%')[0]} is blocked" in probed.message
    assert server.asked == []


@pytest.mark.parametrize("listens", ["127.0.0.1", "::1"])
async def test_an_instance_on_the_host_network_is_reached_as_written(
    requests: Requests, listens: str
) -> None:
    async with serving(Server(answer("200 OK")), listens) as server:
        url = f"http://localhost:{server.port}/"
        probed = await requests.probe(None, url)
    assert probed == Probed("success", f"HTTP check successful (200) for {url}")
    assert f"Host: localhost:{server.port}" in server.asked[0]


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost.", "[::ffff:127.0.0.1]"])
async def test_on_the_host_network_too_only_localhost_means_the_instance(
    requests: Requests, host: str
) -> None:
    async with serving(Server(answer("200 OK")), "0.0.0.0") as server:  # noqa: S104 - of all that it may be reached by
        probed = await requests.probe(None, f"http://{host}:{server.port}/")
    assert probed.status == "failed"
    assert server.asked == []


async def test_over_ipv6(requests: Requests) -> None:
    async with serving(Server(answer("200 OK")), "::1") as server:
        probed = await requests.probe("::1", f"http://localhost:{server.port}")
    assert probed.message == f"HTTP check successful (200) for http://[::1]:{server.port}"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "it closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", "its answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", "its answer is not HTTP"),
    ],
)
async def test_what_is_no_answer(requests: Requests, said: bytes, why: str) -> None:
    async with serving(Server(said)) as server:
        url = f"http://127.0.0.1:{server.port}/"
        probed = await requests.probe("127.0.0.1", url)
    assert probed == Probed("failed", f"HTTP request failed for {url}: {why}")


async def test_nobody_listens(requests: Requests) -> None:
    async with serving(Server(b"")) as server:
        url = f"http://127.0.0.1:{server.port}/"
    probed = await requests.probe("127.0.0.1", url)
    assert probed == Probed("failed", f"HTTP request failed for {url}: Connection refused")


async def test_no_tls_where_it_is_asked_for(requests: Requests) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)  # of a handshake, in which nothing ends a request
        writer.write(answer("400 Bad Request"))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        probed = await requests.probe("127.0.0.1", f"https://localhost:{port}/")
    assert probed.status == "failed"
    assert probed.message.startswith(f"HTTP request failed for https://127.0.0.1:{port}/: ")


@pytest.mark.parametrize("url", ["http://[localhost/", "http://localhost:99999/", "http://"])
async def test_what_is_no_url(requests: Requests, url: str) -> None:
    """Rows older than the rule may hold one."""
    probed = await requests.probe("127.0.0.1", url)
    assert probed.status == "failed"
    assert probed.message.startswith(f"HTTP request failed for {url}: ")


async def test_an_endless_body_is_not_read(requests: Requests) -> None:
    async with serving(Server(answer("200 OK"), again=b"x" * 65536)) as server:
        probed = await requests.probe("127.0.0.1", f"http://localhost:{server.port}")
        async with asyncio.timeout(10):
            await server.over.wait()
    assert probed.status == "success"
    assert server.sent_bytes < 16 * 1024 * 1024, "what the system's buffers hold, at most"


async def test_an_endless_head_is_given_up(requests: Requests) -> None:
    async with serving(Server(b"HTTP/1.1 200 OK\r\n", again=b"A: b\r\n" * 100)) as server:
        url = f"http://127.0.0.1:{server.port}"
        async with asyncio.timeout(10):
            probed = await requests.probe("127.0.0.1", url)
    assert probed == Probed("failed", f"HTTP request failed for {url}: its answer is not HTTP")


async def test_an_answer_in_drips_ends_with_the_time(requests: Requests) -> None:
    async with serving(Server(b"HTTP/1.1 2")) as server:
        server.again = b""

        async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
            server.over.set()

        async with await asyncio.start_server(drip, "127.0.0.1", 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await requests.probe("127.0.0.1", f"http://localhost:{port}")
            async with asyncio.timeout(10):
                await server.over.wait()


async def test_a_proxy_of_the_server_is_not_used(
    requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(Server(answer("200 OK"))) as server:
        probed = await requests.probe("127.0.0.1", f"http://localhost:{server.port}")
    assert probed.status == "success"


async def test_a_password_in_the_url_is_sent_and_not_told(requests: Requests) -> None:
    async with serving(Server(answer("401 No"))) as server:
        url = f"http://mira:hunter2@localhost:{server.port}/"
        probed = await requests.probe("127.0.0.1", url)
    assert probed.message == (
        f"HTTP check failed with status 401 for http://mira:***@127.0.0.1:{server.port}/"
    )
    assert "authorization: basic" in server.asked[0].lower()


@pytest.mark.parametrize(
    ("written", "address", "expected"),
    [
        ("http://localhost/localhost", "10.0.0.2", "http://10.0.0.2/localhost"),
        ("http://LOCALHOST:80/?u=127.0.0.1", "10.0.0.2", "http://10.0.0.2:80/?u=127.0.0.1"),
        ("https://127.0.0.1:8443/a", "10.0.0.2", "https://10.0.0.2:8443/a"),
        ("http://[::1]:80/", "fd00::2", "http://[fd00::2]:80/"),
        ("http://localhost@evil.test/", "10.0.0.2", "http://localhost@evil.test/"),
        ("http://localhost.evil.test/", "10.0.0.2", "http://localhost.evil.test/"),
        ("http://127.0.0.11/", "10.0.0.2", "http://127.0.0.11/"),
        ("http://localhost:pw@localhost/", "10.0.0.2", "http://localhost:pw@10.0.0.2/"),
    ],
)
def test_the_host_alone_is_replaced(written: str, address: str, expected: str) -> None:
    assert at_instance(urlsplit(written), address).geturl() == expected
