"""The FIFOs over which a command inside a container is read and written, without ever blocking.

The shim opens its ends when the command is started, so ours are there before. It keeps both ends of
each open while it copies: what nobody reads stays in the pipe, and the command waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ring.core.channels import PIECE_BYTES
from ring.core.model.commands import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ring.core.model.logs import Stream

PREFIX: Final = "exec-"
_IN, _OUT, _ERR = "-in", "-out", "-err"
LEFT_OPEN_S: Final = 2.0
_TURN_S: Final = 0.001
"""Between two pieces that are thrown away."""
"""Waited for what a command has written before its end, where something that it left behind keeps
its streams open."""
_LOOK_AGAIN_S = 0.005
"""For the shim to open its end of the input, which it does by itself after the start."""


@dataclass(frozen=True, slots=True)
class Pipes:
    """Paths of one command's FIFOs; empty: it has no such stream."""

    stdin: str
    stdout: str
    stderr: str

    def make(self) -> None:
        """Of nobody but this user. Raises OSError."""
        for path in self._all():
            os.mkfifo(path, 0o600)

    def remove(self) -> None:
        for path in self._all():
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108 - no objects

    def _all(self) -> Iterator[str]:
        return (path for path in (self.stdin, self.stdout, self.stderr) if path)


def pipes(folder: Path, exec_id: str, *, takes_input: bool, has_terminal: bool) -> Pipes:
    """Where they are to be: a terminal has no stream for errors."""
    base = str(folder / f"{PREFIX}{exec_id}")
    return Pipes(
        stdin=base + _IN if takes_input else "",
        stdout=base + _OUT,
        stderr="" if has_terminal else base + _ERR,
    )


def left_behind(folder: Path) -> dict[str, Pipes]:
    """Those that are there, by exec id. Raises OSError."""
    found: dict[str, dict[str, str]] = {}
    for path in folder.glob(f"{PREFIX}*"):
        name, dash, stream = path.name.removeprefix(PREFIX).rpartition("-")
        found.setdefault(name, {})[dash + stream] = str(path)
    return {
        exec_id: Pipes(paths.get(_IN, ""), paths.get(_OUT, ""), paths.get(_ERR, ""))
        for exec_id, paths in found.items()
    }


class Output:
    """What a command writes, of both streams as it comes. One reads at a time."""

    def __init__(self, pipes: Pipes) -> None:
        """They must be there. Raises OSError."""
        self._streams: dict[int, Stream] = {}
        """By descriptor: those that are still open, and the one that was read last is the last."""
        self._poll = select.poll()
        self._waiting: asyncio.Timeout | None = None
        self._patience_s = LEFT_OPEN_S
        self.has_ended = False
        """Nobody writes any more."""
        self._ended_at: float | None = None
        """None: the command goes on, and is waited for as long as it likes."""
        try:
            self._open(pipes.stdout, "stdout")
            self._open(pipes.stderr, "stderr")
        except OSError:
            self.close()
            raise

    def _open(self, path: str, stream: Stream) -> None:
        if path:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            self._streams[descriptor] = stream
            self._poll.register(descriptor, select.POLLIN)

    async def read(self) -> Piece | None:
        """None: no more comes."""
        while self._streams:
            piece = self._taken()
            if piece is not None:
                return piece
            if not self._streams:
                self.has_ended = True
            elif not await self._readable():
                self.close()
        return None

    def _taken(self) -> Piece | None:
        # Only what is told to be readable is read: before the shim has opened its end there would
        # be an end of file, which is none.
        ready = {descriptor for descriptor, _ in self._poll.poll(0)}
        for descriptor in [one for one in self._streams if one in ready]:
            content = os.read(descriptor, PIECE_BYTES)
            stream = self._streams.pop(descriptor)
            if content:
                self._streams[descriptor] = stream
                return Piece(stream, content)
            self._shut(descriptor)
        return None

    async def _readable(self) -> bool:
        """False: the command has ended, and nothing more came for long enough."""
        loop = asyncio.get_running_loop()
        ready, began = loop.create_future(), loop.time()
        for descriptor in self._streams:
            loop.add_reader(descriptor, _settle, ready)
        try:
            limit_s = None if self._ended_at is None else self._patience_s
            async with asyncio.timeout(limit_s) as self._waiting:
                await ready
        except TimeoutError:
            return False
        finally:
            self._waiting = None
            for descriptor in self._streams:
                loop.remove_reader(descriptor)
            if self._ended_at is not None:
                self._patience_s -= loop.time() - max(began, self._ended_at)
        return True

    def command_ended(self) -> None:
        """What it wrote is still to be read; what else keeps its streams open is not waited for."""
        if self._ended_at is None:
            self._ended_at = asyncio.get_running_loop().time()
            if self._waiting is not None:
                self._waiting.reschedule(self._ended_at + LEFT_OPEN_S)

    async def drain(self) -> None:
        """Throws the rest away: the shim does not let go of what nobody reads.

        In turns: something that a command has left behind may write without an end.
        """
        while True:
            if await self.read() is None:
                return
            await asyncio.sleep(_TURN_S)

    def close(self) -> None:
        """Nobody reads while it is closed."""
        for descriptor in list(self._streams):
            self._shut(descriptor)
        self._streams.clear()

    def _shut(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        os.close(descriptor)


class Input:
    """What a command reads. One writes at a time."""

    def __init__(self, path: str) -> None:
        """Empty: it has none."""
        self._path = path
        self._descriptor: int | None = None
        self._closed: asyncio.Future[None] | None = None
        self._is_over = not path

    async def open(self) -> bool:
        """Once the command was started. False: nobody reads it any more."""
        while not self._is_over and self._descriptor is None:
            try:
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    self._is_over = True
                    break
                await asyncio.sleep(_LOOK_AGAIN_S)
        return not self._is_over

    async def write(self, content: bytes) -> None:
        """Returns once all of it is in the pipe, or nobody reads it any more."""
        left = memoryview(content)
        while left and await self.open():
            descriptor = self._descriptor
            if descriptor is None:
                break
            left = left[self._put(descriptor, left) :]
            if left:
                await self._writable(descriptor)

    def _put(self, descriptor: int, content: memoryview) -> int:
        """How much there was room for."""
        try:
            return os.write(descriptor, content)
        except BlockingIOError:
            return 0
        except OSError:  # the shim has closed its end
            self.close()
            return len(content)

    async def _writable(self, descriptor: int) -> None:
        loop = asyncio.get_running_loop()
        self._closed = ready = loop.create_future()
        loop.add_writer(descriptor, _settle, ready)
        try:
            await ready
        finally:
            self._closed = None
            if self._descriptor is not None:
                loop.remove_writer(descriptor)

    def close(self) -> None:
        """It reads an end; whoever still writes is told that nobody reads."""
        self._is_over = True
        if self._descriptor is None:
            return
        if self._closed is not None:
            asyncio.get_running_loop().remove_writer(self._descriptor)
            _settle(self._closed)
        os.close(self._descriptor)
        self._descriptor = None


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
