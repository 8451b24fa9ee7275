"""What a runtime holds, from listings and events that come late, twice, or not at all."""

from __future__ import annotations

import asyncio
import itertools
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.core.model.ledger import Phase
from ring.core.model.observed import Exit, Instance, Listing, State, Unknown
from ring.engine.journal import Journal
from ring.engine.observer import DETACHED_S, GAP_S, LIST_S, PROOF_S, STEADY_S, Observer
from ring.runtimes.base import CameUp, Detached, Died, Resync, RuntimeFailure, Signalled
from tests.engine.bench import Bench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from datetime import datetime

    from ring.core.model.deployment import Deployment
    from ring.runtimes.base import Runtime, RuntimeEvent
    from ring.runtimes.fake import Request


class Watch:
    """An observer on a bench, and what it told."""

    def __init__(self, bench: Bench, *, interval_s: float = 10.0) -> None:
        self.bench = bench
        self.changed: list[DeploymentId] = []
        self.listings = 0
        self.journal = Journal(bench.store)
        self.observer = Observer(
            bench.runtime,
            bench.store,
            bench.clock,
            self.journal,
            interval_s=interval_s,
            changed=self.changed.append,
            resynced=self._resynced,
            jitter=lambda: 1.0,
        )

    def _resynced(self, runtime: Runtime, listed: Iterable[Instance]) -> None:
        assert runtime is self.bench.runtime
        tuple(listed)
        self.listings += 1

    async def follow(self) -> None:
        self.bench.spawn(self.observer.run())
        await self.bench.wait(2 * GAP_S)

    def listing(self, row: Deployment) -> Listing:
        seen = self.observer.seen([row.id])
        assert isinstance(seen, Listing), seen
        return seen

    def only(self, row: Deployment) -> Instance:
        (instance,) = self.listing(row).instances.values()
        return instance

    async def reasons(self, row: Deployment) -> list[str | None]:
        await self.journal.flush()
        return self.bench.reasons(row)[1:]

    def event(self, event: RuntimeEvent) -> None:
        for stream in self.bench.engine.streams:
            stream.put_nowait(event)


async def one_live(bench: Bench, phase: Phase = Phase.LIVE) -> tuple[Deployment, Instance]:
    row = await bench.accept()
    entry = await bench.entry(row, phase)
    return row, bench.running(bench.order(row, entry.name))


# listing


def test_before_the_first_answer_nothing_is_known_and_that_is_no_news() -> None:
    bench = Bench()

    async def main() -> None:
        row, _ = await one_live(bench)
        watch = Watch(bench)
        assert watch.observer.seen([row.id]) == Unknown("not asked yet", tried=False)
        assert watch.observer.instances(row.id) == ()

    bench.run(main())


def test_the_first_listing_tells_everything_and_wakes_every_row() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        other = await bench.accept(name="db")
        elsewhere = await bench.accept(name="far", runtime="podman")
        watch = Watch(bench)
        await watch.follow()
        assert watch.only(row).id == instance.id
        assert watch.listing(other).instances == {}
        assert set(watch.changed) == {row.id, other.id}
        assert elsewhere.id not in watch.changed
        assert watch.observer.instances(row.id) == (watch.only(row),)
        assert watch.listings == 1

    bench.run(main())


def test_a_listing_is_taken_at_every_interval_and_when_asked_for() -> None:
    bench = Bench()

    async def main() -> None:
        row, _ = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        first = watch.listing(row).taken_at
        await bench.wait(9.7)
        assert watch.listings == 1
        await bench.wait(0.4)
        assert watch.listings == 2
        assert watch.listing(row).taken_at > first
        watch.observer.refresh()
        await bench.idle()
        assert watch.listings == 3

    bench.run(main())


def test_a_listing_forgets_what_is_gone() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        del bench.engine.containers[instance.id]
        watch.observer.refresh()
        await bench.idle()
        assert watch.listing(row).instances == {}
        assert watch.observer.instances(row.id) == ()

    bench.run(main())


# what is newer than a listing


