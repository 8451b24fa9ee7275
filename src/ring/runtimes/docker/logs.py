"""The engine's log answers: bytes in frames, or a terminal's raw ones, to lines with a time."""

from __future__ import annotations

import contextlib
import math
import struct
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.clock import parse_rfc3339
from ring.core.logs import LONGEST_LINE_BYTES, text_of
from ring.core.model.logs import LogLine
from ring.runtimes.base import FellBehind, Gone, Unavailable
from ring.runtimes.docker import failures, payload
from ring.runtimes.docker.connection import Answer
from ring.runtimes.docker.dialect import DOCKER
from ring.runtimes.docker.events import since_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from datetime import datetime

    from ring.core.model.ids import InstanceId
    from ring.core.model.logs import LogQuery, Stream
    from ring.runtimes.docker.connection import Connection
    from ring.runtimes.docker.dialect import Dialect

_IDLE_S = 30.0
"""Silence within an answer that has an end."""
_HEADER = struct.Struct(">BxxxI")
"""Of a frame: its stream, and how many bytes follow."""
_BATCH_BYTES = 32 * 1024
"""So much is turned into lines at once."""
_BEHIND_S = 1.0
"""A follower that is so much later than it was may lose its place when the engine rotates."""
_STREAMS: dict[int, Stream] = {0: "stdout", 1: "stdout", 2: "stderr"}
_ENGINE = 3
"""The engine's own words about what went wrong, in a frame of this stream."""
_REFUSAL = b'{"cause":'
"""How Podman's own words begin, which follow its 200 when an instance goes as its log is opened."""
_REFUSAL_BYTES = 4096
_STAMP_BYTES = 40
"""No time is written longer."""
_KEPT_BYTES = LONGEST_LINE_BYTES + 2
"""Enough to tell that a line is longer, with its end."""


async def read(
    connection: Connection, instance_id: InstanceId, query: LogQuery, dialect: Dialect = DOCKER
) -> AsyncGenerator[Sequence[LogLine], None]:
    """See ring.runtimes.base.Logs."""
    idle_s = None if query.follow else _IDLE_S
    path = f"/containers/{instance_id}/logs"
    async with connection.stream(
        "GET", path, query=_asked(query, dialect), idle_s=idle_s
    ) as stream:
        if stream.status != HTTPStatus.OK:
            refusal = await stream.rest()
            # An instance that is being removed still has a name, but nothing to read any more.
            if stream.status in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                raise Gone(refusal.message)
            raise failures.refused(f"read the logs of instance {instance_id[:12]}", refusal)
        decoder = Decoder()
        pace = _Pace() if query.follow else None
        async with contextlib.aclosing(stream.chunks()) as chunks:
            async for chunk in chunks:
                for begin in range(0, len(chunk), _BATCH_BYTES):
                    lines = decoder.feed(chunk[begin : begin + _BATCH_BYTES])
                    if lines and pace is not None and pace.is_behind(lines[-1]):
                        if await _rotates(connection, instance_id):
                            raise FellBehind("the log was written faster than it was read")
                        pace = None
                    if lines:
                        yield lines
        if lines := decoder.end():
            yield lines


class _Pace:
    """How old the lines are that come, compared with the youngest so far: what the engine's clock
    says otherwise than this machine's does not matter."""

    def __init__(self) -> None:
        self._least_s = math.inf

    def is_behind(self, line: LogLine) -> bool:
        if line.at is None:
            return False
        age_s = time.time() - line.at.timestamp()
        self._least_s = min(self._least_s, age_s)
        return age_s - self._least_s > _BEHIND_S


async def _rotates(connection: Connection, instance_id: InstanceId) -> bool:
    """Whether the engine begins its log anew at some size. Raises Unavailable.

    Whoever follows such a log more slowly than it is written is led on to the newest file, past
    those between, without a word.
    """
    answer = await connection.call("GET", f"/containers/{instance_id}/json")
    if answer.status != HTTPStatus.OK:
        return False
    host = payload.section(payload.as_payload(answer.json()), "HostConfig")
    kept = payload.section(host, "LogConfig")
    return kept.get("Type") == "local" or "max-size" in payload.section(kept, "Config")


def _asked(query: LogQuery, dialect: Dialect) -> dict[str, str]:
    asked = {
        "stdout": "1",
        "stderr": "1",
        "timestamps": "1",
        "tail": "all" if query.tail is None else str(min(query.tail, dialect.most_lines)),
        "follow": "1" if query.follow else "0",
    }
    if query.since is not None:
        asked["since"] = since_of(query.since, dialect)
    return asked


