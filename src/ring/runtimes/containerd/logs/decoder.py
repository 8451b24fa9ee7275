"""A log's bytes to lines: records as the log keeper writes them, and bare lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from ring.clock import parse_rfc3339
from ring.core.logs import LONGEST_LINE_BYTES, text_of
from ring.core.model.logs import LogLine
from ring.runtimes.containerd.logkeeper.records import HEAD_BYTES

if TYPE_CHECKING:
    from datetime import datetime

    from ring.core.model.logs import Stream

_KEPT_BYTES: Final = LONGEST_LINE_BYTES + 2
"""Enough to tell that a line is longer, with its end."""
_LONGEST_RECORD: Final = 1024 * 1024
"""Of what has no end yet, no more is kept: no record is as long."""


class Decoder:
    """Takes a log from the beginning of a record on, in pieces of any size."""

    def __init__(self) -> None:
        self._rest = b""
        self._head = b""
        """Of the record before: most have the same, as they were read at once."""
        self._known: tuple[Stream, datetime, bool] | None = None
        self._open: dict[Stream, tuple[bytearray, datetime]] = {}
        """Lines whose end is still to come, and when they began."""

    @property
    def is_open(self) -> bool:
        """Something is left without an end."""
        return bool(self._rest or self._open)

    def feed(self, written: bytes) -> list[LogLine]:
        """The lines that are complete with this."""
        *records, rest = (self._rest + written).split(b"\n")
        self._rest = rest[:_LONGEST_RECORD]
        lines: list[LogLine] = []
        for record in records:
            head = record[:HEAD_BYTES]
            if head != self._head:
                self._head, self._known = head, head_of(head)
            if self._known is None:
                self._odd(record, lines)
            else:
                self._take(self._known, record[HEAD_BYTES:], lines)
        return lines

    def end(self) -> list[LogLine]:
        """What is left without an end."""
        lines = self.feed(b"\n") if self._rest else []
        for stream in tuple(self._open):
            self._finish(stream, lines)
        return lines

    def _take(
        self, known: tuple[Stream, datetime, bool], text: bytes, lines: list[LogLine]
    ) -> None:
        stream, at, is_full = known
        if is_full and stream not in self._open:
            said = text_of(text)
            if said is not None:
                lines.append(LogLine(stream, said, at))
            return
        line, _ = self._open.setdefault(stream, (bytearray(), at))
        line += text[: max(0, _KEPT_BYTES - len(line))]
        if is_full:
            self._finish(stream, lines)

    def _finish(self, stream: Stream, lines: list[LogLine]) -> None:
        line, at = self._open.pop(stream)
        said = text_of(bytes(line))
        if said is not None:
            lines.append(LogLine(stream, said, at))

    def _odd(self, record: bytes, lines: list[LogLine]) -> None:
        """A time that others write may be shorter; what has none is a line as it stands."""
        stamp, _, rest = record.partition(b" ")
        stream, _, rest = rest.partition(b" ")
        tag, space, text = rest.partition(b" ")
        known = head_of(b"%b %b %b " % (stamp, stream, tag)) if space else None
        if known is not None:
            self._take(known, text, lines)
            return
        said = text_of(record)
        if said is not None:
            lines.append(LogLine("stdout", said, None))


def head_of(head: bytes) -> tuple[Stream, datetime, bool] | None:
    """Of a record: the stream, the time, and whether a line ends. None: it is no head."""
    try:
        stamp, stream, tag, nothing = head.decode("ascii").split(" ")
        if stream not in {"stdout", "stderr"} or tag not in {"F", "P"} or nothing:
            return None
        return cast("Stream", stream), parse_rfc3339(stamp), tag == "F"
    except (ValueError, OverflowError):
        return None
