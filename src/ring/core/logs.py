"""The rules of log lines: bytes to text, text to a level and a time, and where reading goes on.

Pure, and apart from every runtime: a line means the same whoever read it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from ring.core.errors import UserError
from ring.core.model.logs import LogLevel, LogRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ring.core.model.ids import InstanceName
    from ring.core.model.logs import LogLine, Stream

Source = TypeVar("Source")
"""Hashable."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_LINE_BYTES = 64 * 1024
"""What a line has beyond is dropped."""

_SPOKEN_TIME = re.compile(r"\d{4}/\d{2}/\d{2} \d{2}:\d{2}:\d{2}", re.ASCII)
_AGO = re.compile(r"(\d+)([smh])", re.ASCII)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_PRIORITY = re.compile(r"(?:\[[^\]]*\]\s*)?<(\d)>", re.ASCII)

_MARKS_FIRST = (
    ("[error]", LogLevel.ERROR),
    ("[warning]", LogLevel.WARNING),
    ("[notice]", LogLevel.INFO),
    ("[info]", LogLevel.INFO),
    ("info:", LogLevel.INFO),
    ("Kernel panic", LogLevel.ERROR),
    ("BUG:", LogLevel.ERROR),
    ("Oops:", LogLevel.ERROR),
    ("oops:", LogLevel.ERROR),
    ("panic:", LogLevel.ERROR),
)
_PRIORITIES = (
    *[LogLevel.ERROR] * 4,
    LogLevel.WARNING,
    *[LogLevel.INFO] * 2,
    LogLevel.DEBUG,
)
_MARKS_LAST = (
    ("[ERROR]", LogLevel.ERROR),
    ("[CRITICAL]", LogLevel.ERROR),
    ("[WARNING]", LogLevel.WARNING),
    ("[WARN]", LogLevel.WARNING),
    ("[NOTICE]", LogLevel.INFO),
    ("[INFO]", LogLevel.INFO),
    ("[DEBUG]", LogLevel.DEBUG),
    ("ERROR", LogLevel.ERROR),
    ("CRITICAL", LogLevel.ERROR),
    (" ERR ", LogLevel.ERROR),
    ("WARNING", LogLevel.WARNING),
    (" WARN ", LogLevel.WARNING),
    ("NOTICE", LogLevel.INFO),
    (" INFO ", LogLevel.INFO),
    ("INFO:", LogLevel.INFO),
    (" DEBUG ", LogLevel.DEBUG),
    ("DEBUG:", LogLevel.DEBUG),
)
_HINTS = re.compile(r"[\[{<:RIDK]")
"""Without any of these a line has no mark: most lines are looked at once instead of often."""
_WORDS: Mapping[str, LogLevel] = MappingProxyType(
    {
        **dict.fromkeys(("trace", "verbose", "debug"), LogLevel.DEBUG),
        **dict.fromkeys(("info", "information", "informational", "notice"), LogLevel.INFO),
        **dict.fromkeys(("warn", "warning"), LogLevel.WARNING),
        **dict.fromkeys(
            ("err", "error", "crit", "critical", "alert", "emerg", "emergency", "fatal", "panic"),
            LogLevel.ERROR,
        ),
    }
)
"""What structured logs call their levels."""


def text_of(raw: bytes) -> str | None:
    """A line's text: its end stripped, cut, what is no UTF-8 replaced; None where it is blank."""
    line = raw.rstrip(b"\r\n")
    if len(line) > LONGEST_LINE_BYTES:
        # Not in the middle of a character: that would be replaced, though nothing is wrong.
        line = _whole_characters(line[: LONGEST_LINE_BYTES + 1])
    text = line.decode("utf-8", "replace")
    return None if not text or text.isspace() else text


def _whole_characters(line: bytes) -> bytes:
    """The line without its last byte, and without the character that is torn by that."""
    end = len(line) - 1
    for back in range(4):
        if line[end - back] & 0xC0 != 0x80:
            return line[: end - back]
    return line[:end]


def level_of(message: str) -> LogLevel:
    """What the line says of itself: a structured line by its own word, else by the first mark."""
    if not _HINTS.search(message):
        return LogLevel.UNKNOWN
    # A kernel's `BUG:` also stands at the end of `DEBUG:`, which says something else.
    without_debug = message.replace("DEBUG:", " ")
    return (
        _structured(message)
        or _marked(without_debug, _MARKS_FIRST)
        or _by_priority(message)
        or _marked(message, _MARKS_LAST)
        or LogLevel.UNKNOWN
    )


def _structured(message: str) -> LogLevel | None:
    """The `level` or `severity` of a JSON object, if it is a word that is known."""
    if not message.lstrip().startswith("{"):
        return None
    try:
        entry = json.loads(message)
    except (ValueError, RecursionError):
        return None
    for key in ("level", "severity"):
        word = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(word, str) and (known := _WORDS.get(word.strip().lower())):
            return known
    return None


def _marked(message: str, marks: Iterable[tuple[str, LogLevel]]) -> LogLevel | None:
    for word, level in marks:
        if word in message:
            return level
    return None


