"""Samples of a bench become an honest figure."""

from __future__ import annotations

import json

import pytest
from bench.figures import Pair, interval, ratio, show
from bench.rig import parse_time

PAIRS = [Pair(110.0 + step, 100.0 + step) for step in range(20)]


def test_the_ratio_is_that_of_the_medians() -> None:
    assert ratio([Pair(2.0, 1.0), Pair(30.0, 10.0), Pair(400.0, 100.0)]) == 3.0


def test_the_interval_holds_the_ratio_and_is_the_same_each_time() -> None:
    low, high = interval(PAIRS)
    assert low <= ratio(PAIRS) <= high
    assert interval(PAIRS) == (low, high)


def test_one_line_of_json_a_figure(capsys: pytest.CaptureFixture[str]) -> None:
    show("P1", [Pair(110.0, 100.0)] * 3)
    expected = {"goal": "P1", "ratio": 1.1, "lo": 1.1, "hi": 1.1}
    assert json.loads(capsys.readouterr().out) == {
        **expected,
        "floor_ms": 100.0,
        "ours_ms": 110.0,
        "n": 3,
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1970-01-01T00:00:01Z", 1.0), ("1970-01-01T00:01:00.250000001Z", 60.250000001)],
)
def test_the_engine_writes_up_to_nine_decimals(text: str, seconds: float) -> None:
    assert parse_time(text) == pytest.approx(seconds, abs=1e-6)
