"""Requests that get no answer, proxies, and which context is asked."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing, suppress
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from ring.cli.client import Client
from ring.cli.failures import CommandFailed, Unreachable
from ring.cli.proxies import is_loopback, proxy_for
from ring.settings import Context
from tests.cli.catalogue import EVERY, Command, name_of
from tests.cli.conftest import SOURCE, TOKEN
from tests.cli.stub import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub


def refused(client: Client) -> str:
    with pytest.raises(Unreachable) as caught:
        client.get("namespaces")
    assert caught.value.code == 3
    return caught.value.message


@pytest.mark.parametrize("command", EVERY, ids=name_of)
def test_every_command_says_the_same_when_nobody_listens(anyone: Ring, command: Command) -> None:
    anyone.environ["RING_TOKEN"] = TOKEN
    anyone.config.write_text(
        '[contexts.d]\nhost = "127.0.0.1"\napi = { scheme = "http", port = 1 }\n'
    )
    ended = anyone(*command.words)
    assert ended.code == 3
    assert ended.out == ""
    assert ended.err == (
        "error: cannot reach the server at http://127.0.0.1:1 — is it running?"
        " (connection refused)\n"
    )


def test_silence_is_a_timeout() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        client = Client(Context("d", port=port), None, {}, total_timeout_s=0.05)
        assert refused(client) == (
            f"error: the server at http://127.0.0.1:{port} did not respond in time (timeout)"
        )


def test_a_trickle_does_not_outlast_the_total() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        trickling = threading.Thread(target=_trickle, args=(server,))
        trickling.start()
        context = Context("d", port=server.getsockname()[1])
        message = refused(Client(context, None, {}, total_timeout_s=0.2))
        trickling.join()
    assert message.endswith("did not respond in time (timeout)")


def _trickle(server: socket.socket) -> None:
    accepted, _ = server.accept()
    with accepted, suppress(OSError):
        accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n")
        while True:
            accepted.sendall(b"x")


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 67108865\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n4000002\r\n",
        b"Connection: close\r\n\r\n",
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_endless_answer_is_given_up(head: bytes, streamed: bool) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        flooding = threading.Thread(target=_flood, args=(server, head), daemon=True)
        flooding.start()
        client = Client(Context("d", port=port), None, {})
        with pytest.raises(CommandFailed) as caught:
            first_line(client) if streamed else client.get("namespaces")
        flooding.join()
    assert caught.value.code == 1
    assert caught.value.message == (
        f"error: the server at http://127.0.0.1:{port} answered with more than 64 MiB: "
        "ask for less, or check that it is a Ring server"
    )


def first_line(client: Client) -> bytes:
    with client.stream("logs") as (_, lines):
        return next(lines)[0]


def _flood(server: socket.socket, head: bytes) -> None:
    accepted, _ = server.accept()
    with accepted, suppress(OSError):
        accepted.recv(65536)
        accepted.sendall(b"HTTP/1.1 200 OK\r\n" + head)
        while True:
            accepted.sendall(b"x" * (1 << 20))


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
def test_only_messages_of_a_stream_count_by_themselves(stub: Stub, kind: str) -> None:
    lines = (b"data: " + b"x" * (20 << 20) + b"\n\n",) * 4
    stub.on("GET /events", Answer(200, lines, {"Content-Type": kind}))
    client = Client(Context("d", port=stub.port), None, {})
    read = 0
    with suppress(CommandFailed), client.stream("events") as (_, received):
        for line in chain.from_iterable(received):
            read += len(line) > 1
    assert read == (4 if kind == "text/event-stream" else 3)


def test_an_answer_that_is_cut_short(stub: Stub) -> None:
    stub.on("GET /namespaces", Answer(200, b"[]", {"Content-Length": "9"}))
    client = Client(Context("d", port=stub.port), None, {})
    assert refused(client) == f"error: request to {stub.url} failed"


@pytest.mark.parametrize("body", [b"[" * 100_000, b"[" * 101 + b"]" * 101])
@pytest.mark.parametrize(
    "words", [("deployment", "list"), ("deployment", "list", "-o", "json"), ("namespace", "list")]
)
def test_an_answer_that_nests_beyond_reason(
    ring: Ring, stub: Stub, words: tuple[str, ...], body: bytes
) -> None:
    for path in ("deployments", "namespaces"):
        stub.on(f"GET /{path}", Answer(200, body))
    ended = ring(*words)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        f"error: the server at {stub.url} answered with something that is not JSON\n"
    )


def test_an_answer_that_is_no_http() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        talking = threading.Thread(target=_babble, args=(server,))
        talking.start()
        message = refused(Client(Context("d", port=port), None, {}))
        talking.join()
    assert message == f"error: request to http://127.0.0.1:{port} failed"


def _babble(server: socket.socket) -> None:
    accepted, _ = server.accept()
    with accepted:
        accepted.recv(65536)
        accepted.sendall(b"220 mail.example ESMTP\r\n")


def test_a_token_that_cannot_be_sent(stub: Stub) -> None:
    client = Client(Context("d", port=stub.port), "ring_pat\n", {})
    assert refused(client) == f"error: could not send the request to {stub.url} (malformed request)"
    assert stub.requests == []


def test_tls_that_does_not_come_about(stub: Stub) -> None:
    client = Client(Context("d", scheme="https", port=stub.port), None, {})
    assert refused(client) == f"error: request to https://127.0.0.1:{stub.port} failed"


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert refused(Client(Context("d", host="ring.invalid"), None, {})) == (
        "error: cannot reach the server at http://ring.invalid:3030 — is it running?"
        " (name not resolved)"
    )


def test_a_wildcard_host_is_dialled_on_loopback(stub: Stub) -> None:
    stub.on("GET /namespaces", Answer(200, []))
    client = Client(Context("d", host="0.0.0.0", port=stub.port), None, {})  # noqa: S104 - dialled
    assert client.get("namespaces").status == 200
    assert client.base == f"http://0.0.0.0:{stub.port}"


def test_ipv6_is_bracketed() -> None:
    message = refused(Client(Context("d", host="::1", port=1), None, {}))
    assert "http://[::1]:1 " in message


def test_a_proxy_is_used(stub: Stub) -> None:
    stub.on("GET /namespaces", Answer(200, []))
    proxy = stub.url.replace("//", "//me:p%40ss@")
    client = Client(Context("d", host="ring.example", port=8080), "t", {"HTTP_PROXY": proxy})
    assert client.get("namespaces").status == 200
    (asked,) = stub.requests
    assert asked.target == "http://ring.example:8080/namespaces"
    assert asked.headers["Host"] == "ring.example:8080"
    assert asked.headers["Proxy-Authorization"] == "Basic bWU6cEBzcw=="


def test_tls_goes_through_a_tunnel(stub: Stub) -> None:
    context = Context("d", scheme="https", host="ring.example", port=443)
    refused(Client(context, "secret", {"https_proxy": stub.url}))
    (asked,) = stub.requests
    assert (asked.method, asked.target) == ("CONNECT", "ring.example:443")
    assert "Authorization" not in asked.headers


def test_a_proxy_address_that_is_none() -> None:
    client = Client(Context("d", host="ring.example"), None, {"http_proxy": "socks5://x:1"})
    assert refused(client).endswith("(malformed request)")


@pytest.mark.parametrize(
    ("host", "environ", "used"),
    [
        ("ring.example", {}, False),
        ("ring.example", {"http_proxy": "p:3128"}, True),
        ("ring.example", {"ALL_PROXY": "http://p"}, True),
        ("ring.example", {"HTTPS_PROXY": "http://p"}, False),
        ("ring.example", {"HTTP_PROXY": "http://p", "NO_PROXY": "other, example"}, False),
        ("ring.example", {"HTTP_PROXY": "http://p", "no_proxy": ".ring.example"}, False),
        ("ring.example", {"HTTP_PROXY": "http://p", "NO_PROXY": "*"}, False),
        ("ring.example", {"HTTP_PROXY": "http://p", "NO_PROXY": "g.example"}, True),
        ("127.0.0.1", {"HTTP_PROXY": "http://p"}, False),
        ("127.9.9.9", {"HTTP_PROXY": "http://p"}, False),
        ("localhost", {"HTTP_PROXY": "http://p"}, False),
        ("::1", {"HTTP_PROXY": "http://p"}, False),
    ],
)
def test_when_a_proxy_is_used(host: str, environ: Mapping[str, str], used: bool) -> None:
    assert (proxy_for("http", host, environ) is not None) == used


def test_a_name_that_only_begins_like_loopback_is_not() -> None:
    assert not is_loopback("127.0.0.1.example")


@pytest.mark.parametrize(
    "words",
    [
        ("-c", "second", "namespace", "list"),
        ("--context", "second", "namespace", "list"),
        ("--context=second", "namespace"),
        ("namespace", "list", "--context", "second"),
        ("namespace", "--context", "second", "list"),
        ("namespace", "--context", "second"),
        ("namespace", "--context=second", "-o", "json"),
        ("--context", "first", "namespace", "list", "--context=second"),
    ],
)
def test_a_context_may_be_named_anywhere(anyone: Ring, stub: Stub, words: tuple[str, ...]) -> None:
    stub.on("GET /namespaces", Answer(200, []))
    other = anyone.home / "other.toml"
    other.write_text(
        '[contexts.first]\nhost = "127.0.0.1"\napi.scheme = "http"\napi.port = 1\n'
        f'[contexts.second]\nhost = "127.0.0.1"\napi.scheme = "http"\napi.port = {stub.port}\n'
    )
    anyone.environ["RING_TOKEN"] = TOKEN
    assert anyone("--config", str(other), *words).code == 0
    assert anyone(*words, "--config", str(other)).code == 0
    anyone.environ["RING_CONFIG_FILE"] = str(other)
    assert anyone(*words).code == 0
    assert len(stub.requests) == 3


@pytest.mark.parametrize(
    "words", [("--config", "/missing", "namespace"), ("namespace", "list", "--config=/missing")]
)
def test_a_config_file_that_is_not_there(anyone: Ring, words: tuple[str, ...]) -> None:
    ended = anyone.process(*words)
    assert ended.code == 1
    assert ended.err == (
        "error: config file '/missing' does not exist (set via --config or RING_CONFIG_FILE)\n"
    )


def test_broken_toml_names_its_line(ring: Ring) -> None:
    ring.config.write_text("a = 1\nb = = 2\n")
    for words in (("namespace", "list"), ("server", "start")):
        ended = ring.process(*words)
        assert ended.code == 1
        assert ended.err.startswith(f"error: cannot parse {ring.config}: ")
        assert "line 2" in ended.err


def test_two_current_contexts_warn_but_not_beside_json(ring: Ring, stub: Stub) -> None:
    stub.on("GET /namespaces", Answer(200, []))
    table = f'current = true\nhost = "127.0.0.1"\napi.scheme = "http"\napi.port = {stub.port}\n'
    ring.config.write_text(f"[contexts.a]\n{table}[contexts.b]\n{table}")
    ended = ring("namespace", "list")
    assert ended.code == 0
    assert ended.err.startswith("Warning: ")
    assert ring("namespace", "list", "-o", "json").err == ""


def test_an_interrupt_is_silent_130(ring: Ring, stub: Stub) -> None:
    stub.on("GET /deployments/x/events", Answer(200, []))
    with subprocess.Popen(
        [sys.executable, "-m", "ring", "deployment", "events", "x", "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=_environment(ring),
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline().startswith("Following events")
        running.send_signal(signal.SIGINT)
        assert running.stderr.read() == ""
        assert running.wait() == 130


@pytest.mark.parametrize(("no_colour", "escapes"), [("", True), ("1", False)])
def test_colour_on_a_terminal(ring: Ring, no_colour: str, escapes: bool) -> None:
    ours, theirs = pty.openpty()
    ring.environ["NO_COLOR"] = no_colour
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ring", "deployment", "inspect", "x"],
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=_environment(ring),
            check=False,
        )
        shown = os.read(ours, 4096)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 4
    assert b"deployment 'x' not found" in shown
    assert (b"\x1b" in shown) == escapes


def _environment(ring: Ring) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), **ring.environ}
