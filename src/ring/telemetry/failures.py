"""What exporters say of a collector that is away: one line now and then, and never exported."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SAID_EVERY_S = 600.0
LIBRARIES = ("opentelemetry", "grpc")
"""The loggers whose records are these."""

log = logging.getLogger("ring.telemetry.failures")


class Failures(logging.Handler):
    """In place of the root's handlers for the libraries' loggers; called from their threads."""

    def __init__(self, mono: Callable[[], float]) -> None:
        super().__init__(logging.WARNING)
        self._mono = mono
        self._said: dict[str, float] = {}

    def attach(self) -> None:
        for name in LIBRARIES:
            library = logging.getLogger(name)
            library.addHandler(self)
            library.propagate = False

    def detach(self) -> None:
        for name in LIBRARIES:
            library = logging.getLogger(name)
            library.removeHandler(self)
            library.propagate = True

    def mute(self) -> None:
        """Exporting is being ended: what it still says is of no use to anybody."""
        self.setLevel(logging.CRITICAL + 1)

    def emit(self, record: logging.LogRecord) -> None:
        """Says it, unless the same was said a short while ago; what differs are numbers only."""
        now = self._mono()
        said_at = self._said.get(self._kind(record))
        if said_at is None or now - said_at >= SAID_EVERY_S:
            self._said[self._kind(record)] = now
            log.warning("OTLP export: %s", record.getMessage())

    def _kind(self, record: logging.LogRecord) -> str:
        """Which signal it is about, where it says that first."""
        first = record.args[0] if isinstance(record.args, tuple) and record.args else ""
        return first if isinstance(first, str) and first in _SIGNALS else str(record.msg)


_SIGNALS = frozenset({"traces", "metrics", "logs"})


def is_about_exporting(record: logging.LogRecord) -> bool:
    """Exporting these would make more of them."""
    return any(
        record.name == name or record.name.startswith(f"{name}.") for name in (*LIBRARIES, log.name)
    )
