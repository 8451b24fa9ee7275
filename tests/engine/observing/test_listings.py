"""Listings: what is there, what is newer than one, and how often they are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.observed import State, Unknown
from ring.engine.observing.observer import ASKED_AT_ONCE, ASKED_PER_S
from ring.runtimes.base import CameUp, Resync
from tests.engine.bench import Bench

if TYPE_CHECKING:
    from ring.runtimes.fake import Request

from tests.engine.observing.watching import Watch, one_live


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


def test_listings_are_not_taken_faster_than_they_can_matter() -> None:
    bench = Bench()

    async def main() -> None:
        await one_live(bench)
        watch = Watch(bench)
        await watch.follow()
        before = watch.listings
        for _ in range(1000):
            watch.event(Resync("somebody renames containers all the time"))
            await bench.wait(0.01)
        assert watch.listings - before <= ASKED_AT_ONCE + 10 * ASKED_PER_S + 2

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
