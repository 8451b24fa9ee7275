"""What the server and the tools log: to standard error, as text or as one JSON object per line."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

from ring.clock import rfc3339

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""Attributes every record has; any other was given as `extra`."""


def configure(level: str, fmt: str, *, default: str = "info") -> None:
    """Sets up the root logger; may be called again.

    `level` is one of debug, info, warning (warn), error; anything else becomes `default`, with a
    warning. `fmt` is `json`; anything else is text.
    """
    wanted = level.strip().lower()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if fmt == "json" else TextFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(_LEVELS.get(wanted, _LEVELS[default]))
    # Its warnings are about what strangers send; each such request gets its 4xx and no line.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    if wanted and wanted not in _LEVELS:
        logging.getLogger("ring.logs").warning(
            "unknown log level %r, using %s (known: debug, info, warning, error)", level, default
        )


class TextFormatter(logging.Formatter):
    """`<time> <LEVEL> <logger>: <message>`; a message stays on its line."""

    def format(self, record: logging.LogRecord) -> str:
        message = _CONTROLS.sub(_escaped, record.getMessage())
        line = f"{_timestamp(record)} {record.levelname:<7} {record.name}: {message}"
        extra = "".join(f" {name}={value!r}" for name, value in _extra(record).items())
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        return f"{line}{extra}\n{trace}" if trace else f"{line}{extra}"


class JsonFormatter(logging.Formatter):
    """One object per line: `timestamp`, `level`, `fields` with the message and extras, `target`."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {"message": record.getMessage(), **_extra(record)}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        shape = {
            "timestamp": _timestamp(record),
            "level": record.levelname,
            "fields": fields,
            "target": record.name,
        }
        return json.dumps(shape, separators=(",", ":"), ensure_ascii=False, default=str)


def _timestamp(record: logging.LogRecord) -> str:
    return rfc3339(datetime.fromtimestamp(record.created, UTC))


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
