"""One local connection carried to a port of an instance and back, each way to its own end."""

from __future__ import annotations

import contextlib
import selectors
import socket
from typing import TYPE_CHECKING

from ring.cli.channel import LIFE_S
from ring.cli.failures import CommandFailed
from ring.core import channels
from ring.core.channels import PIECE_BYTES, Kind

if TYPE_CHECKING:
    from ring.cli.channel import Channel

_FULL_BYTES = 256 * 1024


class Forwarded:
    """One channel, begun here."""

    def __init__(self, channel: Channel, local: socket.socket) -> None:
        local.setblocking(False)
        self._channel = channel
        self._local = local
        self._pending = bytearray()
        """For the local end, which has not taken it."""
        self._is_read = False
        """The local end has said that there is no more."""
        self._is_written = False
        """The instance has."""
        self._is_over = False

    def run(self) -> None:
        """Until both ways have ended, or the local end is gone. Raises CommandFailed, Lost."""
        self._channel.tell(Kind.BEGIN)
        with selectors.PollSelector() as selector:
            while not (self._is_over and not self._pending):
                self._watch(selector)
                ready = selector.select(min(self._channel.left_s(), LIFE_S))
                if not ready:
                    self._channel.expect_life()
                for key, events in ready:
                    try:
                        self._turn(key.fileobj is self._channel, events)
                    except ConnectionError:  # the local end
                        return

    def _turn(self, is_channel: bool, events: int) -> None:
        if is_channel:
            if events & selectors.EVENT_WRITE:
                self._channel.flush()
            if events & selectors.EVENT_READ:
                self._receive()
            return
        if events & selectors.EVENT_WRITE:
            self._give()
        if events & selectors.EVENT_READ:
            self._take()

    def _watch(self, selector: selectors.PollSelector) -> None:
        is_full = len(self._pending) >= _FULL_BYTES
        if is_full:
            self._channel.look_away()
        wanted = 0 if is_full or self._is_over else selectors.EVENT_READ
        _set(selector, self._channel, wanted | _writing(self._channel.wants_write))
        may_take = not (self._is_read or self._is_over or self._channel.is_full)
        wanted = selectors.EVENT_READ if may_take else 0
        _set(selector, self._local, wanted | _writing(bool(self._pending)))

    def _receive(self) -> None:
        for kind, content in self._channel.receive():
            if kind is Kind.OUTPUT:
                self._pending += content
            elif kind is Kind.END:
                self._is_written = True
            elif kind is Kind.STATUS:
                self._is_over = True
                why = channels.members(content).get("error")
                if why is not None:
                    raise CommandFailed(f"error: {why}")
                break
        self._is_over = self._is_over or self._channel.is_over
        self._give()

    def _give(self) -> None:
        while self._pending:
            try:
                del self._pending[: self._local.send(self._pending[:PIECE_BYTES])]
            except BlockingIOError:
                return
        if self._is_written:
            self._is_written = False
            with contextlib.suppress(OSError):  # the local end is gone
                self._local.shutdown(socket.SHUT_WR)

    def _take(self) -> None:
        try:
            content = self._local.recv(PIECE_BYTES)
        except BlockingIOError:
            return
        if content:
            self._channel.send(Kind.INPUT, content)
        else:
            self._is_read = True
            self._channel.send(Kind.END)


def _writing(wanted: bool) -> int:
    return selectors.EVENT_WRITE if wanted else 0


def _set(selector: selectors.PollSelector, what: Channel | socket.socket, wanted: int) -> None:
    is_watched = what in selector.get_map()
    if wanted and is_watched:
        selector.modify(what, wanted)
    elif wanted:
        selector.register(what, wanted)
    elif is_watched:
        selector.unregister(what)