def test_a_late_listing_does_not_bring_the_dead_back() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        late = await listing_under_way(watch)
        bench.engine.exit(instance.id, 3)
        await bench.idle()
        late.reply()
        await bench.idle()
        assert watch.only(row).state is State.EXITED
        assert watch.only(row).exit is not None

    bench.run(main())


async def listing_under_way(watch: Watch) -> Request:
    """A listing that has been taken on the engine and whose answer is on its way."""
    watch.bench.held.hold("list")
    watch.observer.refresh()
    await watch.bench.idle()
    request = watch.bench.held.requests.pop()
    request.carry_out()
    watch.bench.held.hold()
    return request


@pytest.mark.parametrize("told", ["by an event", "by who removed it", "unknown before"])
def test_a_late_listing_does_not_bring_back_what_is_gone(told: str) -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        if told == "unknown before":
            instance = bench.running(bench.order(row, bench.name()))
        late = await listing_under_way(watch)
        if told == "by who removed it":
            watch.observer.note_gone(instance.name)
        else:
            bench.engine.exit(instance.id, 0)
            bench.engine.remove(instance.id)
        await bench.idle()
        late.reply()
        await bench.idle()
        assert instance.name not in watch.listing(row).instances

    bench.run(main())


def test_a_late_listing_does_not_forget_what_has_just_been_made() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        watch = Watch(bench)
        await watch.follow()
        late = await listing_under_way(watch)
        instance = bench.running(bench.order(row, bench.name()))
        watch.observer.note(instance)
        late.reply()
        await bench.idle()
        assert watch.only(row).id == instance.id

    bench.run(main())


def test_what_was_told_gone_and_turns_up_in_a_later_listing_is_there() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        watch.observer.note_gone(instance.name)
        assert watch.listing(row).instances == {}
        watch.observer.refresh()
        await bench.idle()
        assert watch.only(row).id == instance.id

    bench.run(main())


def test_another_instance_of_the_same_name_is_another_instance() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.exit(instance.id, 1)
        await bench.idle()
        del bench.engine.containers[instance.id]
        again = bench.running(bench.order(row, instance.name))
        watch.observer.refresh()
        await bench.idle()
        assert (watch.only(row).id, watch.only(row).state) == (again.id, State.RUNNING)

    bench.run(main())


# events


def test_a_death_is_known_at_once_with_its_code_and_told() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        watch.changed.clear()
        bench.engine.exit(instance.id, 3)
        await bench.idle()
        died = bench.engine.log[-1]
        assert isinstance(died, Died)
        assert watch.only(row).exit == Exit(3, died.at)
        assert watch.changed == [row.id]
        assert await watch.reasons(row) == ["container_died"]
        (message,) = bench.messages(row, "container_died")
        assert message == f"Instance {instance.id[:12]} died, exit_code=3"
        (event,) = bench.store.events(row.id, level=None, limit=1)
        assert (event.component, event.level) == ("docker-events", "warning")

    bench.run(main())


def test_a_code_that_is_not_known_is_told_as_a_question() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        watch.event(Died(instance.id, instance.name, row.id, bench.clock.wall(), None))
        await bench.idle()
        await watch.journal.flush()
        assert bench.messages(row, "container_died")[0].endswith("exit_code=?")

    bench.run(main())


def test_a_code_that_is_not_certain_is_told_and_asked_for() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.forged_code = 0
        watch.changed.clear()
        bench.engine.exit(instance.id, 3, oom=True)
        await bench.idle()
        assert (watch.only(row).state, watch.only(row).exit) == (State.EXITED, None)
        assert set(watch.changed) == {row.id}
        await watch.journal.flush()
        assert bench.messages(row, "container_died")[0].endswith("exit_code=0")
        watch.observer.note(bench.engine.inspect(instance.id))
        end = watch.only(row).exit
        assert end is not None
        assert (end.code, end.oom, end.missed) == (3, True, False)

    bench.run(main())