def _by_priority(message: str) -> LogLevel | None:
    """`<4>`, as a kernel writes it, also behind its `[time]`."""
    found = _PRIORITY.match(message)
    if found is None or int(found[1]) >= len(_PRIORITIES):
        return None
    return _PRIORITIES[int(found[1])]


def records(instance: InstanceName, lines: Iterable[LogLine]) -> list[LogRecord]:
    """The lines as people are given them."""
    return [
        LogRecord(instance, message, level_of(message), at or _spoken_time(message), stream)
        for stream, message, at in lines
    ]


def _spoken_time(message: str) -> str | None:
    spoken = _SPOKEN_TIME.search(message)
    return None if spoken is None else spoken[0]


def parse_since(text: str, now: datetime) -> datetime:
    """The moment that `30s`, `10m`, `2h` ago or an RFC 3339 instant stands for.

    Raises UserError, which quotes nothing of the text.
    """
    try:
        if ago := _AGO.fullmatch(text):
            return max(now - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]]), EPOCH)
        if _RFC_3339.fullmatch(text):
            return max(datetime.fromisoformat(text.upper()).astimezone(UTC), EPOCH)
    except OverflowError:
        return EPOCH
    except ValueError:
        pass
    raise UserError("use 30s, 10m, 2h or an RFC 3339 timestamp")


def moment_of(timestamp: object) -> datetime | None:
    """The time of a record; None where it has none, or not an engine's."""
    if not isinstance(timestamp, str):
        return None
    try:
        return datetime.fromisoformat(timestamp).astimezone(UTC) if "T" in timestamp else None
    except (ValueError, OverflowError):
        return None


class Gap(NamedTuple, Generic[Source]):
    """Between two lines of a source that were taken, others may have been that are kept no more."""

    source: Source
    after: datetime
    before: datetime


class Bookmark(Generic[Source]):
    """Where the reading of several sources stands: what is read again is told from what is new.

    A source is whatever keeps its own order, such as one stream of one instance. After `resume`,
    lines that were taken before are refused, once each, until the source is past them.
    """

    def __init__(self) -> None:
        self._places: dict[Source, _Place] = {}
        self._gaps: list[Gap[Source]] = []

    def takes(self, source: Source, at: datetime | None, message: str) -> bool:
        """Whether this line is new; it is taken then. A line without a time always is."""
        if at is None:
            return True
        place = self._place(source, at)
        place.confirmed = True
        if place.has_lost_its_line(at):
            self._gaps.append(Gap(source, place.at, at))
        return place.takes(at, message)

    def fresh(self: Bookmark[Stream], lines: Sequence[LogLine]) -> Sequence[LogLine]:
        """Those of one instance that are new, and taken with this. Its streams are the sources."""
        if any(place.known is not None for place in self._places.values()):
            return [line for line in lines if self.takes(line.stream, line.at, line.message)]
        for stream in {line.stream for line in lines}:
            timed = [(at, said) for source, said, at in lines if source == stream and at]
            if timed:
                self._place(stream, timed[0][0]).take(timed)
        return lines

    def gaps(self) -> Sequence[Gap[Source]]:
        """Those that were met since this was last asked.

        A source that is read again begins with the lines that were taken last. Where it begins
        after them, they are kept no more, and what came between them and this is not either.
        """
        gaps, self._gaps = self._gaps, []
        return gaps

    def resume(self) -> None:
        """What comes next may have been read before."""
        for place in self._places.values():
            place.replay()

    def forget_unseen(self) -> None:
        """Drops the sources that have told nothing since `resume`, not even what is known."""
        self._places = {key: place for key, place in self._places.items() if place.confirmed}

    def since(self) -> datetime | None:
        """From when on to read again, so that nothing is missed. None: nothing was read."""
        return min((place.at for place in self._places.values()), default=None)

    def _place(self, source: Source, at: datetime) -> _Place:
        place = self._places.get(source)
        if place is None:
            place = self._places[source] = _Place(at)
        return place


class _Place:
    """The newest time of one source, and the lines that were taken with it."""

    __slots__ = ("at", "confirmed", "known", "taken")

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.taken: Counter[int] = Counter()
        """By their hashes: an engine that tells whole seconds has many lines of one time."""
        self.known: Counter[int] | None = None
        """While reading again: lines of the newest time that are still to come a second time."""
        self.confirmed = True

    def replay(self) -> None:
        self.known = Counter(self.taken)
        self.confirmed = False

    def has_lost_its_line(self, at: datetime) -> bool:
        """While reading again: a line of this time is there, and those that are known are not."""
        return self.known is not None and at > self.at and self.known.total() > 0

    def take(self, lines: Sequence[tuple[datetime, str]]) -> None:
        """As `takes` each of them, while nothing is read again."""
        newest = max(lines)[0]
        if newest > self.at:
            self.at = newest
            self.taken.clear()
        if newest == self.at:
            self.taken.update([hash(message) for at, message in lines if at == newest])

    def takes(self, at: datetime, message: str) -> bool:
        line = hash(message)
        if self.known is not None:
            if at < self.at:
                return False
            if at == self.at and self.known[line] > 0:
                self.known[line] -= 1
                return False
            if at > self.at:
                self.known = None
        if at > self.at:
            self.at = at
            self.taken.clear()
        if at == self.at:
            self.taken[line] += 1
        return True
