"""Images between their pull and their end, with the whole engine at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.engine.keeping.images import BEING_USED
from ring.runtimes.fake import StockedRuntime
from tests.engine.bench import DIGEST, Bench
from tests.engine.plant import Plant

if TYPE_CHECKING:
    from ring.engine.keeping.images import Pruned

ALWAYS = {"image_pull_policy": "Always"}
MOVED = "sha256:" + "2" * 64


def planted() -> tuple[Plant, StockedRuntime]:
    bench = Bench()
    bench.engine.images.clear()
    bench.runtime = runtime = StockedRuntime(bench.engine)
    return Plant(bench), runtime


async def pruned(plant: Plant) -> Pruned:
    return await plant.engine.images.prune(0, even_if_kept=True, dry_run=False, author=None)


def test_a_pull_is_noted_and_its_image_goes_after_its_deployment() -> None:
    plant, runtime = planted()

    async def story() -> None:
        bench = plant.bench
        await plant.start()
        row = await plant.apply(config=ALWAYS, replicas=2)
        (noted,) = bench.store.images.pulled("docker")
        assert (noted.image_id, noted.reference, noted.digest) == (DIGEST, "nginx:1.25", DIGEST)
        await bench.wait(100)
        assert (await pruned(plant)).removed == []
        await plant.delete(row)
        await bench.wait(5)
        assert bench.store.deployment(row.id) is None
        (after,) = bench.store.images.pulled("docker")
        assert (bench.clock.wall() - after.used_at).total_seconds() < 10, "it was in use till then"
        assert [each.image.id for each in (await pruned(plant)).removed] == [DIGEST]
        assert set(runtime.stock.images) == set()

    plant.bench.run(story())


def test_what_was_found_stays_until_it_is_created_though_its_tag_has_moved() -> None:
    plant, runtime = planted()

    async def story() -> None:
        bench = plant.bench
        await plant.start()
        bench.held.hold("create")
        await plant.apply(config=ALWAYS)
        runtime.stock.bring("nginx:1.25", MOVED)
        stayed = await pruned(plant)
        assert stayed.removed == []
        assert [failed.reason for failed in stayed.failed] == [BEING_USED]
        bench.held.release()
        await bench.wait(1)
        (instance,) = bench.live()
        assert instance.image_digest == DIGEST
        assert (await pruned(plant)).failed == [], "now the container keeps it"
        assert DIGEST in runtime.stock.images

    plant.bench.run(story())


def test_a_start_that_is_given_up_lets_go_of_its_image() -> None:
    plant, _ = planted()

    async def story() -> None:
        bench = plant.bench
        await plant.start()
        bench.held.hold("create")
        row = await plant.apply(config=ALWAYS)
        await plant.delete(row)
        bench.held.release()
        await bench.wait(30)
        assert bench.store.deployment(row.id) is None
        assert [each.image.id for each in (await pruned(plant)).removed] == [DIGEST]

    plant.bench.run(story())
