"""A collector that is away for hours does not fill the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from ring.telemetry.failures import SAID_EVERY_S, Failures
from tests.telemetry.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator

library = logging.getLogger("opentelemetry.tests")  # those of its own drop what they said just now
FORMAT = "Failed to export %s to %s, error code: %s"


class Time:
    now = 5.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def failures(clock: Time) -> Iterator[Failures]:
    one = Failures(clock)
    one.attach()
    yield one
    one.detach()


@pytest.fixture
def console() -> Iterator[Console]:
    with Console() as one:
        yield one


def said(console: Console) -> list[str]:
    assert {one.name for one in console.records} <= {"ring.telemetry.failures"}
    return [one.getMessage() for one in console.records]


@pytest.mark.usefixtures("failures")
def test_the_same_is_said_once_in_a_while(clock: Time, console: Console) -> None:
    for number in range(100):
        library.error(FORMAT, "traces", "host:4317", f"code {number}")
        library.error("Exception while exporting %s.", "Span")
    library.error(FORMAT, "logs", "host:4317", "UNAVAILABLE")
    library.info("Exporter already shutdown")

    assert said(console) == [
        "OTLP export: Failed to export traces to host:4317, error code: code 0",
        "OTLP export: Exception while exporting Span.",
        "OTLP export: Failed to export logs to host:4317, error code: UNAVAILABLE",
    ]
    clock.now += SAID_EVERY_S
    library.error(FORMAT, "traces", "host:4317", "UNAVAILABLE")
    assert len(said(console)) == 4


def test_on_the_way_down_nothing_is_said(failures: Failures, console: Console) -> None:
    failures.mute()
    library.error(FORMAT, "traces", "host:4317", "CANCELLED")
    assert said(console) == []


def test_afterwards_libraries_speak_for_themselves(clock: Time, console: Console) -> None:
    one = Failures(clock)
    one.attach()
    one.detach()
    library.error("as any other")
    assert [record.name for record in console.records] == [library.name]
