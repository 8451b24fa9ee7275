"""One attempt over real sockets: what is sent, what counts as taken, where nothing is sent to."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ring import __version__
from ring.engine.delivering.posting import Poster, Undelivered, signature
from ring.engine.outbound.names import AT_ONCE, Names
from ring.store.webhooks import MOST_ACTIVE, Due, Target

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from ring.security.destinations import Address

T = TypeVar("T")

BODY = '{"schema_version":1,"name":"wéb"}'
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def anywhere(_: Address) -> bool:
    return False


def due(failures: int = 0) -> Due:
    return Due("event-1", 1, "deployment.scaled", "row-1", BODY, failures)


class Receiver:
    """Answers every request with the same bytes."""

    def __init__(self, answer: bytes | None = OK, *, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self._tls = tls
        self.requests: list[tuple[list[str], bytes]] = []
        """Lines of the head, and the body."""
        self.port = 0
        self._release = asyncio.Event()

    async def __aenter__(self) -> Receiver:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._release.set()
        self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/x?y=z"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
            length = next(int(line[15:]) for line in head if line.lower().startswith("content-l"))
            self.requests.append((head, await reader.readexactly(length)))
            if self.answer is None:
                await self._release.wait()
            else:
                writer.write(self.answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


async def post(url: str, *, secret: str | None = "whsec_x", **options: object) -> None:  # noqa: S107 - of the test
    poster = Poster(**{"blocks": anywhere, **options})  # type: ignore[arg-type]  # as the test says
    try:
        await poster(Target("hook-1", url, secret), due())
    finally:
        await poster.close()


def run(main: Coroutine[object, object, T]) -> T:
    return asyncio.run(main)


def test_what_is_sent_to_a_hook() -> None:
    async def main() -> None:
        async with Receiver() as receiver:
            poster = Poster(blocks=anywhere)
            await poster(Target("hook-1", receiver.url, "whsec_x"), due(failures=2))
            await poster.close()
        ((head, body),) = receiver.requests
        assert body == BODY.encode()
        assert head[0] == "POST /x?y=z HTTP/1.1"
        headers = dict(line.split(": ", 1) for line in head[1:])
        digest = hmac.new(b"whsec_x", body, hashlib.sha256).hexdigest()
        assert headers == {
            "Host": f"127.0.0.1:{receiver.port}",
            "Content-Type": "application/json",
            "User-Agent": f"ring/{__version__}",
            "X-Ring-Event": "deployment.scaled",
            "X-Ring-Delivery": "event-1",
            "X-Ring-Attempt": "3",
            "X-Ring-Signature": f"sha256={digest}",
            "Accept": "*/*",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }

    run(main())


def test_the_signature_is_that_of_everybody_else() -> None:
    assert signature("secret", b"body") == (
        "sha256=dc46983557fea127b43af721467eb9b3fde2338fe3e14f51952aa8478c13d355"
    )


def test_a_hook_without_a_secret_gets_no_signature() -> None:
    async def main() -> None:
        async with Receiver() as receiver:
            await post(receiver.url, secret=None)
        ((head, _),) = receiver.requests
        assert not [line for line in head if "signature" in line.lower()]

    run(main())


@pytest.mark.parametrize(
    "answer", [OK, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 299 X\r\n\r\n"]
)
def test_every_2xx_is_success(answer: bytes) -> None:
    async def main() -> None:
        async with Receiver(answer) as receiver:
            await post(receiver.url)

    run(main())


@pytest.mark.parametrize("status", [301, 302, 307, 308, 304, 400, 404, 410, 500, 503])
def test_every_other_status_is_a_failure_and_no_redirect_is_followed(status: int) -> None:
    async def main() -> None:
        async with Receiver() as other, Receiver() as receiver:
            location = f"Location: {other.url}\r\n" if status in {301, 302, 307, 308} else ""
            receiver.answer = f"HTTP/1.1 {status} X\r\n{location}\r\n".encode()
            with pytest.raises(Undelivered, match=f"^subscriber returned {status}$"):
                await post(receiver.url)
            assert (len(receiver.requests), other.requests) == (1, [])

    run(main())


def test_an_answer_is_not_read_to_its_end() -> None:
    async def main() -> None:
        endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 1024
        async with Receiver(endless) as receiver:
            await post(receiver.url)

    run(main())


def test_a_hook_that_hangs_has_its_time() -> None:
    async def main() -> None:
        async with Receiver(None) as receiver:
            with pytest.raises(Undelivered, match=r"^no answer within 0\.1 s$"):
                await post(receiver.url, timeout_s=0.1)

    run(main())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "it closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "its answer is not HTTP"),
    ],
)
def test_what_is_no_http_is_a_failure(answer: bytes, said: str) -> None:
    async def main() -> None:
        async with Receiver(answer) as receiver:
            with pytest.raises(Undelivered) as caught:
                await post(receiver.url)
            assert caught.value.message == said

    run(main())


def test_one_that_is_gone_is_told_without_its_url() -> None:
    async def main() -> None:
        async with Receiver() as receiver:
            pass
        with pytest.raises(Undelivered, match=r"^cannot connect: ") as caught:
            await post(f"http://user:word@127.0.0.1:{receiver.port}/s3cret")
        assert "s3cret" not in caught.value.message
        assert "word" not in caught.value.message

    run(main())


def test_a_server_without_tls_is_told() -> None:
    async def main() -> None:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Undelivered, match=r"^no TLS connection could be made$"):
            await post(f"https://127.0.0.1:{port}/")
        server.close()

    run(main())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of hook.example, signed by itself; with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hook.example")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hook.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "hook.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(secret + signed.public_bytes(serialization.Encoding.PEM))
    return path


def test_the_certificate_must_be_trusted_and_bear_the_name(certificate: Path) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=certificate)

    async def main() -> None:
        async with Receiver(tls=serving) as receiver:
            names = lookup(["127.0.0.1"])
            url = f"https://hook.example:{receiver.port}/"
            await post(url, names=names, trust=trusting)
            with pytest.raises(Undelivered, match=r"^its certificate is not trusted: "):
                await post(url, names=names)
            other = f"https://other.example:{receiver.port}/"
            with pytest.raises(Undelivered, match=r"^its certificate is not trusted: .*other"):
                await post(other, names=names, trust=trusting)
            assert len(receiver.requests) == 1

    run(main())


# where nothing is sent to
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
)
def test_this_machine_is_out_of_bounds_by_default(host: str) -> None:
    async def main() -> None:
        async with Receiver() as receiver:
            poster = Poster()
            with pytest.raises(Undelivered, match=r"^blocked: "):
                await poster(Target("h", f"http://{host}:{receiver.port}/", None), due())
            await poster.close()
            assert receiver.requests == []

    run(main())


def lookup(*answers: list[str]) -> Names:
    """Each look-up has the next answer, the last one for ever."""
    left = list(answers)

    def getaddrinfo(_: str, __: object, **___: object) -> list[tuple[object, ...]]:
        now = left.pop(0) if len(left) > 1 else left[0]
        return [(0, 0, 0, "", (address, 0)) for address in now]

    return Names(getaddrinfo)


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.255.255.1", "127.0.0.1"],
        ["127.0.0.1", "10.255.255.1"],
        ["::1"],
        ["fe80::1%lo"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["169.254.169.254"],
        ["0.0.0.0"],  # noqa: S104 - not bound
    ],
)
def test_a_name_that_leads_to_this_machine_is_out_of_bounds(addresses: list[str]) -> None:
    async def main() -> None:
        async with Receiver() as receiver:
            poster = Poster(names=lookup(addresses))
            with pytest.raises(Undelivered, match=r"^blocked: its address .* is blocked"):
                await poster(Target("h", f"http://hook.example:{receiver.port}/", None), due())
            await poster.close()
            assert receiver.requests == []

    run(main())


def test_each_attempt_asks_for_the_name_again() -> None:
    allowed = {"127.0.0.1"}

    async def main() -> None:
        async with Receiver() as receiver:
            names = lookup(["127.0.0.1"], ["127.0.0.2"])
            poster = Poster(names=names, blocks=lambda address: str(address) not in allowed)
            target = Target("h", f"http://hook.example:{receiver.port}/", None)
            await poster(target, due())
            with pytest.raises(Undelivered, match=r"^blocked: its address 127\.0\.0\.2 is blocked"):
                await poster(target, due())
            await poster.close()
            ((head, _),) = receiver.requests
            assert f"Host: hook.example:{receiver.port}" in head

    run(main())


def test_a_second_address_is_tried_where_nobody_listens_on_the_first() -> None:
    async def main() -> None:
        async with Receiver() as receiver:
            names = lookup(["127.0.0.9", "127.0.0.1"])
            await post(f"http://hook.example:{receiver.port}/", names=names)
            assert len(receiver.requests) == 1

    run(main())


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Receiver() as proxy, Receiver() as receiver:
            for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            await post(receiver.url)
            assert (len(receiver.requests), proxy.requests) == (1, [])

    run(main())


# names
def failing(_: str, __: object, **___: object) -> list[tuple[object, ...]]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_name_that_does_not_exist_is_told() -> None:
    async def main() -> None:
        with pytest.raises(Undelivered, match=r"^its host name cannot be resolved$"):
            await post("http://hook.example/", names=Names(failing))

    run(main())


class HangingLookup:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.release = threading.Event()

    def __call__(self, name: str, _: object, **__: object) -> list[tuple[object, ...]]:
        self.asked.append(name)
        if name.startswith("slow"):
            assert self.release.wait(30)
        return [(0, 0, 0, "", ("10.0.0.1", 0))]


def test_look_ups_of_one_name_are_one_and_hold_up_no_other() -> None:
    hanging = HangingLookup()

    async def main() -> None:
        names = Names(hanging)
        waiting = [asyncio.ensure_future(names.addresses("slow.example")) for _ in range(100)]
        assert [str(one) for one in await names.addresses("quick.example")] == ["10.0.0.1"]
        waiting[0].cancel()
        hanging.release.set()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert len([one for one in found if isinstance(one, tuple)]) == 99
        assert sorted(hanging.asked) == ["quick.example", "slow.example"]
        await names.addresses("slow.example")
        assert len(hanging.asked) == 3

    run(main())


def test_all_other_hooks_may_hang_and_one_is_looked_up() -> None:
    hanging = HangingLookup()

    async def main() -> None:
        names = Names(hanging)
        waiting = [
            asyncio.ensure_future(names.addresses(f"slow-{number}"))
            for number in range(MOST_ACTIVE - 1)
        ]
        await asyncio.wait(waiting, timeout=0)
        try:
            async with asyncio.timeout(10):
                assert [str(one) for one in await names.addresses("quick")] == ["10.0.0.1"]
        finally:
            hanging.release.set()
        await asyncio.gather(*waiting)

    run(main())


def test_no_more_look_ups_than_a_bound_are_under_way() -> None:
    hanging = HangingLookup()

    async def main() -> None:
        names = Names(hanging)
        waiting = [
            asyncio.ensure_future(names.addresses(f"slow-{number}")) for number in range(AT_ONCE)
        ]
        await asyncio.wait(waiting, timeout=0)
        late = asyncio.ensure_future(names.addresses("quick"))
        await asyncio.wait([late], timeout=0)
        assert len(names._under_way) == AT_ONCE
        hanging.release.set()
        await asyncio.gather(*waiting, late)
        assert hanging.asked[-1] == "quick"

    run(main())


def test_the_end_of_the_loop_waits_for_no_look_up() -> None:
    hanging = HangingLookup()

    async def main() -> None:
        with pytest.raises(Undelivered, match="no answer within"):
            await post("http://slow.example/", names=Names(hanging), timeout_s=0.05)

    run(main())
    hanging.release.set()
