"""Bridges of this network that keep their hardware address, whatever is plugged in and out.

A bridge that was given no address takes the lowest of its ports and so changes it as they come and
go. Who knows the old one then speaks to nobody until it asks again, half a minute later: for an
instance that is every name and all that is outside. netavark 1.4 gives none (measured with Debian
12's), 1.14 and Docker do.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import socket
import struct
from errno import ENODEV
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

GET_ADDRESS = 0x8927
SET_ADDRESS = 0x8924
GET_INDEX = 0x8933
"""netdevice(7)"""
_NAME = struct.Struct("16s24x")
_INDEX = struct.Struct("16si20x")
"""struct ifreq"""

_log = logging.getLogger(__name__)


class Bridges:
    """Remembers which it has seen to: a bridge that is made anew has another index."""

    def __init__(self) -> None:
        self._kept: dict[str, int] = {}

    async def keep(self, names: Iterable[str]) -> None:
        """Those that are there keep the address which they have now. What refuses it is logged."""
        for name in names:
            index = _index(name)
            if index is None or self._kept.get(name) == index:
                continue
            self._kept[name] = index
            try:
                # The kernel's lock for it may be held by others for a while.
                await asyncio.to_thread(_keep, name)
            except OSError as error:
                _log.warning("the bridge %s may change its address: %s", name, error)


def _index(name: str) -> int | None:
    """None: there is no such interface."""
    try:
        told = _ask(GET_INDEX, _NAME.pack(name.encode()))
    except OSError as error:
        if error.errno != ENODEV:
            _log.warning("cannot look up the bridge %s: %s", name, error)
        return None
    index: int = _INDEX.unpack(told)[1]
    return index


def _keep(name: str) -> None:
    """To be given an address, be it the one it has, is what makes it stay. Raises OSError."""
    _ask(SET_ADDRESS, _ask(GET_ADDRESS, _NAME.pack(name.encode())))


def _ask(what: int, request: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        return fcntl.ioctl(one, what, request)
