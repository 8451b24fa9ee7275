"""How long a registry or an engine asks to be left alone."""

from __future__ import annotations

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.images import references, refusals, retry_after
from ring.runtimes.images.refusals import Problem

IMAGE = "reg.example/team/app:1"
NOW = "Thu, 26 Nov 2026 03:18:15 GMT"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("toomanyrequests: retry-after: 7s, allowed: 44000/minute", 7.0),
        ("TOOMANYREQUESTS: Retry-After: 1m2.5s", 62.5),
        ("retry-after: 500ms, allowed", 0.5),
        ("retry after 30 seconds", 30.0),
        ('{"retry-after":"12"}', 12.0),
        ("retry-after: 1h30m.", 3600.0),  # no more than an hour
        ("retry-after: 0s", None),
        ("retry-after: 7 parsecs, retry-after", 7.0),
        ("retry-after: 7parsecs", None),
        ("retry-after: 1.2.3s", None),
        ("retry-after: soon", None),
        ("you have reached your pull rate limit", None),
        ("", None),
        ("retry-after: " + "9" * 2000, 3600.0),
    ],
)
def test_what_is_written_into_an_error(text: str, seconds: float | None) -> None:
    found = retry_after.in_text(text)
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": " 120 "}, 120.0),
        ({"Retry-After": "9" * 400}, 3600.0),
        ({"Retry-After": "0"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "²"}, None),
        ({"Retry-After": "Thu, 26 Nov 2026 03:20:15 GMT", "Date": NOW}, 120.0),
        ({"Retry-After": "Thu, 26 Nov 2026 03:10:15 GMT", "Date": NOW}, None),
        ({"Retry-After": "Thu, 26 Nov 2026 03:20:15 GMT"}, None),
        ({"Retry-After": "Thu, 26 Nov 2026 03:20:15 -0000", "Date": NOW}, None),
        ({"Retry-After": "tomorrow", "Date": NOW}, None),
        ({"Date": NOW}, None),
    ],
)
def test_what_is_in_a_header(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after.in_headers(headers) == seconds


@pytest.mark.parametrize(
    ("problem", "seconds"),
    [
        (Problem("toomanyrequests: retry-after: 7s, allowed: 44000/minute"), 7.0),
        (Problem("toomanyrequests: retry-after: 7s", 500, 90.0), 90.0),
        (Problem("slow down", 429, 90.0), 90.0),
        (Problem("slow down", 429), 0.0),
        (Problem("StatusCode: 429, retry-after: 8"), 8.0),
        # Nobody who refuses for another reason is left alone for long because he says so.
        (Problem("unauthorized, retry-after: 3600"), 0.0),
        (Problem("manifest unknown, retry-after: 3600"), 0.0),
    ],
)
def test_only_a_limit_is_waited_for(problem: Problem, seconds: float) -> None:
    failure = refusals.of_pull(references.parse(IMAGE), problem).failure
    assert failure.retry_after_s == seconds
    if seconds or problem.status == 429:
        assert failure.kind is FailureClass.IMAGE_PULL_FAILED
        assert "the registry allows no more for now" in failure.message
