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
_CONTINUED = "  | "
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
    """`<time> <LEVEL> <logger>: <message>`; a message stays on its line.

    A traceback follows on marked lines: what an exception says cannot pass for a record.
    """

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        extra = "".join(f" {name}={value!r}" for name, value in _extra(record).items())
        line = f"{_timestamp(record)} {record.levelname:<7} {record.name}: {message}{extra}"
        trace = self.formatException(record.exc_info).split("\n") if record.exc_info else []
        return "\n".join([_one_line(line), *(_CONTINUED + _one_line(part) for part in trace)])


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


def _one_line(text: str) -> str:
    return _CONTROLS.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
