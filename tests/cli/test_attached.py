"""A command's output where whoever reads ours takes their time."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, Pong

from ring.cli import attached
from ring.cli.attached import Attached
from ring.cli.channel import Channel
from ring.cli.forwarded import Forwarded
from ring.core import channels
from ring.core.channels import LARGEST_BYTES, PIECE_BYTES, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

MORE_THAN_ANY_PIPE = 128


class Far:
    """The server's end."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self._frames = Connection(ConnectionType.SERVER)

    def send(self, kind: Kind, content: bytes = b"") -> None:
        message = BytesMessage(data=channels.message(kind, content))
        self.link.sendall(self._frames.send(message))

    def wait_for_life(self) -> None:
        while True:
            self._frames.receive_data(self.link.recv(65536))
            if any(isinstance(event, Pong) for event in self._frames.events()):
                return


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Channel, Far]]:
    for module in ("channel", "attached", "forwarded"):
        monkeypatch.setattr(f"ring.cli.{module}.LIFE_S", 0.01)
    near, far = socket.socketpair()
    with near, far:
        far.settimeout(10)
        yield Channel(near), Far(far)


def test_a_server_hears_of_a_client_whose_reader_does_not_read(
    ends: tuple[Channel, Far], monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = ends
    reading, writing = os.pipe()
    monkeypatch.setattr(attached, "STDOUT", writing)
    codes = []
    running = Attached(near, has_terminal=False, takes_input=False)
    thread = threading.Thread(target=lambda: codes.append(running.run()))
    thread.start()
    with os.fdopen(reading, "rb") as reader:
        for _ in range(MORE_THAN_ANY_PIPE // 16):
            far.send(Kind.OUTPUT, bytes(PIECE_BYTES))
        far.wait_for_life()
        far.send(Kind.STATUS, b'{"code":3}')
        assert len(reader.read(MORE_THAN_ANY_PIPE * 1024)) == MORE_THAN_ANY_PIPE * 1024
        thread.join(10)
    os.close(writing)
    assert codes == [3]


def test_the_same_of_a_port(ends: tuple[Channel, Far]) -> None:
    near, far = ends
    local, reader = socket.socketpair()
    thread = threading.Thread(target=Forwarded(near, local).run)
    with local, reader:
        local.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        thread.start()
        count = 2 * LARGEST_BYTES // PIECE_BYTES

        def flood() -> None:
            for _ in range(count):
                far.send(Kind.OUTPUT, bytes(PIECE_BYTES))

        sending = threading.Thread(target=flood)
        sending.start()
        far.wait_for_life()
        left = count * PIECE_BYTES
        while left:
            left -= len(reader.recv(65536))
        sending.join(10)
        far.send(Kind.STATUS, b'{"code":0}')
        thread.join(10)
    assert not thread.is_alive()
