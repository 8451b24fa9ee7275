"""The machine's network interfaces, by rtnetlink(7): which there are, their notes, their end.

All but `index` wait for the kernel's one lock of networks, which others may hold for a while.
"""

from __future__ import annotations

import os
import socket
import struct
from errno import ENODEV
from typing import TYPE_CHECKING, Final

from ring.network.rtnetlink import (
    ALIAS,
    DELETE_LINK,
    GET_LINK,
    HEADER,
    LINK,
    MASTER,
    NAME,
    NEW_LINK,
    attribute,
    attributes,
    messages,
    name_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_DONE: Final = 3
_ERROR: Final = 2
"""NLMSG_*"""
_REQUEST: Final = 0x1
_ACKNOWLEDGE: Final = 0x4
_DUMP: Final = 0x300
"""NLM_F_*"""
_NUMBER: Final = struct.Struct("=i")
_MOST_BYTES: Final = 1 << 16
_ANSWER_S: Final = 10.0


def index(name: str) -> int | None:
    """No other interface gets it after this one. None: there is none. Takes some microseconds."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


def note(name: str, text: str) -> None:
    """Its alias, which `ip link` shows. Raises OSError."""
    _changed(NEW_LINK, name, attribute(ALIAS, text.encode()))


def delete(name: str) -> None:
    """Gone already is success. Raises OSError."""
    try:
        _changed(DELETE_LINK, name)
    except OSError as error:
        if error.errno != ENODEV:
            raise


def plugged_into(bridge: str) -> list[str]:
    """The interfaces that are its ports. Raises OSError."""
    wanted = index(bridge)
    if wanted is None:
        return []
    found = []
    for told in _dumped():
        master, name = told.get(MASTER), name_in(told)
        if master is not None and name is not None and _NUMBER.unpack(master)[0] == wanted:
            found.append(name)
    return found


def _changed(kind: int, name: str, more: bytes = b"") -> None:
    body = LINK.pack(0, 0, 0, 0, 0) + attribute(NAME, name.encode() + b"\0") + more
    for what, payload in _answers(kind, _REQUEST | _ACKNOWLEDGE, body):
        if what == _ERROR:
            code = -_NUMBER.unpack_from(payload)[0]
            if code:
                raise OSError(code, os.strerror(code), name)
            return


def _dumped() -> Iterator[dict[int, bytes]]:
    for what, payload in _answers(GET_LINK, _REQUEST | _DUMP, LINK.pack(0, 0, 0, 0, 0)):
        if what == _DONE:
            return
        if what == _ERROR:
            code = -_NUMBER.unpack_from(payload)[0]
            raise OSError(code, os.strerror(code))
        yield attributes(payload)


def _answers(kind: int, flags: int, body: bytes) -> Iterator[tuple[int, bytes]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.settimeout(_ANSWER_S)
        link.bind((0, 0))
        link.send(HEADER.pack(HEADER.size + len(body), kind, flags, 1, 0) + body)
        while True:
            yield from messages(link.recv(_MOST_BYTES))
