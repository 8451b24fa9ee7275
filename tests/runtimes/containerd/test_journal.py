"""What happens is kept for whoever asks later, and what is missed is known to be."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.runtimes.base import CameUp, Died, Resync, RuntimeEvent, Unavailable
from ring.runtimes.containerd.journal import KEPT, Journal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

pytestmark = pytest.mark.anyio
START = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def came_up(second: int) -> CameUp:
    return CameUp(InstanceId("a"), InstanceName("a"), DeploymentId("d"), at(second))


class Engine:
    """Tells what it is given; `break_off` ends the subscription."""

    def __init__(self) -> None:
        self.subscriptions = 0
        self._told: asyncio.Queue[RuntimeEvent | None] = asyncio.Queue()
        self.is_away = False

    async def subscribe(self, ready: Callable[[], None]) -> AsyncGenerator[RuntimeEvent, None]:
        self.subscriptions += 1
        if self.is_away:
            raise Unavailable("away")
        ready()
        while (event := await self._told.get()) is not None:
            yield event
        raise Unavailable("broken off")

    def tell(self, *events: RuntimeEvent) -> None:
        for event in events:
            self._told.put_nowait(event)

    def break_off(self) -> None:
        self._told.put_nowait(None)


def journal_of(engine: Engine, kept: int = KEPT) -> Journal:
    """At a time at which nothing has happened yet."""
    return Journal(engine.subscribe, Unavailable, kept, lambda: at(0))


async def followed(journal: Journal, count: int = 1) -> None:
    """Returns once so many listen."""
    async with asyncio.timeout(5):
        while len(journal._followers) < count:  # noqa: ASYNC110 - tasks of the same loop
            await asyncio.sleep(0)


async def taken(journal: Journal, since: datetime | None, count: int) -> list[RuntimeEvent]:
    async with asyncio.timeout(5), aclosing(journal.follow(since)) as stream:
        return [await anext(stream) for _ in range(count)]


async def test_what_happened_meanwhile_is_told_from_its_time_on() -> None:
    engine = Engine()
    journal = journal_of(engine)
    await journal.begin()
    engine.tell(came_up(1), came_up(2), came_up(3))
    assert await taken(journal, at(0), 3) == [came_up(1), came_up(2), came_up(3)]
    assert await taken(journal, at(2), 2) == [came_up(2), came_up(3)]
    assert engine.subscriptions == 1
    await journal.close()


async def test_whoever_asks_for_what_nobody_listened_to_is_told_so() -> None:
    engine = Engine()
    journal = journal_of(engine)
    async with aclosing(journal.follow(at(-1))) as stream:
        assert isinstance(await anext(stream), Resync)
        engine.tell(came_up(1))
        assert await anext(stream) == came_up(1)
    await journal.close()


async def test_without_a_time_only_what_comes_is_told() -> None:
    engine = Engine()
    journal = journal_of(engine)
    await journal.begin()
    engine.tell(came_up(1))
    await taken(journal, at(0), 1)
    following = asyncio.create_task(taken(journal, None, 1))
    await followed(journal)
    engine.tell(came_up(2))
    assert await following == [came_up(2)]
    await journal.close()


async def test_after_a_break_nothing_of_before_is_told() -> None:
    """Or whoever looks for what came last would conclude that nothing was missed."""
    engine = Engine()
    journal = journal_of(engine)
    await journal.begin()
    engine.tell(came_up(1))
    await taken(journal, at(0), 1)
    async with aclosing(journal.follow(at(5))) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        await followed(journal)
        engine.break_off()
        with pytest.raises(Unavailable):
            await waiting
    engine.tell(came_up(9))
    assert await taken(journal, at(0), 1) == [came_up(9)]
    assert engine.subscriptions == 2
    await journal.close()


async def test_an_engine_that_is_away_is_unavailable() -> None:
    engine = Engine()
    engine.is_away = True
    journal = journal_of(engine)
    with pytest.raises(Unavailable):
        await journal.begin()
    engine.is_away = False
    await journal.begin()
    await journal.close()


async def test_every_follower_is_told_and_what_the_adapter_notes_as_well() -> None:
    engine = Engine()
    journal = journal_of(engine)
    await journal.begin()
    both = [asyncio.create_task(taken(journal, None, 2)) for _ in range(2)]
    await followed(journal, 2)
    died = Died(InstanceId("a"), InstanceName("a"), DeploymentId("d"), at(2), 1)
    engine.tell(came_up(1))
    await asyncio.sleep(0)
    journal.note(died)
    assert sorted(map(repr, await both[0])) == sorted(map(repr, [came_up(1), died]))
    assert len(await both[1]) == 2
    await journal.close()


async def test_a_resync_is_for_those_who_listen_alone_and_no_more_is_kept_than_fits() -> None:
    engine = Engine()
    journal = journal_of(engine, kept=3)
    following = asyncio.create_task(taken(journal, None, 6))
    await followed(journal)
    engine.tell(Resync("odd"), *(came_up(second) for second in range(5)))
    assert (await following)[0] == Resync("odd")
    assert await taken(journal, at(0), 3) == [came_up(2), came_up(3), came_up(4)]
    await journal.close()
