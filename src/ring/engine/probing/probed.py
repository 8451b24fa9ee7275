"""What came of one probe."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Probed:
    """A result and a sentence about it."""

    status: str
    """One of core.model.health.OUTCOMES."""
    message: str


LATE = Probed("timeout", "Health check timed out")


def failed(message: str) -> Probed:
    return Probed("failed", message)


def passed(message: str) -> Probed:
    return Probed("success", message)