class Decoder:
    """Takes an answer that was asked for with times, in pieces of any size.

    Every frame begins with a time. What a terminal wrote comes without frames: there every line
    does, so the first byte tells which of the two it is.
    """

    def __init__(self) -> None:
        self._is_raw: bool | None = None
        self._opening: bytearray | None = None
        """Of a raw answer, as long as it may be a refusal."""
        self._header = b""
        self._left = 0
        """Bytes of the frame that are still to come."""
        self._said = b""
        """What the engine says of itself, in the frame that is being read."""
        self._writers = {number: _Writer(stream) for number, stream in _STREAMS.items()}
        self._current = 1

    def feed(self, chunk: bytes) -> list[LogLine]:
        """The lines that are complete with this. Raises Unavailable for what is no log."""
        lines: list[LogLine] = []
        if self._is_raw is None and chunk:
            self._is_raw = chunk[0] not in {*_STREAMS, _ENGINE}
            if self._is_raw:
                self._opening = bytearray()
                self._writers[1].begin()
        if self._is_raw:
            self._raw(chunk, lines)
            return lines
        position = 0
        while position < len(chunk):
            if self._left == 0:
                if not self._header:
                    position = self._take_whole(chunk, position, lines)
                taken = chunk[position : position + _HEADER.size - len(self._header)]
                self._header += taken
                position += len(taken)
                if len(self._header) == _HEADER.size:
                    self._open()
                continue
            part = chunk[position : position + self._left]
            position += len(part)
            self._left -= len(part)
            self._payload(part, lines)
        return lines

    def end(self) -> list[LogLine]:
        """What is left without an end of line. Raises Gone and Unavailable for a refusal."""
        lines: list[LogLine] = []
        if self._opening:
            _expect_log(bytes(self._opening))
            self._writers[1].write(bytes(self._opening), lines, each_line_begins=True)
        for writer in self._writers.values():
            writer.end(lines)
        return lines

    def _raw(self, chunk: bytes, lines: list[LogLine]) -> None:
        if self._opening is not None:
            self._opening += chunk
            begin = bytes(self._opening[: len(_REFUSAL)])
            if _REFUSAL.startswith(begin) and len(self._opening) <= _REFUSAL_BYTES:
                return
            chunk, self._opening = bytes(self._opening), None
        self._writers[1].write(chunk, lines, each_line_begins=True)

    def _take_whole(self, chunk: bytes, position: int, lines: list[LogLine]) -> int:
        """The frames from here on that are a line each, as nearly all are; where they end."""
        while position + _HEADER.size <= len(chunk):
            number, length = _HEADER.unpack_from(chunk, position)
            begin = position + _HEADER.size
            writer = self._writers.get(number)
            if writer is None or not writer.take_line(chunk, begin, begin + length, lines):
                break
            position = begin + length
        return position

    def _open(self) -> None:
        number, self._left = _HEADER.unpack(self._header)
        if number not in self._writers and number != _ENGINE:
            raise Unavailable(f"the engine's log has a frame of the unknown stream {number}")
        self._header = b""
        self._current = number
        self._said = b""
        if number != _ENGINE:
            self._writers[number].begin()

    def _payload(self, part: bytes, lines: list[LogLine]) -> None:
        if self._current == _ENGINE:
            self._said = (self._said + part)[:500]
            if self._left == 0:
                said = self._said.decode(errors="replace").strip()
                raise Unavailable(f"the engine cannot go on with the log: {said}")
            return
        self._writers[self._current].write(part, lines)
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

    def take_line(self, chunk: bytes, begin: int, end: int, lines: list[LogLine]) -> bool:
        """A frame that is there whole, with its time and one line: whether it is such a one.

        The same as writing it in parts, at a third of the cost.
        """
        if self._has_begun or chunk.find(b"\n", begin, end) != end - 1:
            return False
        space = chunk.find(b" ", begin, begin + _STAMP_BYTES)
        at = _time(chunk[begin:space]) if 0 < space < end else None
        if at is None:
            return False
        self._at = at
        text = text_of(chunk[space + 1 : end])
        if text is not None:
            lines.append(LogLine(self._stream, text, at))
        return True

    def write(self, part: bytes, lines: list[LogLine], *, each_line_begins: bool = False) -> None:
        while part:
            part = self._without_stamp(part)
            piece, newline, rest = part.partition(b"\n")
            self._append(piece)
            part = rest
            if newline:
                self.end(lines)
                if each_line_begins:
                    self.begin()

    def frame_ended(self) -> None:
        """A frame that was too short to have a time had none."""
        if self._stamp:
            short, self._stamp = self._stamp, None
            self._append(short)

    def end(self, lines: list[LogLine]) -> None:
        """The line as far as it has come."""
        self.frame_ended()
        text = text_of(bytes(self._line))
        if text is not None:
            lines.append(LogLine(self._stream, text, self._line_at))
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


def _expect_log(said: bytes) -> None:
    """Raises Gone and Unavailable where an engine refuses after it has begun to answer.

    Podman's handler opens the log after its status is sent: `{"cause", "message", "response"}`
    (pkg/errorhandling ErrorModel) is the whole answer then, with the status that was meant.
    """
    try:
        refusal = payload.as_payload(payload.decode(said))
        meant = payload.number(refusal, "response")
    except Unavailable:
        return
    told = Answer(meant, said).message
    if meant == HTTPStatus.NOT_FOUND or "no such container" in told:
        raise Gone(told)
    raise Unavailable(f"the engine cannot go on with the log: {told}")


def _time(stamp: bytes) -> datetime | None:
    try:
        return parse_rfc3339(stamp.decode("ascii"))
    except (ValueError, OverflowError):
        return None
