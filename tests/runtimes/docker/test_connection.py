from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from ring.core.errors import HostError
from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure, Unavailable
from ring.runtimes.docker import paths
from ring.runtimes.docker.connection import (
    LONGEST_LINE_BYTES,
    Connection,
    IdleTimeout,
    agree,
    parse_host,
)
from tests.runtimes.docker import scripted
from tests.runtimes.docker.scripted import VERSION, answer, opening, pong

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.runtimes.docker.scripted import Script

pytestmark = pytest.mark.anyio

PING = "GET /v1.41/_ping"


@pytest.fixture
async def script(tmp_path: Path) -> AsyncIterator[Script]:
    async with scripted.engine(tmp_path) as one:
        yield one


@pytest.fixture
async def connection(script: Script) -> AsyncIterator[Connection]:
    one = Connection(parse_host(script.host))
    yield one
    await one.close()


@pytest.mark.parametrize(
    ("host", "socket", "base"),
    [
        ("unix:///run/x.sock", "/run/x.sock", "http://engine"),
        ("tcp://10.0.0.1:2375", None, "http://10.0.0.1:2375"),
        ("tcp://[::1]:2375/", None, "http://[::1]:2375"),
    ],
)
def test_hosts(host: str, socket: str | None, base: str) -> None:
    endpoint = parse_host(host)
    assert (endpoint.host, endpoint.socket, endpoint.base) == (host, socket, base)


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("ssh://root@far", "'ssh'"),
        ("npipe:////./pipe/docker", "'npipe'"),
        ("/var/run/docker.sock", "no scheme"),
        ("unix://relative.sock", "unix:///PATH"),
        ("tcp://", "tcp://HOST:PORT"),
        ("tcp://host", "tcp://HOST:PORT"),
        ("tcp://host:99999", "tcp://HOST:PORT"),
        ("tcp://host:2375/path", "tcp://HOST:PORT"),
    ],
)
def test_hosts_that_are_refused(host: str, named: str) -> None:
    with pytest.raises(HostError) as caught:
        parse_host(host)
    assert host in caught.value.message
    assert named in caught.value.message


@pytest.mark.parametrize(
    ("newest", "oldest", "agreed"),
    [("1.41", "1.12", "1.41"), ("1.42", "1.24", "1.42"), ("1.52", "1.43", "1.43")],
)
def test_versions_agreed_on(newest: str, oldest: str, agreed: str) -> None:
    assert agree({"ApiVersion": newest, "MinAPIVersion": oldest}) == agreed


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ({"ApiVersion": "1.40"}, "1.40 is too old: 1.41"),
        ({"ApiVersion": "1.5"}, "1.5 is too old"),
        ({"ApiVersion": "1.60", "MinAPIVersion": "1.44"}, "only 1.44 and newer"),
        ({"ApiVersion": "banana"}, "'banana' is not an API version"),
        ({"ApiVersion": "1." + "4" * 5000}, "is not an API version"),
        ({"ApiVersion": "1.²"}, "is not an API version"),
        ({}, "'ApiVersion'"),
    ],
)
def test_versions_that_are_refused(version: dict[str, str], why: str) -> None:
    with pytest.raises(Unavailable, match=why):
        agree(version)


async def test_the_version_is_asked_once(script: Script, connection: Connection) -> None:
    script.say(PING, answer("OK"))
    await asyncio.gather(*(connection.ping() for _ in range(3)))
    assert script.asked == ["GET /_ping", PING, PING, PING]


async def test_a_version_in_the_head_of_a_ping_is_enough(
    script: Script, connection: Connection
) -> None:
    script.say("GET /_ping", pong("1.42"))
    script.say("GET /v1.42/_ping", answer("OK"))
    await connection.ping()
    assert script.asked == ["GET /_ping", "GET /v1.42/_ping"]


@pytest.mark.parametrize("told", ["1.44", "1.40", "", "banana"])
async def test_one_that_is_not_spoken_here_is_asked_about(
    script: Script, connection: Connection, told: str
) -> None:
    """A newer engine may speak the older versions as well."""
    script.say("GET /_ping", pong(told))
    script.say(PING, answer("OK"))
    await connection.ping()
    assert script.asked == ["GET /_ping", "GET /version", PING]


async def test_an_engine_that_is_too_old(script: Script, connection: Connection) -> None:
    script.say("GET /_ping", pong("1.40"))
    script.say("GET /version", answer({"ApiVersion": "1.40"}))
    with pytest.raises(Unavailable) as caught:
        await connection.ping()
    assert "1.40 is too old" in caught.value.message
    assert script.host in caught.value.message


async def test_statuses_are_told_not_raised(script: Script, connection: Connection) -> None:
    script.say("GET /v1.41/a", answer({"message": "went wrong\n"}, 500))
    said = await connection.call("GET", "/a")
    assert (said.status, said.message) == (500, "went wrong")


async def test_an_error_without_json_is_still_told(script: Script, connection: Connection) -> None:
    script.say("GET /v1.41/a", b"HTTP/1.1 502 Bad\r\nContent-Length: 9\r\n\r\n<broken>\n")
    said = await connection.call("GET", "/a")
    assert (said.status, said.message) == (502, "<broken>")


async def test_paths_and_queries_are_escaped(script: Script, connection: Connection) -> None:
    script.say("GET ", answer(VERSION))
    name = paths.quoted("a/b:1@sha256:c d?e#f%2e%2e")
    await connection.call("GET", f"/images/{name}/json", query={"q": 'x&y=z+"{'})
    path, _, query = script.asked[-1].partition("?")
    assert path == "GET /v1.41/images/a/b:1@sha256:c%20d%3Fe%23f%252e%252e/json"
    assert parse_qs(query) == {"q": ['x&y=z+"{']}


