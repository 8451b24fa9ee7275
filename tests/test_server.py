"""Which addresses the default password may be served on; and how many files may be open."""

from __future__ import annotations

import resource
import socket
from typing import TYPE_CHECKING

import pytest

from ring.server import _is_loopback, _open_more_files

if TYPE_CHECKING:
    from collections.abc import Iterator


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