def test_a_code_that_is_not_certain_is_not_taken_for_the_end_that_was_missed() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.go_away()
        await bench.wait(2.0)
        bench.engine.forged_code = 0
        bench.engine.exit(instance.id, 3)
        bench.held.hold("list")
        bench.engine.come_back()
        await bench.wait(60.0)
        (seen,) = watch.observer.instances(row.id)
        died = bench.engine.log[-1]
        assert isinstance(died, Died)
        assert seen.exit == Exit(None, died.at, missed=True)

    bench.run(main())


def test_a_signal_before_a_death_asks_for_a_look_and_is_remembered() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.stop_by_hand(instance.id, 0)
        await bench.idle()
        assert watch.only(row).state is State.EXITED
        assert watch.only(row).exit is None
        watch.observer.note(bench.engine.inspect(instance.id))
        end = watch.only(row).exit
        assert end is not None
        assert (end.code, end.signalled) == (0, True)
        assert await watch.reasons(row) == ["container_killed", "container_died"]
        assert "got signal SIGTERM" in bench.messages(row, "container_killed")[0]

    bench.run(main())


def test_a_start_takes_the_signal_before_it_back() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        who = instance.id, instance.name, row.id
        watch.event(Signalled(*who, bench.clock.wall(), "1"))
        await bench.wait(0.1)
        watch.event(CameUp(*who, bench.clock.wall()))
        await bench.wait(0.1)
        bench.engine.exit(instance.id, 1)
        await bench.idle()
        end = watch.only(row).exit
        assert end is not None
        assert not end.signalled

    bench.run(main())


@pytest.mark.parametrize(("seconds", "explained"), [(1.0, True), (100.0, False)])
def test_a_signal_explains_only_an_end_soon_after_it(seconds: float, explained: bool) -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        who = instance.id, instance.name, row.id
        watch.event(Signalled(*who, bench.clock.wall(), "SIGHUP"))
        await bench.wait(seconds)
        bench.engine.exit(instance.id, 0)
        await bench.idle()
        watch.observer.note(bench.engine.inspect(instance.id))
        end = watch.only(row).exit
        assert end is not None
        assert end.signalled is explained

    bench.run(main())


def test_running_out_of_memory_is_part_of_the_end() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.exit(instance.id, 137, oom=True)
        await bench.idle()
        end = watch.only(row).exit
        assert end is not None
        assert (end.code, end.oom) == (137, True)
        assert await watch.reasons(row) == ["container_oom", "container_died"]

    bench.run(main())


def test_an_end_stays_as_the_event_told_it() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.exit(instance.id, 3)
        await bench.idle()
        before = watch.only(row)
        watch.observer.refresh()
        await bench.idle()
        assert watch.only(row) == before
        watch.observer.note(instance)
        assert watch.only(row) == before

    bench.run(main())


def test_an_end_that_somebody_has_told_before_the_event_stays() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.held.holds_events = True
        bench.engine.exit(instance.id, 3)
        watch.observer.note(bench.engine.inspect(instance.id))
        before = watch.only(row)
        assert before.exit is not None
        event, deliver = bench.held.events.pop()
        deliver(event)
        await bench.idle()
        assert watch.only(row) == before
        assert await watch.reasons(row) == ["container_died"]

    bench.run(main())


def test_what_is_removed_is_gone_at_once() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.remove_by_hand(instance.id)
        await bench.idle()
        assert watch.listing(row).instances == {}

    bench.run(main())


def test_an_event_that_comes_twice_is_one() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.exit(instance.id, 3)
        await bench.idle()
        watch.event(bench.engine.log[-1])
        await bench.idle()
        assert await watch.reasons(row) == ["container_died"]

    bench.run(main())


def test_an_event_that_comes_late_changes_nothing() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.exit(instance.id, 3)
        await bench.idle()
        before = bench.clock.wall() - timedelta(seconds=5)
        watch.event(CameUp(instance.id, instance.name, row.id, before))
        await bench.idle()
        assert watch.only(row).state is State.EXITED

    bench.run(main())


