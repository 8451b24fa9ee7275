"""What instances write: lines as a runtime reads them, records as people are given them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from ring.core.model.ids import InstanceId, InstanceName

Stream = Literal["stdout", "stderr"]


class LogLevel(StrEnum):
    """What a line says of itself."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which lines of one instance are wanted."""

    tail: int | None = None
    """At most so many, the last ones; None: all."""
    since: datetime | None = None
    """Not older than this."""
    follow: bool = False
    """Goes on with new lines until the instance ends."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of one instance, without its end; never blank."""

    stream: Stream
    message: str
    at: datetime | None
    """The engine's time, where it keeps one."""


@dataclass(frozen=True, slots=True)
class LastWords:
    """What an instance that is gone wrote last, oldest line first."""

    id: InstanceId
    name: InstanceName
    lines: tuple[LogLine, ...]


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One line of a deployment."""

    instance: InstanceName
    message: str
    level: LogLevel
    timestamp: datetime | str | None
    """The engine's time, else one that stands in the line, as it stands there."""
    stream: Stream
