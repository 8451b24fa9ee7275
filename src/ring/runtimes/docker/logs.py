"""The engine's log answers: bytes in frames, or a terminal's raw ones, to lines with a time."""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.clock import parse_rfc3339
from ring.core.logs import LONGEST_LINE_BYTES, text_of
from ring.core.model.logs import LogLine
from ring.runtimes.base import Gone, Unavailable
from ring.runtimes.docker import failures
from ring.runtimes.docker.events import since_text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from datetime import datetime

    from ring.core.model.ids import InstanceId
    from ring.core.model.logs import LogQuery, Stream
    from ring.runtimes.docker.connection import Connection

_IDLE_S = 30.0
"""Silence within an answer that has an end."""
_HEADER_BYTES = 8
_STREAMS: dict[int, Stream] = {0: "stdout", 1: "stdout", 2: "stderr"}
_ENGINE = 3
"""The engine's own words about what went wrong, in a frame of this stream."""
_STAMP_BYTES = 40
"""No time is written longer."""
_KEPT_BYTES = LONGEST_LINE_BYTES + 2
"""Enough to tell that a line is longer, with its end."""


async def read(
    connection: Connection, instance_id: InstanceId, query: LogQuery
) -> AsyncGenerator[LogLine, None]:
    """See ring.runtimes.base.Logs."""
    idle_s = None if query.follow else _IDLE_S
    path = f"/containers/{instance_id}/logs"
    async with connection.stream("GET", path, query=_asked(query), idle_s=idle_s) as stream:
        if stream.status != HTTPStatus.OK:
            refusal = await stream.rest()
            # An instance that is being removed still has a name, but nothing to read any more.
            if stream.status in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                raise Gone(refusal.message)
            raise failures.refused(f"read the logs of instance {instance_id[:12]}", refusal)
        decoder = Decoder()
        async with contextlib.aclosing(stream.chunks()) as chunks:
            async for chunk in chunks:
                for line in decoder.feed(chunk):
                    yield line
        for line in decoder.end():
            yield line


def _asked(query: LogQuery) -> dict[str, str]:
    asked = {
        "stdout": "1",
        "stderr": "1",
        "timestamps": "1",
        "tail": "all" if query.tail is None else str(query.tail),
        "follow": "1" if query.follow else "0",
    }
    if query.since is not None:
        asked["since"] = since_text(query.since)
    return asked


class Decoder:
    """Takes an answer that was asked for with times, in pieces of any size.

    Every frame begins with a time. What a terminal wrote comes without frames: there every line
    does, so the first byte tells which of the two it is.
    """

    def __init__(self) -> None:
        self._is_raw: bool | None = None
        self._header = b""
        self._left = 0
        """Bytes of the frame that are still to come."""
        self._said = b""
        """What the engine says of itself, in the frame that is being read."""
        self._writers = {number: _Writer(stream) for number, stream in _STREAMS.items()}
        self._current = 1

    def feed(self, chunk: bytes) -> Iterator[LogLine]:
        """The lines that are complete with this. Raises Unavailable for what is no log."""
        if self._is_raw is None and chunk:
            self._is_raw = chunk[0] not in {*_STREAMS, _ENGINE}
            if self._is_raw:
                self._writers[1].begin()
        if self._is_raw:
            yield from self._writers[1].write(chunk, each_line_begins=True)
            return
        position = 0
        while position < len(chunk):
            if self._left == 0:
                taken = chunk[position : position + _HEADER_BYTES - len(self._header)]
                self._header += taken
                position += len(taken)
                if len(self._header) == _HEADER_BYTES:
                    self._open()
                continue
            part = chunk[position : position + self._left]
            position += len(part)
            self._left -= len(part)
            yield from self._payload(part)

    def end(self) -> Iterator[LogLine]:
        """What is left without an end of line."""
        for writer in self._writers.values():
            yield from writer.end()

    def _open(self) -> None:
        number = self._header[0]
        if number not in self._writers and number != _ENGINE:
            raise Unavailable(f"the engine's log has a frame of the unknown stream {number}")
        self._left = int.from_bytes(self._header[4:], "big")
        self._header = b""
        self._current = number
        self._said = b""
        if number != _ENGINE:
            self._writers[number].begin()

    def _payload(self, part: bytes) -> Iterator[LogLine]:
        if self._current == _ENGINE:
            self._said = (self._said + part)[:500]
            if self._left == 0:
                said = self._said.decode(errors="replace").strip()
                raise Unavailable(f"the engine cannot go on with the log: {said}")
            return
        yield from self._writers[self._current].write(part)
        if self._left == 0:
            self._writers[self._current].frame_ended()


class _Writer:
    """One stream of an instance: what was written, as lines."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._stamp: bytes | None = None
        """The beginning of a frame, until it shows whether that is a time."""
        self._at: datetime | None = None
        self._line = bytearray()
        self._line_at: datetime | None = None
        self._has_begun = False

    def begin(self) -> None:
        """A time is expected next."""
        self._stamp = b""

    def write(self, part: bytes, *, each_line_begins: bool = False) -> Iterator[LogLine]:
        while part:
            part = self._without_stamp(part)
            piece, newline, rest = part.partition(b"\n")
            self._append(piece)
            part = rest
            if newline:
                yield from self.end()
                if each_line_begins:
                    self.begin()

    def frame_ended(self) -> None:
        """A frame that was too short to have a time had none."""
        if self._stamp:
            short, self._stamp = self._stamp, None
            self._append(short)

    def end(self) -> Iterator[LogLine]:
        """The line as far as it has come."""
        self.frame_ended()
        text = text_of(bytes(self._line))
        if text is not None:
            yield LogLine(self._stream, text, self._line_at)
        self._line.clear()
        self._has_begun = False

    def _without_stamp(self, part: bytes) -> bytes:
        """What is left of the part once the time is taken off; empty while it is incomplete."""
        if self._stamp is None:
            return part
        seen = self._stamp + part
        stamp, space, rest = seen.partition(b" ")
        if not space and len(seen) <= _STAMP_BYTES and b"\n" not in seen:
            self._stamp = seen
            return b""
        self._stamp = None
        at = _time(stamp) if space else None
        if at is None:
            return seen
        self._at = at
        return rest

    def _append(self, piece: bytes) -> None:
        if not piece:
            return
        if not self._has_begun:
            self._has_begun = True
            self._line_at = self._at
        self._line += piece[: max(0, _KEPT_BYTES - len(self._line))]


def _time(stamp: bytes) -> datetime | None:
    try:
        return parse_rfc3339(stamp.decode("ascii"))
    except (ValueError, OverflowError):
        return None