def test_a_restart_by_hand_is_up_again() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.exit(instance.id, 3)
        bench.engine.start(instance.id)
        await bench.idle()
        assert (watch.only(row).state, watch.only(row).exit) == (State.RUNNING, None)

    bench.run(main())


def test_what_ring_ends_is_not_told() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench, Phase.STOPPING)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.stop_by_hand(instance.id, 143)
        await bench.idle()
        assert await watch.reasons(row) == []

    bench.run(main())


def test_what_belongs_to_no_row_is_not_told() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        watch = Watch(bench)
        stranger = bench.running(bench.order(row, bench.name()))
        stranger = replace(stranger, deployment_id=DeploymentId("gone"))
        bench.engine.containers[stranger.id].instance = stranger
        await watch.follow()
        bench.engine.exit(stranger.id, 1)
        await bench.idle()
        assert await watch.reasons(row) == []

    bench.run(main())


# instances nobody has told about


def test_an_event_of_an_unknown_instance_asks_for_a_listing() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        watch = Watch(bench)
        await watch.follow()
        instance = bench.running(bench.order(row, bench.name()))
        await bench.idle()
        assert watch.listings == 2
        assert watch.only(row).id == instance.id

    bench.run(main())


def test_an_event_of_an_unknown_row_asks_for_nothing() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        watch = Watch(bench)
        await watch.follow()
        name = bench.name()
        watch.event(CameUp(InstanceId("x"), name, DeploymentId("x"), bench.clock.wall()))
        await bench.idle()
        assert watch.listings == 1
        assert watch.listing(row).instances == {}

    bench.run(main())


def test_the_events_of_what_ring_is_making_ask_for_nothing() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        watch = Watch(bench)
        await watch.follow()
        entry = await bench.entry(row, Phase.CREATING)
        bench.running(bench.order(row, entry.name))
        await bench.idle()
        assert watch.listings == 1

    bench.run(main())


def test_a_death_before_its_start_was_answered_is_not_lost() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        watch = Watch(bench)
        await watch.follow()
        entry = await bench.entry(row, Phase.CREATING)
        instance = bench.running(bench.order(row, entry.name))
        bench.engine.exit(instance.id, 7)
        await bench.idle()
        watch.observer.note(instance)
        assert watch.only(row).state is State.EXITED
        end = watch.only(row).exit
        assert end is not None
        assert end.code == 7

    bench.run(main())


def test_a_death_told_early_is_forgotten_with_its_instance() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        watch = Watch(bench)
        await watch.follow()
        entry = await bench.entry(row, Phase.CREATING)
        instance = bench.running(bench.order(row, entry.name))
        bench.engine.exit(instance.id, 7)
        bench.engine.remove(instance.id)
        await bench.idle()
        assert watch.observer._early == {}

    bench.run(main())


def test_deaths_of_strangers_are_not_kept() -> None:
    bench = Bench()

    async def main() -> None:
        watch = Watch(bench)
        await watch.follow()
        who = InstanceId("1"), bench.name(), DeploymentId("x")
        watch.event(Died(*who, bench.clock.wall(), 1))
        await bench.idle()
        assert watch.observer._early == {}

    bench.run(main())


def test_missed_events_ask_for_a_listing() -> None:
    bench = Bench()

    async def main() -> None:
        watch = Watch(bench)
        await watch.follow()
        watch.event(Resync("the queue overflowed"))
        await bench.idle()
        assert watch.listings == 2

    bench.run(main())


def test_an_end_first_seen_in_a_listing_while_ring_watches_is_asked_for() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.held.holds_events = True
        bench.engine.exit(instance.id, 3)
        watch.observer.refresh()
        await bench.idle()
        assert watch.only(row).state is State.EXITED
        assert watch.only(row).exit is None
        event, deliver = bench.held.events[-1]
        deliver(event)
        await bench.idle()
        assert watch.only(row).exit is not None

    bench.run(main())


# outages


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


# hands


