from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ring.engine.observing.introducing import LATE_S, introduce
from ring.runtimes.base import Notices
from ring.runtimes.fake import FakeRuntime
from tests.engine.bench import Bench
from tests.engine.plant import Plant

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from ring.runtimes.fake import FakeEngine

CONNECTED = "Connected to Docker at fake://"
WHOLE = [
    ("INFO", CONNECTED),
    ("WARNING", "docker: it is rootless"),
    ("WARNING", "docker: it has no DNS"),
]


class Telling(FakeRuntime):
    """An engine with something amiss."""

    def __init__(self, engine: FakeEngine, *, takes_s: float = 0.0) -> None:
        super().__init__(engine)
        self._takes_s = takes_s

    async def notices(self) -> tuple[str, ...]:
        await asyncio.sleep(self._takes_s)
        return ("it is rootless", "it has no DNS")


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.levelname, record.message)
        for record in caplog.records
        if record.name.endswith("introducing")
    ]


def test_where_it_is_and_each_notice_are_told(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    runtime = Telling(bench.engine)
    assert isinstance(runtime, Notices)
    with caplog.at_level(logging.INFO):
        assert bench.run(introduce(runtime))
    assert told(caplog) == WHOLE


def test_one_that_does_not_say_in_time_is_there_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def main() -> None:
        began = bench.loop.time()
        assert not await introduce(Telling(bench.engine, takes_s=2 * LATE_S))
        assert bench.loop.time() - began == LATE_S

    with caplog.at_level(logging.INFO):
        bench.run(main())
    assert told(caplog) == [("INFO", CONNECTED)]


def outage(bench: Bench, *, introduced: Iterable[str] = ()) -> None:
    """A server starts, and its engine goes and comes back."""
    bench.runtime = Telling(bench.engine)

    async def main() -> None:
        await Plant(bench, introduced=introduced).start()
        await bench.wait(30)
        bench.engine.go_away()
        await bench.wait(30)
        bench.engine.come_back()
        await bench.wait(60)

    bench.run(main())


def test_one_that_comes_up_late_is_introduced_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.runtime = Telling(bench.engine)
    bench.engine.go_away()

    async def main() -> None:
        await Plant(bench).start()
        await bench.wait(30)
        assert told(caplog) == []
        bench.engine.come_back()
        await bench.wait(120)
        assert told(caplog) == WHOLE

    with caplog.at_level(logging.INFO):
        bench.run(main())


def test_after_an_outage_it_is_no_stranger(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        outage(Bench())
    assert told(caplog) == WHOLE


def test_who_was_there_at_the_start_is_known(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        outage(Bench(), introduced=["docker"])
    assert told(caplog) == []
