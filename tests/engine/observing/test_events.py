"""Events, which come late, twice, early, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ring.core.model.ids import DeploymentId, InstanceId
from ring.core.model.ledger import Phase
from ring.core.model.observed import Exit, State
from ring.runtimes.base import CameUp, Died, Resync, Signalled
from tests.engine.bench import Bench
from tests.engine.observing.watching import Watch, one_live


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
