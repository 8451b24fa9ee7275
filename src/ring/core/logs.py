"""The rules of log lines: bytes to text, text to a level and a time, and where reading goes on.

Pure, and apart from every runtime: a line means the same whoever read it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from ring.core.errors import UserError
from ring.core.model.logs import LogLevel, LogRecord

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from ring.core.model.ids import InstanceName
    from ring.core.model.logs import LogLine

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
    text = line.decode(errors="replace")
    return text if text.strip() else None


def _whole_characters(line: bytes) -> bytes:
    """The line without its last byte, and without the character that is torn by that."""
    end = len(line) - 1
    for back in range(4):
        if line[end - back] & 0xC0 != 0x80:
            return line[: end - back]
    return line[:end]


def level_of(message: str) -> LogLevel:
    """What the line says of itself: a structured line by its own word, else by the first mark."""
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


def record(instance: InstanceName, line: LogLine) -> LogRecord:
    """The line as people are given it."""
    timestamp: datetime | str | None = line.at
    if timestamp is None and (spoken := _SPOKEN_TIME.search(line.message)):
        timestamp = spoken[0]
    return LogRecord(instance, line.message, level_of(line.message), timestamp, line.stream)


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


class Bookmark:
    """Where the reading of several sources stands: what is read again is told from what is new.

    A source is whatever keeps its own order, such as one stream of one instance. After `resume`,
    lines that were taken before are refused, once each, until the source is past them.
    """

    def __init__(self) -> None:
        self._places: dict[Hashable, _Place] = {}

    def takes(self, source: Hashable, at: datetime | None, message: str) -> bool:
        """Whether this line is new; it is taken then. A line without a time always is."""
        if at is None:
            return True
        place = self._places.get(source)
        if place is None:
            place = self._places[source] = _Place(at)
        place.confirmed = True
        return place.takes(at, message)

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


class _Place:
    """The newest time of one source, and the lines that were taken with it."""

    __slots__ = ("at", "confirmed", "known", "taken")

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.taken: Counter[str] = Counter()
        self.known: Counter[str] | None = None
        """While reading again: lines of the newest time that are still to come a second time."""
        self.confirmed = True

    def replay(self) -> None:
        self.known = Counter(self.taken)
        self.confirmed = False

    def takes(self, at: datetime, message: str) -> bool:
        if self.known is not None:
            if at < self.at:
                return False
            if at == self.at and self.known[message] > 0:
                self.known[message] -= 1
                return False
            if at > self.at:
                self.known = None
        if at > self.at:
            self.at = at
            self.taken.clear()
        if at == self.at:
            self.taken[message] += 1
        return True
