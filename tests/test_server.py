"""Where the default password may be served, open files, cores, and a changed key."""

from __future__ import annotations

import asyncio
import resource
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ring.clock import SystemClock
from ring.core.errors import HostError
from ring.security.vault import Vault
from ring.server import (
    _guard_admin,
    _is_loopback,
    _open_more_files,
    _try_key,
    _warn_of_default_password,
)
from ring.settings import load_server_settings
from ring.store.store import Store
from tests.store.builders import MIRA, done

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104 - only judged
        ("::", False),
        ("192.0.2.7", False),
    ],
)
def test_an_address_is_what_it_is(host: str, expected: bool) -> None:
    assert _is_loopback(host) is expected


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (("127.0.0.1",), True),
        (("::1", "127.0.0.1"), True),
        (("192.0.2.7",), False),
        (("127.0.0.1", "192.0.2.7"), False),
        (("fe80::1%eth0",), False),
    ],
)
@pytest.mark.parametrize("host", ["localhost", "ring.example"])
def test_a_name_is_all_that_it_stands_for(
    monkeypatch: pytest.MonkeyPatch, host: str, addresses: tuple[str, ...], expected: bool
) -> None:
    def resolve(asked: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        assert asked == host
        return [
            (socket.AF_UNSPEC, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert _is_loopback(host) is expected


def test_a_name_that_stands_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert not _is_loopback("localhost")


@pytest.fixture
def files() -> Iterator[int]:
    """As many as may be open at most; what is allowed at once is put back."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield most
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def test_as_many_files_are_opened_as_may_be(files: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, 512), files))
    for _ in range(2):
        _open_more_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (files, files)


def test_a_machine_that_allows_no_more_files_is_served_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refused)
    _open_more_files()


# the first account

EVERYWHERE = "0.0.0.0"  # noqa: S104 - only judged
WAY_OUT = "ring user update --password"


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open(None, SystemClock(), inline=True)
    yield opened
    asyncio.run(opened.close())


def _guard(store: Store, tmp_path: Path, host: str, password: str | None = None) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'[contexts.here]\ncurrent = true\nhost = "{host}"\n'
        'api = { scheme = "http", port = 3030 }\n'
    )
    environ = {"RING_CONFIG_DIR": str(tmp_path)}
    if password is not None:
        environ["RING_ADMIN_PASSWORD"] = password
    settings = load_server_settings(None, None, environ)
    assert settings.host == host
    asyncio.run(_guard_admin(store, settings))


@pytest.mark.parametrize("password", [None, "changeme"])
def test_nobody_is_made_who_could_be_anybody(
    store: Store, tmp_path: Path, password: str | None
) -> None:
    with pytest.raises(HostError, match="set RING_ADMIN_PASSWORD") as told:
        _guard(store, tmp_path, EVERYWHERE, password)
    assert "\n" not in told.value.message
    assert store.users.all() == ()


def test_every_later_start_refuses_the_default_password(store: Store, tmp_path: Path) -> None:
    _guard(store, tmp_path, "127.0.0.1")
    for _ in range(2):
        with pytest.raises(HostError, match=f"start it on 127.0.0.1 and run `{WAY_OUT}`"):
            _guard(store, tmp_path, EVERYWHERE)


def test_every_start_on_loopback_warns_of_it(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _guard(store, tmp_path, "127.0.0.1")
    asyncio.run(_warn_of_default_password(store))
    assert WAY_OUT in caplog.text


def test_a_password_of_ones_own_is_served_everywhere(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for password in ("correct horse", None):
        _guard(store, tmp_path, EVERYWHERE, password)
    asyncio.run(_warn_of_default_password(store))
    assert caplog.text == ""


def test_who_renamed_admin_starts_as_before(store: Store, tmp_path: Path) -> None:
    _guard(store, tmp_path, "127.0.0.1")
    store._database.write_inline(
        lambda tx: tx.connection.execute("UPDATE user SET username = 'mira'"), lambda _: None
    )
    _guard(store, tmp_path, EVERYWHERE)
    asyncio.run(_warn_of_default_password(store))
    assert [user.username for user in store.users.all()] == ["mira"]


# the key
def test_a_key_that_opens_nothing_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = _opened(tmp_path, b"a")
    _try_key(first)
    done(first.create_namespace("shop", MIRA))
    made = done(first.secrets.create("shop", "db", "hunter22", MIRA))
    _try_key(first)
    done(first.close())
    assert caplog.text == ""
    other = _opened(tmp_path, b"b")
    _try_key(other)
    (told,) = caplog.records
    assert told.levelname == "ERROR"
    assert told.message.startswith("RING_SECRET_KEY is not the key")
    assert "secret 'db' in namespace 'shop'" in told.message
    assert "hunter22" not in told.message
    caplog.clear()
    done(other.secrets.replace(made.id, "hunter23", MIRA))
    _try_key(other)
    assert caplog.text == ""
    done(other.close())


def _opened(home: Path, key: bytes) -> Store:
    return Store.open(home / "ring.db", SystemClock(), vault=Vault(key * 32), inline=True)


def test_no_core_is_left_by_a_server() -> None:
    """In a process of its own: neither can be taken back."""
    program = (
        "import ctypes, resource; from ring.server import _leave_no_core; _leave_no_core();"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "(0, 0) 0"
