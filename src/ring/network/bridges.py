"""Bridges that keep their hardware address, whatever is plugged in and out.

A bridge that was given no address takes the lowest of its ports and so changes it as they come and
go. Who knows the old one then speaks to nobody until it asks again, half a minute later: for an
instance that is every name and all that is outside. netavark 1.4 gives none (measured with Debian
12's), 1.14 and Docker do.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import socket
import struct
import sys
from errno import ENODEV
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Places = Callable[[], Awaitable[Sequence[socket.socket]]]
    """A socket of any kind in each network that may have the bridges; whoever gets them closes
    them. Raises OSError."""

GET_ADDRESS = 0x8927
SET_ADDRESS = 0x8924
GET_INDEX = 0x8933
"""netdevice(7)"""
NETWORK_COOKIE = 71
"""SO_NETNS_COOKIE of asm-generic/socket.h"""
_NAME = struct.Struct("16s24x")
_INDEX = struct.Struct("16si20x")
"""struct ifreq"""

_log = logging.getLogger(__name__)


def here() -> list[socket.socket]:
    """Of the network that this process is in, see Places."""
    return [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]


async def _here() -> list[socket.socket]:
    return here()


class Bridges:
    """Remembers which it has seen to: a bridge that is made anew has another index."""

    def __init__(self, places: Places = _here) -> None:
        self._places = places
        self._kept: dict[tuple[int, str], int] = {}

    async def keep(self, names: Sequence[str]) -> None:
        """Those that are there keep the address which they have now. What refuses it is logged: an
        instance that runs has not failed for it."""
        if not names:
            return
        with contextlib.ExitStack() as opened:
            try:
                places = [opened.enter_context(place) for place in await self._places()]
            except OSError as error:
                _log.warning("bridges may change their address: %s", error)
                return
            for place in places:
                await self._keep(place, names)

    async def _keep(self, place: socket.socket, names: Sequence[str]) -> None:
        network = _network(place)
        for name in names:
            index = _index(place, name)
            if index is None or self._kept.get((network, name)) == index:
                continue
            self._kept[network, name] = index
            try:
                # The kernel's lock for it may be held by others for a while.
                await asyncio.to_thread(_give, place, name)
            except OSError as error:
                _log.warning("the bridge %s may change its address: %s", name, error)


def _network(place: socket.socket) -> int:
    """Which one it is; 0 where the kernel (before 5.14) does not tell."""
    try:
        return int.from_bytes(place.getsockopt(socket.SOL_SOCKET, NETWORK_COOKIE, 8), sys.byteorder)
    except OSError:
        return 0


def _index(place: socket.socket, name: str) -> int | None:
    """None: there is no such interface."""
    try:
        told = _ask(place, GET_INDEX, _NAME.pack(name.encode()))
    except OSError as error:
        if error.errno != ENODEV:
            _log.warning("cannot look up the bridge %s: %s", name, error)
        return None
    index: int = _INDEX.unpack(told)[1]
    return index


def _give(place: socket.socket, name: str) -> None:
    """To be given an address, be it the one it has, is what makes it stay. Raises OSError."""
    _ask(place, SET_ADDRESS, _ask(place, GET_ADDRESS, _NAME.pack(name.encode())))


def _ask(place: socket.socket, what: int, request: bytes) -> bytes:
    return fcntl.ioctl(place, what, request)
