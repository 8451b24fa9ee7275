"""Where in a log the lines begin that are asked for, without reading what is before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ring.runtimes.containerd.logkeeper.records import HEAD_BYTES
from ring.runtimes.containerd.logs.decoder import Decoder, head_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from ring.core.model.logs import LogQuery, Stream
    from ring.runtimes.containerd.logs.trail import Trail

_FIRST_STEP_BYTES: Final = 16 * 1024
_STEP_BYTES: Final = 256 * 1024
_SPARE_RECORDS: Final = 16
_SEARCHED_BYTES: Final = 16 * 1024 * 1024
"""How far back the beginning of a line is looked for that is in several records."""
_TIME_BYTES: Final = 30
"""Of a record as the keeper writes it, before the first space."""


class Start(NamedTuple):
    """Where to begin, and what of it is not wanted."""

    position: int = 0
    """Of a record."""
    skipped: int = 0
    """So many lines from there on."""
    broken: frozenset[Stream] = frozenset()
    """Streams whose first line from there on began before."""
    skipped_for_rest: int = 0
    """So many more are not wanted where what has no end yet is told."""


def start(trail: Trail, query: LogQuery) -> Start:
    """Blocks. Lines that are older than `query.since` may still follow. Raises OSError."""
    if query.tail is not None:
        return _start_of_tail(trail, query.tail)
    if query.since is not None:
        return _start_since(trail, query.since)
    return Start()


def _start_of_tail(trail: Trail, tail: int) -> Start:
    """Back over so many records; further, as long as they are too few lines, or pieces of one."""
    records = tail + _SPARE_RECORDS
    while True:
        begin, found = _back_over(trail, records)
        if begin == 0 and found < tail:
            return Start()
        count, firsts, rest = _lines_from(trail, begin)
        skipped = max(0, count - tail)
        more = max(0, count + rest - tail) - skipped
        shown = [stream for stream, place in firsts.items() if place >= skipped]
        if begin == 0 or (count >= tail and not _broken(trail, begin, shown)):
            return Start(begin, skipped, skipped_for_rest=more)
        if trail.size - begin > _SEARCHED_BYTES and count >= tail:
            return Start(begin, skipped, skipped_for_rest=more)
        records *= 4


def _back_over(trail: Trail, records: int) -> tuple[int, int]:
    """A place before the last so many records, if there are so many, and how many follow it."""
    found = 0
    for begin, block in _blocks(trail):
        found += block.count(b"\n")
        first = block.find(b"\n")
        if found > records and first >= 0 and begin > 0:
            return begin + first + 1, found - 1
    return 0, found


def _lines_from(trail: Trail, begin: int) -> tuple[int, dict[Stream, int], int]:
    """How many lines there are from there on, which is the first of each stream, and how many have
    no end yet."""
    decoder = Decoder()
    count = 0
    firsts: dict[Stream, int] = {}
    while begin < trail.size:
        block = trail.read_at(begin, _STEP_BYTES)
        if not block:
            break
        begin += len(block)
        lines = decoder.feed(block)
        if len(firsts) < 2:
            for place, line in enumerate(lines, count):
                firsts.setdefault(line.stream, place)
        count += len(lines)
    return count, firsts, len(decoder.end())


def _start_since(trail: Trail, since: datetime) -> Start:
    for begin, block in _blocks(trail):
        first = _first_time(block, is_whole=begin == 0)
        if first is not None and first[1] < since:
            place = begin + first[0]
            return Start(place, 0, _broken(trail, place, ("stdout", "stderr")))
    return Start()


def _blocks(trail: Trail) -> Iterator[tuple[int, bytes]]:
    """From the end, small ones first, with their positions."""
    position, step = trail.size, _FIRST_STEP_BYTES
    while position > 0:
        begin = max(0, position - step)
        yield begin, trail.read_at(begin, position - begin)
        position, step = begin, min(2 * step, _STEP_BYTES)


def _first_time(block: bytes, *, is_whole: bool) -> tuple[int, datetime] | None:
    """The first record in it that has a time: where it begins, and the time."""
    place = 0 if is_whole else block.find(b"\n") + 1
    while is_whole or place > 0:
        known = head_of(block[place : place + HEAD_BYTES])
        if known is not None:
            return place, known[1]
        is_whole = False
        place = block.find(b"\n", place) + 1
    return None


def _broken(trail: Trail, begin: int, streams: Iterable[Stream]) -> frozenset[Stream]:
    """Those whose last record before is a piece of a line."""
    return frozenset(stream for stream in streams if _is_broken(trail, begin, stream.encode()))


def _is_broken(trail: Trail, begin: int, stream: bytes) -> bool:
    mark = b"Z " + stream + b" "
    least = max(0, begin - _SEARCHED_BYTES)
    end = begin
    while end > least:
        from_ = max(least, end - _STEP_BYTES)
        # With the head of a record that begins right before the end.
        block = trail.read_at(from_, end - from_ + HEAD_BYTES)[: begin - from_]
        place = block.rfind(mark)
        while place >= 0:
            head = place + 1 - _TIME_BYTES
            # One that begins before this block is met again in the next.
            if block[head - 1 : head] == b"\n" if head > 0 else head == from_ == 0:
                return block[head : head + HEAD_BYTES].endswith(b"P ")
            place = block.rfind(mark, 0, place)
        end = from_
    return False
