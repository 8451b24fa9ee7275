"""What people do to instances behind Ring's back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ring.core.model.ids import InstanceId, InstanceName
from ring.core.model.ledger import Phase
from ring.core.model.observed import State
from ring.engine.observing.observer import DETACHED_S
from ring.runtimes.base import Detached
from tests.engine.bench import Bench
from tests.engine.observing.watching import Watch, one_live


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


@pytest.mark.parametrize("known", ["by its id", "by the name it was announced with", "not"])
def test_another_name_is_a_copys_where_the_ledger_does_not_say_otherwise(
    known: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        entry = await bench.entry(row, Phase.CREATING)
        instance = bench.running(bench.order(row, entry.name))
        if known != "by the name it was announced with":
            instance_id = instance.id if known == "by its id" else InstanceId("another")
            await bench.put(replace(entry, instance_id=instance_id, phase=Phase.LIVE))
        bench.engine.rename_by_hand(instance.id, "favourite")
        watch = Watch(bench)
        await watch.follow()
        seen = [] if known == "not" else [instance.id]
        assert [one.id for one in watch.listing(row).instances.values()] == seen
        await bench.wait(11)
        assert watch.listings == 2

    bench.run(main())
    said = [record.message for record in caplog.records if "favourite" in record.message]
    assert len(said) == (known == "not")


def test_what_was_made_before_the_name_was_written_on_it_is_taken_under_any_name() -> None:
    bench = Bench()

    async def main() -> None:
        row, instance = await one_live(bench)
        bench.engine.containers[instance.id].instance = replace(instance, made_as=None)
        bench.engine.rename_by_hand(instance.id, "favourite")
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
