"""Our standard streams at the other end of a command."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ring.cli.channel import LIFE_S
from ring.cli.failures import GENERAL, CommandFailed, Unreachable
from ring.cli.raw_terminal import raw, size_of, told_of_resizes
from ring.core import channels
from ring.core.channels import PIECE_BYTES, Kind

if TYPE_CHECKING:
    from ring.cli.channel import Channel

STDIN, STDOUT, STDERR = 0, 1, 2
_AT_ONCE_BYTES = select.PIPE_BUF
"""A pipe that takes anything takes so much without making us wait."""
BROKEN_PIPE = 141
"""As of a program that SIGPIPE has ended."""


class _NobodyReads(Exception):
    """Our standard output has no reader any more."""


class Attached:
    """One command and one channel."""

    def __init__(self, channel: Channel, *, has_terminal: bool, takes_input: bool) -> None:
        self._channel = channel
        self._takes_input = takes_input
        self._has_terminal = has_terminal
        self._code: int | None = None

    def run(self) -> int:
        """Until the command ends: its code. Raises CommandFailed, Lost, Garbled."""
        with ExitStack() as stack:
            resizes = None
            if self._has_terminal:
                resizes = stack.enter_context(told_of_resizes())
                if self._takes_input and os.isatty(STDIN):
                    stack.enter_context(raw(STDIN))
            try:
                return self._served(resizes)
            except _NobodyReads:
                return BROKEN_PIPE

    def _served(self, resizes: int | None) -> int:
        channel = self._channel
        # Not epoll: it takes no plain file.
        with selectors.PollSelector() as selector:
            selector.register(channel, selectors.EVENT_READ)
            if resizes is not None:
                selector.register(resizes, selectors.EVENT_READ)
            while self._code is None:
                self._watch(selector)
                ready = selector.select(channel.left_s())
                if not ready:
                    channel.expect_life()
                for key, events in ready:
                    if key.fileobj is channel:
                        if events & selectors.EVENT_WRITE:
                            channel.flush()
                        if events & selectors.EVENT_READ:
                            self._receive()
                    elif key.fd == STDIN:
                        self._forward()
                    else:
                        _drain(key.fd)
                        self._resize()
        return self._code

    def _watch(self, selector: selectors.PollSelector) -> None:
        wanted = selectors.EVENT_READ
        if self._channel.wants_write:
            wanted |= selectors.EVENT_WRITE
        selector.modify(self._channel, wanted)
        is_watched = STDIN in selector.get_map()
        is_wanted = self._takes_input and not self._channel.is_full
        if is_wanted and not is_watched:
            selector.register(STDIN, selectors.EVENT_READ)
        elif is_watched and not is_wanted:
            selector.unregister(STDIN)

    def _forward(self) -> None:
        try:
            content = os.read(STDIN, PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:  # a terminal that is gone
            content = b""
        if content:
            self._channel.send(Kind.INPUT, content)
        else:
            self._takes_input = False
            self._channel.send(Kind.END)

    def _resize(self) -> None:
        size = size_of(STDOUT) or size_of(STDIN)
        if size is not None:
            self._channel.tell(Kind.SIZE, rows=size.rows, columns=size.columns)

    def _receive(self) -> None:
        for kind, content in self._channel.receive():
            if kind is Kind.OUTPUT:
                self._write(STDOUT, content)
            elif kind is Kind.ERRORS:
                self._write(STDERR, content)
            elif kind is Kind.STATUS:
                self._code = _code(channels.members(content))
                return
        if self._channel.is_over and self._code is None:
            raise Unreachable("error: the server closed the channel before the command had ended")

    def _write(self, descriptor: int, content: bytes) -> None:
        """All of it, as fast as it is taken: a pager may take its time."""
        while content:
            try:
                while not select.select([], [descriptor], [], LIFE_S)[1]:
                    self._channel.look_away()
                content = content[os.write(descriptor, content[:_AT_ONCE_BYTES]) :]
            except BlockingIOError:
                pass
            except BrokenPipeError:
                raise _NobodyReads from None
            except OSError as error:
                reason = (error.strerror or "failed").lower()
                raise CommandFailed(f"error: cannot write the output: {reason}") from error


def _code(said: dict[str, object]) -> int:
    """Raises CommandFailed where it was not run, or not to its end."""
    code = said.get("code")
    if isinstance(code, int):
        return code & 0xFF
    raise CommandFailed(f"error: {said.get('error')}", GENERAL)


def _drain(descriptor: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.read(descriptor, 4096)
