"""TLS to an engine: what the settings and the environment make of it, and what goes wrong."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from typing import TYPE_CHECKING

import aiohttp
import pytest

from ring.core.errors import HostError
from ring.runtimes.base import Unavailable
from ring.runtimes.docker import open_runtime, tls
from tests.certificates import Authority
from tests.runtimes.docker import scripted
from tests.runtimes.docker.scripted import answer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.anyio

SOMEWHERE = "tcp://10.0.0.9:2376"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "certs")


def settings(authority: Authority, **changes: str) -> dict[str, str]:
    """All three files, with a host; empty: left out."""
    client = authority.issue("client")
    whole = {
        "host": SOMEWHERE,
        "tls_ca": f"{authority.ca}",
        "tls_cert": f"{client.cert}",
        "tls_key": f"{client.key}",
        **changes,
    }
    return {key: value for key, value in whole.items() if value}


async def pinged(options: Mapping[str, object]) -> None:
    runtime = open_runtime(options)
    try:
        await runtime.ping()
    finally:
        await runtime.close()


async def told(options: Mapping[str, object]) -> str:
    """Why it cannot be reached."""
    with pytest.raises(Unavailable) as caught:
        await pinged(options)
    return caught.value.message


async def test_both_sides_are_believed(tmp_path: Path, authority: Authority) -> None:
    async with scripted.engine(tmp_path, tls=authority.demanding()) as script:
        script.say("GET /v1.41/_ping", answer("OK"))
        await pinged(settings(authority, host=script.host))
        assert script.asked[:2] == ["GET /_ping", "GET /v1.41/_ping"]


async def test_the_folder_of_the_environment(tmp_path: Path, authority: Authority) -> None:
    """Where the table says nothing of TLS, by the names that Docker gives the files."""
    client = authority.issue("client")
    folder = tmp_path / "docker"
    folder.mkdir()
    for found, name in ((authority.ca, "ca"), (client.cert, "cert"), (client.key, "key")):
        shutil.copy(found, folder / f"{name}.pem")
    around = {"environment_certs": f"{folder}"}
    async with scripted.engine(tmp_path, tls=authority.demanding()) as script:
        script.say("GET /v1.41/_ping", answer("OK"))
        await pinged({**around, "environment_host": script.host})
        stranger = settings(Authority(tmp_path / "others"), host=script.host)
        assert "is not to be trusted" in await told({**around, **stranger})
    assert not open_runtime({**around, "host": "unix:///run/docker.sock"}).is_remote


async def test_who_is_not_believed(tmp_path: Path, authority: Authority) -> None:
    others = Authority(tmp_path / "others")
    async with scripted.engine(tmp_path, tls=authority.demanding()) as script:
        mine = settings(authority, host=script.host)
        theirs = settings(others, host=script.host, tls_ca=f"{authority.ca}")
        nobody = settings(authority, host=script.host, tls_cert="", tls_key="")
        system = settings(authority, host=script.host, tls_ca="")
        for refused in (theirs, nobody):
            await told(refused)
        for unknown in ({**mine, "tls_ca": f"{others.ca}"}, system):
            assert "its certificate is not to be trusted: " in await told(unknown)
        assert script.asked == []
    async with scripted.engine(tmp_path, tls=authority.demanding("127.0.0.2")) as script:
        message = await told(settings(authority, host=script.host))
    assert "is not to be trusted: IP address mismatch" in message
    assert message.startswith(f"the engine at {script.host} is not available: ")


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("SSLV3_ALERT_BAD_CERTIFICATE", "it refuses our certificate (sslv3 alert bad certificate)"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "it refuses our certificate (tlsv13 alert"),
        ("WRONG_VERSION_NUMBER", "does not speak TLS"),
        ("UNSUPPORTED_PROTOCOL", "no TLS connection could be made: unsupported protocol"),
    ],
)
def test_what_an_engine_says_after_the_handshake(reason: str, why: str) -> None:
    """As it arrives with TLS 1.3: the client is through, and hears of it when it reads."""
    error = aiohttp.ClientOSError(1, reason)
    error.__cause__ = ssl.SSLError(1, reason)
    error.__cause__.reason = reason
    found = tls.cause(error)
    assert found is not None
    assert why in found


def test_what_has_nothing_to_do_with_tls() -> None:
    assert tls.cause(ConnectionResetError()) is None


async def test_an_engine_without_tls(authority: Authority) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        message = await told(settings(authority, host=f"tcp://127.0.0.1:{port}"))
    assert "does not speak TLS" in message


def test_the_authority_alone_is_enough(authority: Authority) -> None:
    assert open_runtime(settings(authority, tls_cert="", tls_key="")).is_remote


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tls_key": ""}, "'tls_cert' is set without 'tls_key'"),
        ({"tls_cert": ""}, "'tls_key' is set without 'tls_cert'"),
        ({"tls_ca": "/nowhere/ca.pem"}, "'tls_ca' /nowhere/ca.pem cannot be read: No such file"),
        ({"tls_ca": "/dev/null"}, "'tls_ca' /dev/null holds no certificates"),
        ({"tls_key": "/dev/null"}, "no certificate and its key"),
        ({"host": "unix:///run/docker.sock"}, "no TLS to unix:///run/docker.sock"),
        ({"host": "", "tls_cert": "", "tls_key": ""}, "no TLS to unix:///var/run/docker.sock"),
    ],
)
def test_settings_that_are_refused(
    authority: Authority, changes: dict[str, str], named: str
) -> None:
    with pytest.raises(HostError, match=named):
        open_runtime(settings(authority, **changes))


@pytest.mark.parametrize("path", [True, "", " "])
def test_a_path_that_is_none(path: object) -> None:
    """Also an empty one: whoever writes the key does not mean to speak in the clear."""
    with pytest.raises(HostError, match="'tls_ca' must be the path of a file"):
        open_runtime({"host": SOMEWHERE, "tls_ca": path})


def test_a_key_of_somebody_else_and_one_with_a_password(authority: Authority) -> None:
    """Nobody is asked for the password: there may be no terminal, and no one at it."""
    locked = authority.issue("locked", password="secret")
    other = authority.issue("other")
    for cert, key in ((locked.cert, locked.key), (locked.cert, other.key)):
        options = settings(authority, tls_cert=f"{cert}", tls_key=f"{key}")
        with pytest.raises(HostError, match="the key without a password"):
            open_runtime(options)


def test_an_empty_folder_of_the_environment(tmp_path: Path) -> None:
    options = {"host": SOMEWHERE, "environment_certs": f"{tmp_path}"}
    with pytest.raises(HostError, match=f"none of ca.pem, cert.pem, key.pem in {tmp_path}"):
        open_runtime(options)
