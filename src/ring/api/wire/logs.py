"""Log records on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NotRequired

from typing_extensions import TypedDict

from ring.clock import rfc3339

if TYPE_CHECKING:
    from ring.core.model.logs import LogRecord


class LogShape(TypedDict):
    instance: str
    message: str
    level: str
    timestamp: str | None
    stream: NotRequired[str]


def log(record: LogRecord) -> LogShape:
    at = record.timestamp
    return {
        "instance": record.instance,
        "message": record.message,
        "level": record.level,
        "timestamp": rfc3339(at) if isinstance(at, datetime) else at,
        "stream": record.stream,
    }
