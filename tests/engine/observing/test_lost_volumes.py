"""Anonymous volumes of instances that somebody else removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.engine.observing.lost_volumes import LostVolumes
from ring.runtimes.base import RuntimeFailure, Unavailable
from tests.engine.bench import Bench
from tests.engine.plant import Plant

if TYPE_CHECKING:
    from ring.core.model.observed import Instance


def kept(bench: Bench) -> int:
    return len(bench.store.anonymous_volumes.all())


async def kept_one(bench: Bench, volumes: LostVolumes) -> Instance:
    """An instance with two volumes that is written down."""
    bench.engine.image_volumes = 2
    row = await bench.accept()
    instance = bench.running(bench.order(row, bench.name()))
    await volumes.keep(bench.runtime, instance)
    await volumes.keep(bench.runtime, instance)
    assert kept(bench) == 2
    return instance


@pytest.mark.parametrize("by", ["hand", "Ring"])
def test_they_go_with_the_instance_whoever_removes_it(by: str) -> None:
    bench = Bench()
    bench.engine.image_volumes = 2

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        await plant.apply(replicas=1)
        await bench.wait(1)
        (first,) = bench.live()
        assert (len(bench.engine.volumes), kept(bench)) == (2, 2)
        if by == "hand":
            bench.engine.remove_by_hand(first.id)
        else:
            bench.engine.exit(first.id, 1)
        await bench.wait(10)
        (second,) = bench.live()
        assert second.id != first.id
        assert bench.engine.volumes == set(second.anonymous_volumes)
        assert {one.instance_id for one in bench.store.anonymous_volumes.all()} == {second.id}

    bench.run(main())


def test_one_that_vanished_unseen_is_missed_by_the_next_server() -> None:
    bench = Bench()

    async def main() -> None:
        instance = await kept_one(bench, LostVolumes(bench.store, bench.spawn))
        bench.engine.remove_by_hand(instance.id)
        bench.engine.image_volumes = 0
        later = LostVolumes(bench.store, bench.spawn)
        later.look(bench.runtime, await bench.runtime.list())
        await bench.idle()
        assert (bench.engine.volumes, kept(bench)) == (set(), 0)

    bench.run(main())


def test_what_is_in_use_stays_and_is_tried_again() -> None:
    """A listing that was asked for before the instance was made does not have it, either."""
    bench = Bench()

    async def main() -> None:
        volumes = LostVolumes(bench.store, bench.spawn)
        instance = await kept_one(bench, volumes)
        volumes.look(bench.runtime, ())
        await bench.idle()
        assert (len(bench.engine.volumes), kept(bench)) == (2, 2)
        bench.engine.remove_by_hand(instance.id)
        volumes.look(bench.runtime, ())
        await bench.idle()
        assert (bench.engine.volumes, kept(bench)) == (set(), 0)

    bench.run(main())


@pytest.mark.parametrize(
    "failure", [Unavailable("away"), RuntimeFailure(FailureClass.OTHER, "the driver is stuck")]
)
def test_a_failure_is_told_and_tried_again(
    failure: RuntimeFailure, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()

    async def main() -> None:
        volumes = LostVolumes(bench.store, bench.spawn)
        instance = await kept_one(bench, volumes)
        bench.engine.remove_by_hand(instance.id)
        bench.engine.refusals["remove_volume"] = failure
        volumes.gone(bench.runtime, instance.id)
        await bench.idle()
        assert kept(bench) == 2
        assert f"cannot remove what {instance.id[:12]} left behind: {failure}" in caplog.text
        del bench.engine.refusals["remove_volume"]
        volumes.look(bench.runtime, ())
        await bench.idle()
        assert (bench.engine.volumes, kept(bench)) == (set(), 0)

    bench.run(main())


def test_those_of_another_runtime_are_not_missed_in_this_ones_listing() -> None:
    bench = Bench()

    async def main() -> None:
        instance = await kept_one(bench, LostVolumes(bench.store, bench.spawn))
        bench.engine.remove_by_hand(instance.id)
        bench.runtime.name = "podman"
        LostVolumes(bench.store, bench.spawn).look(bench.runtime, ())
        await bench.idle()
        assert (len(bench.engine.volumes), kept(bench)) == (2, 2)

    bench.run(main())


def test_what_the_spec_names_is_nobodys_leftover() -> None:
    """Somebody may have chosen a name as an engine gives them."""
    bench = Bench()
    bench.engine.image_volumes = 1
    chosen = f"{1:060x}{0:04x}"

    async def main() -> None:
        volumes = LostVolumes(bench.store, bench.spawn)
        volume = {"type": "volume", "source": chosen, "destination": "/data"}
        row = await bench.accept(volumes=[volume])
        instance = bench.running(bench.order(row, bench.name()))
        assert instance.anonymous_volumes == (chosen,)
        await volumes.keep(bench.runtime, instance)
        assert kept(bench) == 0

    bench.run(main())


def test_what_somebody_else_has_taken_over_is_theirs() -> None:
    """Also once they use it no more."""
    bench = Bench()

    async def main() -> None:
        volumes = LostVolumes(bench.store, bench.spawn)
        instance = await kept_one(bench, volumes)
        taken, other = instance.anonymous_volumes
        bench.engine.used_volumes.add(taken)
        bench.engine.remove_by_hand(instance.id)
        volumes.gone(bench.runtime, instance.id)
        await bench.idle()
        assert (bench.engine.volumes, kept(bench)) == ({taken}, 0)
        bench.engine.used_volumes.clear()
        volumes.look(bench.runtime, ())
        await bench.idle()
        assert bench.engine.volumes == {taken}
        assert other != taken

    bench.run(main())


@pytest.mark.parametrize("by", ["deployment", "register"])
def test_what_has_been_named_since_is_nobodys_leftover(by: str) -> None:
    """A deployment may be between two instances of its own, or be gone, and its data are not."""
    bench = Bench()

    async def main() -> None:
        volumes = LostVolumes(bench.store, bench.spawn)
        instance = await kept_one(bench, volumes)
        named, _ = instance.anonymous_volumes
        if by == "deployment":
            volume = {"type": "volume", "source": named, "destination": "/data"}
            await bench.accept(name="rescue", volumes=[volume])
        else:
            await bench.store.volumes.register("media", [named], "docker")
        bench.engine.remove_by_hand(instance.id)
        volumes.gone(bench.runtime, instance.id)
        await bench.idle()
        assert (bench.engine.volumes, kept(bench)) == ({named}, 0)

    bench.run(main())


def test_an_instance_without_any_costs_no_write() -> None:
    bench = Bench()

    async def main() -> None:
        volumes = LostVolumes(bench.store, bench.spawn)
        row = await bench.accept()
        instance = bench.running(bench.order(row, bench.name()))
        await volumes.keep(bench.runtime, instance)
        volumes.gone(bench.runtime, instance.id)
        await bench.idle()
        assert kept(bench) == 0

    bench.run(main())
