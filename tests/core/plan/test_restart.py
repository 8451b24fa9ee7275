"""What a failure costs and how the end of an instance is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ring.core.model.observed import Exit
from ring.core.plan.restart import Verdict, backoff_s, budget, in_wave, judge

MOMENT = datetime(2027, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (6, 16), (7, 32), (8, 60), (9, 60)],
)
def test_the_wait_doubles_up_to_a_minute(failures: int, seconds: float) -> None:
    assert backoff_s(failures) == seconds


def test_the_wait_of_a_very_long_row_of_failures_is_a_minute() -> None:
    assert backoff_s(10**9) == 60.0


@pytest.mark.parametrize(("target", "failures"), [(0, 5), (1, 5), (5, 5), (6, 6), (8, 8)])
def test_the_budget_grows_with_the_target(target: int, failures: int) -> None:
    assert budget(target) == failures


@pytest.mark.parametrize(
    ("end", "verdict"),
    [
        (Exit(0, MOMENT), Verdict.RETIRED),
        (Exit(0, MOMENT, oom=True), Verdict.RETIRED),
        (Exit(0, MOMENT, signalled=True), Verdict.STOPPED_FROM_OUTSIDE),
        (Exit(1, MOMENT), Verdict.CRASHED),
        (Exit(125, MOMENT), Verdict.CRASHED),
        (Exit(126, MOMENT), Verdict.NOT_EXECUTABLE),
        (Exit(127, MOMENT), Verdict.NOT_EXECUTABLE),
        (Exit(127, MOMENT, oom=True), Verdict.CRASHED),
        (Exit(128, MOMENT), Verdict.CRASHED),
        (Exit(137, MOMENT, oom=True), Verdict.CRASHED),
        (Exit(143, MOMENT, signalled=True), Verdict.CRASHED),
        (Exit(None, MOMENT), Verdict.CRASHED),
        (Exit(None, None), Verdict.CRASHED),
        (Exit(0, MOMENT, missed=True), Verdict.MISSED),
        (Exit(1, MOMENT, missed=True), Verdict.MISSED),
        (Exit(127, MOMENT, missed=True), Verdict.MISSED),
    ],
)
def test_every_end_has_one_meaning(end: Exit, verdict: Verdict) -> None:
    assert judge(end) is verdict


@pytest.mark.parametrize(
    ("born", "died", "together"),
    [
        (-60, 0, True),
        (-60, 5, True),
        (-60, -5, True),
        (0, 1, True),
        (-60, 5.001, False),
        (-60, -5.001, False),
        (0.001, 1, False),
    ],
)
def test_a_wave_takes_in_what_was_up_and_fell_within_five_seconds(
    born: float, died: float, together: bool
) -> None:
    found = in_wave(
        born=MOMENT + timedelta(seconds=born),
        died=MOMENT + timedelta(seconds=died),
        counted_death=MOMENT,
        wave_s=5.0,
    )
    assert found is together


def test_the_first_death_is_no_part_of_a_wave() -> None:
    assert not in_wave(born=MOMENT, died=MOMENT, counted_death=None, wave_s=5.0)
