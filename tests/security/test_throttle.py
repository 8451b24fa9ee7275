from __future__ import annotations

import pytest

from ring.security.throttle import LIMIT, WINDOW_S, Throttle

KEY = ("mira", "192.0.2.1")


def _failed(times: int, at: float = 0.0) -> Throttle:
    throttle = Throttle()
    for _ in range(times):
        throttle.failed(KEY, at)
    return throttle


def test_nine_failures_are_let_through_ten_are_not() -> None:
    assert _failed(LIMIT - 1).wait_s(KEY, 1.0) == 0
    assert _failed(LIMIT).wait_s(KEY, 1.0) == WINDOW_S - 1


def test_the_window_passes() -> None:
    throttle = _failed(LIMIT)
    assert throttle.wait_s(KEY, WINDOW_S) == 0
    throttle.failed(KEY, WINDOW_S)
    assert throttle.wait_s(KEY, WINDOW_S) == 0


def test_a_success_clears_the_count() -> None:
    throttle = _failed(LIMIT - 1)
    throttle.succeeded(KEY)
    throttle.failed(KEY, 1.0)
    assert throttle.wait_s(KEY, 1.0) == 0


@pytest.mark.parametrize("other", [("mira", "192.0.2.2"), ("noor", "192.0.2.1")])
def test_others_are_not_held_up(other: tuple[str, str]) -> None:
    assert _failed(LIMIT).wait_s(other, 1.0) == 0


def test_it_remembers_a_bounded_number_and_forgets_what_has_passed() -> None:
    throttle = Throttle()
    for number in range(5000):
        throttle.failed((f"user{number}", ""), 0.0)
    assert len(throttle._windows) == 4096
    throttle.failed(KEY, WINDOW_S + 1)
    assert len(throttle._windows) == 1
