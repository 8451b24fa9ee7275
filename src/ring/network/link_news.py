"""Interfaces that go, as the kernel tells it: rtnetlink(7)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Final

from ring.network.rtnetlink import DELETE_LINK, attributes, messages, name_in

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

_RTMGRP_LINK: Final = 1
_READ_BYTES: Final = 64 * 1024
_BUFFER_BYTES: Final = 1024 * 1024


async def lost() -> AsyncGenerator[str | None, None]:
    """Names of interfaces that are no more.

    None: some were missed. Of the network of whoever asks; begins with None. Raises OSError.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        link.bind((0, _RTMGRP_LINK))
        link.setblocking(False)
        yield None
        while True:
            await _readable(link)
            try:
                content = link.recv(_READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                yield None
                continue
            for name in read(content):
                yield name


def read(content: bytes) -> Iterator[str]:
    """Of one datagram. What cannot be read is left out."""
    for kind, payload in messages(content):
        if kind == DELETE_LINK and (name := name_in(attributes(payload))) is not None:
            yield name


async def _readable(link: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_reader(link, told.set)
    try:
        await told.wait()
    finally:
        with contextlib.suppress(OSError):
            loop.remove_reader(link)
