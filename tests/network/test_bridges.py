"""Bridges keep their address once they were seen to, each time they are made."""

from __future__ import annotations

import logging
import socket
from errno import EMFILE, ENODEV
from typing import TYPE_CHECKING

import pytest

from ring.network import bridges
from ring.network.bridges import Bridges

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.anyio

FIRST = b"\x02\x00\x00\x00\x00\x01"


class Kernel:
    """What it is asked, of the interfaces with these indexes."""

    def __init__(self, indexes: Mapping[str, int]) -> None:
        self.indexes = dict(indexes)
        self.given: list[tuple[str, bytes]] = []
        self.refuses = False

    def ask(self, place: object, what: int, request: bytes) -> bytes:
        name = request[:16].rstrip(b"\0").decode()
        if name not in self.indexes:
            raise OSError(ENODEV, "No such device")
        if what == bridges.GET_INDEX:
            return request[:16] + self.indexes[name].to_bytes(4, "little") + bytes(20)
        if what == bridges.GET_ADDRESS:
            return request[:16] + b"\x01\x00" + FIRST + bytes(16)
        if self.refuses:
            raise PermissionError(1, "Operation not permitted")
        self.given.append((name, request[18:24]))
        return request


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    one = Kernel({"podman1": 7})
    monkeypatch.setattr(bridges, "_ask", one.ask)
    return one


async def test_one_is_given_the_address_that_it_has_once(kernel: Kernel) -> None:
    kept = Bridges()
    await kept.keep(["podman1", "podman2"])
    await kept.keep(["podman1", "podman2"])
    assert kernel.given == [("podman1", FIRST)]


async def test_one_that_was_made_anew_is_seen_to_again(kernel: Kernel) -> None:
    kept = Bridges()
    await kept.keep(["podman1"])
    del kernel.indexes["podman1"]
    await kept.keep(["podman1"])
    kernel.indexes["podman1"] = 9
    await kept.keep(["podman1"])
    assert kernel.given == [("podman1", FIRST)] * 2


async def test_a_refusal_is_logged_once(kernel: Kernel, caplog: pytest.LogCaptureFixture) -> None:
    kernel.refuses = True
    kept = Bridges()
    with caplog.at_level(logging.WARNING):
        await kept.keep(["podman1"])
        await kept.keep(["podman1"])
    (record,) = caplog.records
    assert "the bridge podman1 may change its address" in record.getMessage()


async def test_no_socket_to_ask_with_is_logged_and_no_failure(
    kernel: Kernel, caplog: pytest.LogCaptureFixture
) -> None:
    async def places() -> list[Place]:
        raise OSError(EMFILE, "Too many open files")

    await Bridges(places).keep(["podman1"])
    assert "bridges may change their address: [Errno 24] Too many open files" in caplog.text
    assert kernel.given == []


async def test_bridges_of_one_name_in_two_networks_are_two(kernel: Kernel) -> None:
    made: list[Place] = []

    async def places() -> list[Place]:
        found = [Place(1), Place(2)]
        made.extend(found)
        return found

    kept = Bridges(places)
    await kept.keep(["podman1"])
    await kept.keep(["podman1"])
    assert kernel.given == [("podman1", FIRST)] * 2
    assert [place.fileno() for place in made] == [-1] * 4


async def test_what_breaks_off_leaves_no_socket_open(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [Place(1), Place(2)]

    async def places() -> list[Place]:
        return made

    def broken(place: object, what: int, request: bytes) -> bytes:
        raise RuntimeError("broken")

    monkeypatch.setattr(bridges, "_ask", broken)
    with pytest.raises(RuntimeError, match="broken"):
        await Bridges(places).keep(["podman1"])
    assert [place.fileno() for place in made] == [-1] * 2


class Place(socket.socket):
    """In a network of its own."""

    def __init__(self, cookie: int) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_DGRAM)
        self.cookie = cookie

    def getsockopt(self, level: int, option: int, size: int = 0) -> bytes:  # type: ignore[override]  # one of its three
        assert (level, option) == (socket.SOL_SOCKET, bridges.NETWORK_COOKIE)
        return self.cookie.to_bytes(size, "little")
