"""What a stream wrote, in pieces of any size, to records: `<time> <stream> <F|P> <text>`.

`P` marks a piece of a line whose rest follows in the stream's next record, `F` the end of a line.
A piece is recorded as it is read, so nothing is held in memory that a keeper could lose.
"""

from __future__ import annotations

import time

HEAD_BYTES = 40
"""Of a record, before its text: `2006-01-02T15:04:05.000000000Z stdout F `."""
STREAMS = (b"stdout", b"stderr")

_TIME_BYTES = 31
_TAG_AT = HEAD_BYTES - 2
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_NS = 1_000_000_000


class Stamps:
    """Times as records begin with them: RFC 3339 in UTC, with nanoseconds and a space."""

    def __init__(self) -> None:
        self._second = -1
        self._text = b""

    def at(self, moment_ns: int) -> bytes:
        second, rest = divmod(moment_ns, _NS)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second)).encode("ascii")
        return b"%b%09dZ " % (self._text, rest)


class Records:
    """One stream of one instance."""

    def __init__(self, stream: bytes, *, is_open: bool = False) -> None:
        self.is_open = is_open
        """Its last line has no end yet."""
        self.stream = stream
        self._full = stream + b" F "
        self._part = stream + b" P "

    def take(self, written: bytes, stamp: bytes) -> bytes:
        """The records of what was read at once; not empty, and neither is what is written."""
        head = stamp + self._full
        last = written.rfind(b"\n")
        self.is_open = last != len(written) - 1
        if last < 0:
            return b"".join((stamp, self._part, written, b"\n"))
        lines = written[:last].replace(b"\n", b"\n" + head)
        if not self.is_open:
            return b"".join((head, lines, b"\n"))
        return b"".join((head, lines, b"\n", stamp, self._part, written[last + 1 :], b"\n"))

    def end(self, stamp: bytes) -> bytes:
        """Of a line that gets no other end; empty where there is none."""
        if not self.is_open:
            return b""
        self.is_open = False
        return stamp + self._full + b"\n"


def unfinished(tail: bytes) -> frozenset[bytes]:
    """The streams whose last record in the tail of a log is a piece."""
    found: dict[bytes, bool] = {}
    for record in reversed(tail.split(b"\n")):
        head = record[_TIME_BYTES:HEAD_BYTES].split(b" ")
        if len(head) == 3 and head[0] in STREAMS:
            found.setdefault(head[0], head[1] == b"P")
        if len(found) == len(STREAMS):
            break
    return frozenset(stream for stream, is_open in found.items() if is_open)


def mend(torn: bytes, stamp: bytes) -> bytes:
    """What makes a record whole that a killed keeper began, as far as it came, without its end.

    One that has no text yet becomes an empty one, which no reader shows. A line that no keeper
    wrote gets its end alone.
    """
    of_stderr = torn[_TIME_BYTES:].startswith(b"stde")
    template = stamp + STREAMS[of_stderr] + b" F "
    is_record = _shape(torn) == _shape(template[: len(torn)])
    return (template[len(torn) :] if is_record else b"") + b"\n"


def _shape(head: bytes) -> bytes:
    """The same for all times, up to the tag."""
    return head[:_TAG_AT].translate(_DIGITS)
