"""How an invariant that does not hold is told."""

from __future__ import annotations


class Violation(AssertionError):
    """An invariant does not hold."""


def require(holds: bool, what: str) -> None:
    if not holds:
        raise Violation(what)
