from __future__ import annotations

from ring.core.webhooks.retries import wait_s


def test_waits_double_up_to_an_hour_and_the_eighth_failure_is_the_last() -> None:
    minutes = [None if (wait := wait_s(n)) is None else wait / 60 for n in range(1, 10)]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, None, None]
