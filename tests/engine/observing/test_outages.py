"""Connections that break, engines that are away, and what ended meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ledger import Phase
from ring.core.model.observed import Exit, Instance, Unknown
from ring.engine.observing.observer import LASTING_PROOF_S, LIST_S, PROOF_S, STEADY_S
from ring.runtimes.base import RuntimeFailure, Signalled
from tests.engine.bench import Bench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from ring.runtimes.base import RuntimeEvent

from tests.engine.observing.watching import Watch, one_live


def test_what_ended_before_ring_was_there_was_missed() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        bench.engine.exit(instance.id, 0)
        await bench.wait(1)
        watch = Watch(bench)
        await watch.follow()
        assert watch.only(row).exit == Exit(None, None, missed=True)
        watch.observer.note(bench.engine.inspect(instance.id))
        end = watch.only(row).exit
        assert end is not None
        assert (end.code, end.missed) == (0, True)

    bench.run(main())


def _replaced(bench: Bench, instance: Instance) -> None:
    """Another engine is behind the socket, which ended everything and tells nothing of it."""
    bench.engine.cut_streams()
    bench.engine.exit(instance.id, 137)
    bench.engine.log.clear()


def test_an_answer_from_before_an_outage_does_not_hide_that_the_end_was_missed() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.held.hold("list")
        _replaced(bench, instance)
        await bench.wait(2 * PROOF_S)
        watch.observer.note(instance)  # asked before, and answered after the listing was asked for
        bench.held.release()
        await bench.idle()
        assert watch.only(row).is_live
        watch.observer.refresh()
        await bench.idle()
        assert watch.only(row).exit == Exit(None, None, missed=True)

    bench.run(main())


@pytest.mark.parametrize("told", [True, False])
def test_an_answer_about_what_has_gone_meanwhile_is_too_old(told: bool) -> None:
    """By an event, or by the first listing after an engine was replaced."""
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        _replaced(bench, instance)
        ended = bench.engine.inspect(instance.id)
        await bench.wait(PROOF_S / 2)
        bench.engine.remove_by_hand(instance.id)
        if not told:
            bench.engine.log.clear()
            bench.engine.cut_streams()
        await bench.wait(3 * PROOF_S)
        assert not watch.listing(row).instances
        watch.observer.note(ended)
        assert not watch.listing(row).instances

    bench.run(main())


def test_an_engine_that_goes_away_is_unknown_and_wakes_every_row(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        watch.changed.clear()
        bench.engine.go_away()
        await bench.wait(0.1)
        seen = watch.observer.seen([row.id])
        assert isinstance(seen, Unknown)
        assert seen.tried
        assert watch.changed == [row.id]
        assert [one.id for one in watch.observer.instances(row.id)] == [instance.id]
        await bench.wait(60)
        assert caplog.text.count("the docker runtime is not reachable") == 1
        bench.engine.come_back()
        await bench.wait(31)
        assert watch.only(row).id == instance.id
        assert "the docker runtime answers again" in caplog.text

    with caplog.at_level(logging.INFO):
        bench.run(main())


@pytest.mark.parametrize("first", ["listing", "events"])
@pytest.mark.parametrize("by_hand", [True, False])
def test_what_ended_during_an_outage_was_missed_whatever_tells_first(
    first: str, by_hand: bool
) -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.go_away()
        await bench.wait(1)
        if by_hand:
            bench.engine.stop_by_hand(instance.id)
        else:
            bench.engine.exit(instance.id, 1)
        if first == "events":
            bench.held.hold("list")
        bench.engine.come_back()
        await bench.wait(3)
        bench.held.release()
        await bench.idle()
        end = watch.only(row).exit
        assert end is not None
        assert end.missed

    bench.run(main())


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("is_told", [False, True])
def test_what_an_engine_tells_after_an_outage_counts_if_its_events_outlive_it(
    *, lasting: bool, is_told: bool
) -> None:
    """Once it has told the last event again: a machine that was started anew has forgotten all."""
    bench = Bench()
    bench.runtime.able = replace(bench.runtime.able, lasting_events=lasting)

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.pause_by_hand(instance.id)
        bench.engine.unpause_by_hand(instance.id)
        await bench.wait(1)
        bench.engine.go_away()
        await bench.wait(1)
        bench.engine.exit(instance.id, 1)
        if not is_told:
            bench.engine.log.clear()
        bench.engine.come_back()
        await bench.wait(3 + LASTING_PROOF_S)
        watch.observer.note(bench.engine.inspect(instance.id))
        end = watch.only(row).exit
        assert end is not None
        assert end.missed is not (lasting and is_told)

    bench.run(main())


def test_events_since_the_last_one_are_asked_for_again_after_a_break() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        await bench.wait(6)
        bench.held.holds_events = True
        bench.engine.exit(instance.id, 3)
        bench.engine.go_away()
        bench.engine.come_back()
        await bench.idle()
        end = watch.only(row).exit
        assert end is not None
        assert (end.code, end.missed) == (3, False)
        assert await watch.reasons(row) == ["container_died"]

    bench.run(main())


def test_a_connection_that_breaks_again_and_again_is_tried_up_to_half_a_minute_apart() -> None:
    bench = Bench()
    tries: list[float] = []

    async def main() -> None:
        bench.engine.away = True
        watch = Watch(bench)
        original = bench.runtime.list

        async def counted() -> tuple[Instance, ...]:
            tries.append(bench.loop.time())
            return await original()

        bench.runtime.list = counted  # type: ignore[method-assign]  # counts the attempts
        await watch.follow()
        await bench.wait(125)

    bench.run(main())
    apart = [round(b - a) for a, b in itertools.pairwise(tries)]
    assert apart == [0, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_stream_that_ends_again_and_again_is_an_engine_that_is_away() -> None:
    """Once is no outage: the next stream tells what happened in between."""
    bench = Bench()

    async def over(since: datetime | None) -> AsyncIterator[RuntimeEvent]:
        await asyncio.sleep(1)
        nothing: tuple[RuntimeEvent, ...] = ()
        for event in nothing:
            yield event

    async def main() -> None:
        row, _ = await one_live(bench)
        bench.runtime.events = over  # type: ignore[method-assign]  # an adapter that gives up
        watch = Watch(bench)
        await watch.follow()
        assert len(watch.listing(row).instances) == 1
        await bench.wait(1.1)
        assert len(watch.listing(row).instances) == 1
        await bench.wait(1.0)
        assert watch.observer.seen([row.id]) == Unknown("the event stream ended")

    bench.run(main())


def test_a_listing_that_hangs_is_an_engine_that_is_away() -> None:
    bench = Bench()

    async def main() -> None:
        row, _ = await one_live(bench)
        watch = Watch(bench)
        bench.held.hold("list")
        await watch.follow()
        await bench.wait(19)
        assert watch.observer.seen([row.id]) == Unknown("not asked yet", tried=False)
        await bench.wait(2)
        assert watch.observer.seen([row.id]) == Unknown("no answer to a listing within 20 s")

    bench.run(main())


def test_a_listing_that_fails_is_an_engine_that_is_away() -> None:
    bench = Bench()

    async def main() -> None:
        row, _ = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.refusals["list"] = RuntimeFailure(FailureClass.OTHER, "broken index")
        await bench.wait(3)
        watch.observer.refresh()
        await bench.idle()
        assert watch.observer.seen([row.id]) == Unknown("broken index")
        del bench.engine.refusals["list"]
        await bench.wait(3)
        assert len(watch.listing(row).instances) == 1

    bench.run(main())


def test_a_defect_is_not_swallowed() -> None:
    bench = Bench()

    async def main() -> None:
        watch = Watch(bench)

        async def broken() -> tuple[Instance, ...]:
            raise ZeroDivisionError("by zero")

        bench.runtime.list = broken  # type: ignore[method-assign]  # a bug of an adapter
        with pytest.raises(ZeroDivisionError):
            await watch.observer.run()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    bench.run(main())


def broken_while_it_dies(watch: Watch, instance: Instance, code: int) -> None:
    bench = watch.bench
    bench.held.holds_events = True
    bench.engine.cut_streams()
    bench.engine.exit(instance.id, code)


def test_a_death_while_the_stream_is_broken_is_no_outage() -> None:
    """The engine tells again what was told last, and so everything after it."""
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.pause_by_hand(instance.id)
        bench.engine.unpause_by_hand(instance.id)
        await bench.idle()
        broken_while_it_dies(watch, instance, 3)
        await bench.wait(0.1)
        end = watch.only(row).exit
        assert end is not None
        assert (end.code, end.missed) == (3, False)
        assert (await watch.reasons(row))[-1] == "container_died"

    bench.run(main())


@pytest.mark.parametrize("told_before", [True, False])
def test_what_ended_with_an_engine_that_remembers_nothing_was_missed(told_before: bool) -> None:
    """A new engine process behind a socket that somebody else holds: no call ever fails."""
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        if told_before:
            bench.engine.pause_by_hand(instance.id)
            bench.engine.unpause_by_hand(instance.id)
            await bench.idle()
        broken_while_it_dies(watch, instance, 0)
        bench.engine.log.clear()
        await bench.wait(PROOF_S + 0.1)
        end = watch.only(row).exit
        assert end is not None
        assert end.missed
        # From here on it is watched again.
        later = bench.running(bench.order(row, (await bench.entry(row, Phase.LIVE)).name))
        watch.observer.note(later)
        bench.held.holds_events = False
        bench.engine.exit(later.id, 3)
        await bench.idle()
        ends = {one.id: one.exit for one in watch.observer.instances(row.id)}
        assert ends[later.id] is not None
        assert not ends[later.id].missed  # type: ignore[union-attr]  # looked at above

    bench.run(main())


def test_what_a_new_engine_tells_is_no_proof_that_nothing_was_missed_before_it() -> None:
    """Its own events are told again after another break, and those of the old one are not."""
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.pause_by_hand(instance.id)
        bench.engine.unpause_by_hand(instance.id)
        await bench.wait(STEADY_S)
        broken_while_it_dies(watch, instance, 3)
        bench.engine.log.clear()
        await bench.wait(PROOF_S / 2)  # not listed for yet
        bench.held.events.clear()
        bench.held.holds_events = False
        entry = await bench.entry(row, Phase.CREATING)
        bench.running(bench.order(row, entry.name))
        await bench.idle()
        bench.engine.cut_streams()
        await bench.wait(PROOF_S + 0.1)
        watch.observer.note(bench.engine.inspect(instance.id))
        ends = {one.id: one.exit for one in watch.observer.instances(row.id)}
        end = ends[instance.id]
        assert end is not None
        assert (end.code, end.missed) == (3, True)

    bench.run(main())


def test_a_listing_that_fails_is_believed_at_once_however_long_the_connection_lived() -> None:
    bench = Bench()

    async def main() -> None:
        row, _ = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        await bench.wait(STEADY_S * 3)
        bench.held.hold("list")
        watch.observer.refresh()
        await bench.wait(LIST_S + 0.1)
        assert isinstance(watch.observer.seen([row.id]), Unknown)
        bench.held.release()
        await bench.wait(1.0)
        assert len(watch.listing(row).instances) == 1

    bench.run(main())


def test_after_a_break_events_are_asked_for_since_the_one_that_came_last() -> None:
    """Since the latest one would be in the future of a clock that was set back."""
    bench = Bench()
    asked: list[datetime | None] = []

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        original = bench.runtime.events

        def noted(since: datetime | None) -> AsyncIterator[RuntimeEvent]:
            asked.append(since)
            return original(since)

        bench.runtime.events = noted  # type: ignore[method-assign]  # notes what is asked for
        await watch.follow()
        at = instance.created_at + timedelta(days=2)
        for one in (at, at - timedelta(days=1)):
            watch.event(Signalled(instance.id, instance.name, row.id, one, "HUP"))
        await bench.idle()
        bench.engine.cut_streams()
        await bench.wait(0.1)
        assert asked[-1] == at - timedelta(days=1)

    bench.run(main())
