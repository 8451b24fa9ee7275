"""Waiting for what other processes do: the one place in these tests that sleeps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

POLL_S = 0.05


def wait_until(
    condition: Callable[[], T],
    within_s: float,
    what: str,
    explain: Callable[[], object] | None = None,
) -> T:
    """The first true answer of the condition. Fails the test when there is none in time.

    `explain` tells the failure what was there instead.
    """
    deadline = time.monotonic() + within_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            instead = explain() if explain else answer
            raise AssertionError(f"not within {within_s:g} s: {what}; instead: {instead}")
        time.sleep(POLL_S)


def holds(
    condition: Callable[[], bool],
    for_s: float,
    what: str,
    explain: Callable[[], object] | None = None,
) -> None:
    """Fails the test when the condition is not true all the while."""
    deadline = time.monotonic() + for_s
    while time.monotonic() < deadline:
        assert condition(), f"no longer: {what}; instead: {explain() if explain else False}"
        time.sleep(POLL_S)
