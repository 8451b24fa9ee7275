"""Where the default password may be served, and who is made on a first start."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from ring.clock import SystemClock
from ring.core.errors import HostError
from ring.first_account import guard_admin, is_loopback, warn_of_default_password
from ring.settings import load_server_settings
from ring.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVERYWHERE = "0.0.0.0"  # noqa: S104 - only judged
WAY_OUT = "ring user update --password"


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
    assert is_loopback(host) is expected


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
    assert is_loopback(host) is expected


def test_a_name_that_stands_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert not is_loopback("localhost")


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
    asyncio.run(guard_admin(store, settings))


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
    asyncio.run(warn_of_default_password(store))
    assert WAY_OUT in caplog.text


def test_a_password_of_ones_own_is_served_everywhere(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for password in ("correct horse", None):
        _guard(store, tmp_path, EVERYWHERE, password)
    asyncio.run(warn_of_default_password(store))
    assert caplog.text == ""


def test_who_renamed_admin_starts_as_before(store: Store, tmp_path: Path) -> None:
    _guard(store, tmp_path, "127.0.0.1")
    store._database.write_inline(
        lambda tx: tx.connection.execute("UPDATE user SET username = 'mira'"), lambda _: None
    )
    _guard(store, tmp_path, EVERYWHERE)
    asyncio.run(warn_of_default_password(store))
    assert [user.username for user in store.users.all()] == ["mira"]
