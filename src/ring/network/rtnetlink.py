"""How the kernel tells of network interfaces: the messages of rtnetlink(7), taken apart."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

NEW_LINK: Final = 16
DELETE_LINK: Final = 17
GET_LINK: Final = 18
"""RTM_*LINK"""
NAME: Final = 3
MASTER: Final = 10
ALIAS: Final = 20
"""IFLA_*"""
HEADER: Final = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port."""
LINK: Final = struct.Struct("=BxHiII")
"""ifinfomsg: family, type, index, flags, change."""
_ATTRIBUTE: Final = struct.Struct("=HH")
"""rtattr: length, type."""


def messages(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Of one datagram: types and payloads. What is cut off is left out."""
    for told, payload in _parts(content, HEADER):
        yield told[1], payload


def attributes(payload: bytes) -> dict[int, bytes]:
    """Of an interface, by their types; `payload`: of its message."""
    return {kind: value for (_, kind), value in _parts(payload[LINK.size :], _ATTRIBUTE)}


def attribute(kind: int, value: bytes) -> bytes:
    """As a message has it."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + b"\0" * (_aligned(length) - length)


def name_in(told: dict[int, bytes]) -> str | None:
    """The interface's, of its attributes."""
    name = told.get(NAME)
    return None if name is None else os.fsdecode(name.rstrip(b"\0"))


def _parts(content: bytes, head: struct.Struct) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """Both kinds begin with their length, head included, and stand at multiples of four."""
    while len(content) >= head.size:
        told = head.unpack_from(content)
        length = told[0]
        if not head.size <= length <= len(content):
            return
        yield told, content[head.size : length]
        content = content[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3
