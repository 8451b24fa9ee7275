"""What instances write: lines as a runtime reads them, records as people are given them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

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


class LogLine(NamedTuple):
    """One line of one instance, without its end; never blank.

    A tuple, as LogRecord is: they come by the hundred thousand, and nothing is made faster.
    """

    stream: Stream
    message: str
    at: datetime | None
    """The engine's time, where it keeps one."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much is kept of what instances wrote that have ended and are gone."""

    instances: int = 10
    """Of each deployment, those that ended last."""
    size: int = 8 * 1024 * 1024
    """Bytes of all deployments together, as they are stored."""

    @property
    def is_nothing(self) -> bool:
        return not (self.instances and self.size)


USUAL = Allowance()


@dataclass(frozen=True, slots=True)
class Ended:
    """An instance that is gone, and whose last lines are kept."""

    id: InstanceId
    name: InstanceName
    number: int
    """Which of them; one that ended later has a higher one."""


@dataclass(frozen=True, slots=True)
class LastWords:
    """What an instance that ends wrote last, oldest line first."""

    id: InstanceId
    name: InstanceName
    lines: tuple[LogLine, ...]


class LogGap(NamedTuple):
    """Between two lines of one stream there may have been others, which are kept no more."""

    instance: InstanceName
    stream: Stream
    after: datetime
    before: datetime


class LogRecord(NamedTuple):
    """One line of a deployment."""

    instance: InstanceName
    message: str
    level: LogLevel
    timestamp: datetime | str | None
    """The engine's time, else one that stands in the line, as it stands there."""
    stream: Stream