def test_a_pause_is_known_and_told_and_its_end_too() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.pause_by_hand(instance.id)
        await bench.idle()
        assert watch.only(row).state is State.PAUSED
        bench.engine.unpause_by_hand(instance.id)
        await bench.idle()
        assert watch.only(row).state is State.RUNNING
        assert await watch.reasons(row) == ["container_paused", "container_unpaused"]

    bench.run(main())


def test_a_lost_network_asks_for_a_listing() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        before = watch.listings
        bench.engine.detach_by_hand(instance.id)
        await bench.wait(DETACHED_S)
        assert watch.listings == before + 1
        assert not watch.only(row).is_attached

    bench.run(main())


def test_the_network_of_the_dead_and_of_strangers_asks_for_nothing() -> None:
    bench = Bench()

    async def main() -> None:
        _, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        bench.engine.exit(instance.id, 1)
        await bench.idle()
        before = watch.listings
        for about in (instance.id, InstanceId("a stranger")):
            watch.event(Detached(about, bench.clock.wall()))
        await bench.wait(DETACHED_S)
        assert watch.listings == before

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


def test_an_instance_under_another_name_is_the_same_instance() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        (entry,) = bench.store.ledger(row.key).values()
        await bench.put(replace(entry, instance_id=instance.id))
        bench.engine.containers[instance.id].instance = replace(
            instance, name=InstanceName("favourite")
        )
        watch.observer.note(bench.engine.inspect(instance.id))
        assert watch.only(row).name == "favourite"
        bench.engine.exit(instance.id, 3)
        await bench.idle()
        assert watch.only(row).exit is not None
        assert await watch.reasons(row) == ["container_died"]

    bench.run(main())


def test_what_a_listing_says_has_ended_is_not_brought_back_by_an_older_event() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        bench.engine.exit(instance.id, 3)
        watch = Watch(bench)
        await watch.follow()
        up = CameUp(instance.id, instance.name, row.id, instance.created_at)
        watch.event(up)
        await bench.idle()
        assert watch.only(row).state is State.EXITED
        assert watch.listings == 2

    bench.run(main())


# an engine's clock that is set


@pytest.mark.parametrize("seconds", [-86400, -20, -2, 86400])
def test_a_death_is_known_at_once_also_after_the_clock_was_set(seconds: int) -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        at = instance.created_at + timedelta(seconds=5)
        watch.event(Signalled(instance.id, instance.name, row.id, at, "HUP"))
        later = at + timedelta(seconds=seconds)
        watch.event(Died(instance.id, instance.name, row.id, later, 3))
        await bench.idle()
        assert watch.only(row).state is State.EXITED
        assert (await watch.reasons(row))[-1] == "container_died"

    bench.run(main())


def test_a_signal_of_before_the_clock_was_set_back_explains_no_end() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        at = instance.created_at + timedelta(seconds=5)
        watch.event(Signalled(instance.id, instance.name, row.id, at, "HUP"))
        end = at - timedelta(days=1)
        watch.event(Died(instance.id, instance.name, row.id, end, 0))
        await bench.idle()
        assert watch.only(row).exit == Exit(0, end)

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


def test_listings_are_not_taken_faster_than_they_can_matter() -> None:
    bench = Bench()

    async def main() -> None:
        await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        before = watch.listings
        for _ in range(100):
            watch.event(Resync("somebody renames containers all the time"))
            await bench.wait(0.01)
        assert watch.listings - before <= 1.0 / GAP_S + 1

    bench.run(main())


def test_instances_of_another_server_are_not_known() -> None:
    """Whoever may label containers must not put one in the place of ours."""
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        bench.running(bench.order(row, bench.name(), server_id="somebody else's"))
        watch = Watch(bench)
        await watch.follow()
        assert watch.only(row).id == instance.id

    bench.run(main())


def test_the_end_of_an_instance_asks_for_no_listing_though_it_leaves_its_network_first() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        before = watch.listings
        watch.event(Detached(instance.id, bench.clock.wall()))
        bench.engine.exit(instance.id, 1)
        await bench.wait(DETACHED_S * 2)
        assert watch.listings == before
        assert watch.only(row).state is State.EXITED

    bench.run(main())
