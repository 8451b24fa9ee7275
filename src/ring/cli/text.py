"""Text from a server, made safe and short for a terminal."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from ring.cli.rows import parse

_UNSEEN = r"\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
"""Controls, line separators, what has no width, and what turns the direction of text around."""
_CONTROL = re.compile(rf"[\x00-\x08\x0b-\x1f{_UNSEEN}]")
_BREAK = re.compile(r"\r\n|[\t\n\v\f\r\x85\u2028\u2029]")
_RAW_IN_JSON = re.compile(f"[{_UNSEEN}]")
_SPOKEN_UTC = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? UTC")


def printable(text: str) -> str:
    """The text with unseen characters spelled out; line ends and tabs stay."""
    return _CONTROL.sub(_spell, text)


def one_line(value: object) -> str:
    """One physical line: breaks become spaces, unseen characters are spelled out."""
    return "" if value is None else printable(_BREAK.sub(" ", str(value)))


def joined(value: object, empty: str) -> str:
    """A list of words, commas between them; the given word for none."""
    words = value if isinstance(value, list) else []
    return ",".join(map(one_line, words)) or empty


def json_line(text: str) -> str:
    """JSON text on one line, meaning the same, without a character that moves a terminal.

    Raises ValueError for what is no JSON.
    """
    value = parse(text)
    text = text.strip()
    return compact(value) if "\n" in text or "\r" in text else _escape(text)


def compact(value: object) -> str:
    """A value as JSON on one line."""
    return _escape(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _escape(text: str) -> str:
    return _RAW_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def utc(value: object) -> str:
    """A timestamp of the API as `YYYY-MM-DD HH:MM:SS`; empty for none, as it is if unknown."""
    if not isinstance(value, str) or not value:
        return one_line(value)
    if spoken := _SPOKEN_UTC.fullmatch(value):
        return spoken[1]
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        pass  # no time, or one that UTC puts outside the calendar
    return one_line(value)


def _spell(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
