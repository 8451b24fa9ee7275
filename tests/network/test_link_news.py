"""Interfaces that go are told by the kernel, in the network of whoever asks."""

from __future__ import annotations

import os
import random
import struct
import subprocess
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from ring.network import link_news

if TYPE_CHECKING:
    from collections.abc import Iterator

DELETED, CHANGED = 17, 16


def message(kind: int, name: bytes | None) -> bytes:
    body = struct.pack("=BxHiII", 0, 1, 7, 0, 0)
    if name is not None:
        body += struct.pack("=HH", 4 + len(name) + 1, 3) + name + b"\0"
    size = 16 + len(body)
    return struct.pack("=IHHII", size, kind, 0, 0, 0) + body + b"\0" * (-size % 4)


def test_only_what_is_gone_is_told() -> None:
    content = message(DELETED, b"veth1") + message(CHANGED, b"veth2") + message(DELETED, b"rbr-a")
    assert list(link_news.read(content)) == ["veth1", "rbr-a"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        message(DELETED, None),
        message(DELETED, b"veth1")[:-6],
        struct.pack("=IHHII", 3, DELETED, 0, 0, 0),
        struct.pack("=IHHII", 20, DELETED, 0, 0, 0) + b"\0" * 4,
        struct.pack("=IHHII", 36, DELETED, 0, 0, 0) + b"\0" * 16 + struct.pack("=HH", 2, 3),
    ],
)
def test_what_cannot_be_read_is_left_out(content: bytes) -> None:
    assert list(link_news.read(content)) == []


@pytest.fixture
def interface() -> Iterator[str]:
    if os.geteuid() != 0:
        pytest.skip("only root makes interfaces")
    name = f"rt{random.randrange(10**8):x}"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    yield name
    subprocess.run(["ip", "link", "delete", name], check=False, stderr=subprocess.DEVNULL)


@pytest.mark.anyio
async def test_the_kernel_tells(interface: str) -> None:
    async with aclosing(link_news.lost()) as lost:
        assert await anext(lost) is None
        subprocess.run(["ip", "link", "delete", interface], check=True)  # noqa: ASYNC221 - at once
        name = await anext(lost)
        while name != interface:
            name = await anext(lost)