@pytest.mark.parametrize("path", ["/images/../containers/x/json", "/images/./x", "/a//b", "/a?b"])
async def test_a_path_that_leads_elsewhere_is_not_asked(
    script: Script, connection: Connection, path: str
) -> None:
    script.say("GET ", answer(VERSION))
    with pytest.raises(RuntimeFailure, match="nothing on the engine") as caught:
        await connection.call("GET", path)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    with pytest.raises(RuntimeFailure):
        async with connection.stream("GET", path, query={}, idle_s=1.0):
            pass
    assert script.asked == ["GET /_ping"]


async def test_a_ping_that_fails(script: Script, connection: Connection) -> None:
    script.say(PING, answer({"message": "starting"}, 503))
    with pytest.raises(Unavailable, match="starting"):
        await connection.ping()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "closed the connection"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "closed the connection"),
    ],
)
async def test_bad_answers(script: Script, connection: Connection, said: bytes, why: str) -> None:
    script.say("POST /v1.41/a", said)
    with pytest.raises(Unavailable, match=why) as caught:
        await connection.call("POST", "/a")
    assert script.host in caught.value.message


async def test_an_answer_that_is_not_json(script: Script, connection: Connection) -> None:
    script.say("GET /v1.41/a", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<a>")
    said = await connection.call("GET", "/a")
    with pytest.raises(Unavailable, match="not JSON"):
        said.json()


async def test_a_call_that_hangs(script: Script, connection: Connection) -> None:
    script.say("GET /v1.41/a", b"HTTP/1.1 200 OK\r\n", hangs=True)
    with pytest.raises(Unavailable, match="does not answer in time"):
        await connection.call("GET", "/a", timeout_s=0.05)


async def test_the_callers_deadline_is_the_callers(script: Script, connection: Connection) -> None:
    script.say("GET /v1.41/a", b"HTTP/1.1 200 OK\r\n", hangs=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await connection.call("GET", "/a")


async def test_no_socket(tmp_path: Path) -> None:
    connection = Connection(parse_host(f"unix://{tmp_path}/none.sock"))
    with pytest.raises(Unavailable, match="there is no socket"):
        await connection.ping()
    await connection.close()


async def test_nobody_behind_the_socket(tmp_path: Path) -> None:
    async with scripted.engine(tmp_path) as script:
        host = script.host
    connection = Connection(parse_host(host))
    with pytest.raises(Unavailable, match=r"nobody listens|there is no socket"):
        await connection.ping()
    await connection.close()


async def test_an_engine_that_is_being_stopped_is_not_asked_over_an_older_connection(
    script: Script, connection: Connection
) -> None:
    script.say(PING, answer("OK"))
    await connection.ping()
    script.stop_listening()
    with pytest.raises(Unavailable, match=r"nobody listens|there is no socket"):
        await connection.ping()


async def test_another_engine_is_asked_for_its_version(
    script: Script, connection: Connection
) -> None:
    script.say(PING, answer("OK"))
    await connection.ping()
    script.say("POST /v1.41/a", b"")
    with pytest.raises(Unavailable):
        await connection.call("POST", "/a")
    script.say("GET /_ping", pong("1.42"))
    script.say("GET /v1.42/_ping", answer("OK"))
    await connection.ping()
    assert script.asked[-1] == "GET /v1.42/_ping"


async def test_lines_come_as_they_are_told(script: Script, connection: Connection) -> None:
    script.say("GET /v1.41/events", opening(b'{"a": 1}', b"", b'{"b": 2}'))
    async with connection.stream("GET", "/events", query={}, idle_s=None) as stream:
        assert [line async for line in stream.lines()] == [b'{"a": 1}', b'{"b": 2}']


async def test_a_line_without_its_end_is_told(script: Script, connection: Connection) -> None:
    script.say("GET /v1.41/events", opening(b"one")[:-1])
    async with connection.stream("GET", "/events", query={}, idle_s=None) as stream:
        assert [line async for line in stream.lines()] == [b"one"]


async def test_a_line_that_is_too_long_does_not_end_the_others(
    script: Script, connection: Connection
) -> None:
    long = b'{"a": "' + b"x" * (2 * LONGEST_LINE_BYTES) + b'"}'
    script.say("GET /v1.41/events", opening(b"one", long, b"two", long, b"three"))
    async with connection.stream("GET", "/events", query={}, idle_s=None) as stream:
        lines = [line async for line in stream.lines()]
    assert [line for line in lines if len(line) < 10] == [b"one", b"two", b"three"]
    assert len(lines) == 5
    for cut in (lines[1], lines[3]):
        assert long.startswith(cut)
        assert LONGEST_LINE_BYTES < len(cut) < len(long)


async def test_a_stream_that_falls_silent(script: Script, connection: Connection) -> None:
    script.say("GET /v1.41/events", opening(b"one"), hangs=True)
    async with (
        connection.stream("GET", "/events", query={}, idle_s=0.05) as stream,
        contextlib.aclosing(stream.lines()) as lines,
    ):
        assert await anext(lines) == b"one"
        with pytest.raises(IdleTimeout):
            await anext(lines)


async def test_a_stream_whose_answer_does_not_begin(script: Script, connection: Connection) -> None:
    script.say("GET /v1.41/events", b"HTTP/1.1 200 OK\r\n", hangs=True)
    with pytest.raises(IdleTimeout):
        async with connection.stream("GET", "/events", query={}, idle_s=0.05):
            pass
