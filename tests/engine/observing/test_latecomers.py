"""Instances of this server that no row of it wants any more."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ring.core.model.ids import DeploymentId
from ring.core.plan.view import Plan
from ring.engine.observing.latecomers import Latecomers
from tests.engine.bench import AUTHOR, Bench

if TYPE_CHECKING:
    import pytest

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import InstanceId


async def purged(bench: Bench) -> Deployment:
    """A row that was deleted and is gone."""
    row = await bench.accept()
    deleted = await bench.store.delete(row.id, AUTHOR)
    assert deleted is not None
    assert await bench.store.commit(Plan(purge=(deleted,)))
    return deleted


async def look(bench: Bench, latecomers: Latecomers) -> None:
    latecomers.look(bench.runtime, await bench.runtime.list())
    await bench.idle()


def test_an_instance_of_a_purged_row_is_removed() -> None:
    bench = Bench()

    async def main() -> None:
        row = await purged(bench)
        latecomers = Latecomers(bench.store, bench.spawn)
        bench.running(bench.order(row, bench.name()))
        bench.made(bench.order(row, bench.name()))
        await look(bench, latecomers)
        assert bench.engine.containers == {}

    bench.run(main())


def test_a_copy_of_an_instance_of_a_purged_row_is_left_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def main() -> None:
        row = await purged(bench)
        original = bench.running(bench.order(row, bench.name()))
        copy = bench.engine.copy_by_hand(original.id, "mine")
        await look(bench, Latecomers(bench.store, bench.spawn))
        assert [one.id for one in bench.live()] == [copy]

    bench.run(main())
    assert "instance mine on docker" in caplog.text


def test_what_nobody_knows_any_more_has_the_grace_that_it_was_made_with() -> None:
    bench = Bench()
    graces: list[float | None] = []

    async def stop(instance_id: InstanceId, grace_s: float | None) -> None:
        graces.append(grace_s)

    async def main() -> None:
        row = await purged(bench)
        bench.running(bench.order(row, bench.name()))
        bench.runtime.stop = stop  # type: ignore[method-assign]  # keeps what it is given
        await look(bench, Latecomers(bench.store, bench.spawn))

    bench.run(main())
    assert graces == [None]


def test_a_removal_under_way_is_not_begun_again() -> None:
    bench = Bench()

    async def main() -> None:
        row = await purged(bench)
        latecomers = Latecomers(bench.store, bench.spawn)
        bench.running(bench.order(row, bench.name()))
        bench.held.hold("stop")
        await look(bench, latecomers)
        await look(bench, latecomers)
        assert len(bench.held.requests) == 1
        bench.held.release()
        await bench.idle()
        assert bench.engine.containers == {}

    bench.run(main())


def test_a_removal_that_fails_is_tried_again_at_the_next_look(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def main() -> None:
        row = await purged(bench)
        latecomers = Latecomers(bench.store, bench.spawn)
        name = bench.name()
        bench.running(bench.order(row, name))
        bench.held.hold("stop")
        await look(bench, latecomers)
        await bench.wait(631)
        assert f"cannot remove the orphaned instance {name}" in caplog.text
        bench.held.requests.clear()
        bench.held.release()
        await look(bench, latecomers)
        assert bench.engine.containers == {}

    with caplog.at_level(logging.WARNING):
        bench.run(main())


def test_an_instance_of_a_row_never_heard_of_is_left_alone_and_named_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        latecomers = Latecomers(bench.store, bench.spawn)
        stranger = type(row)(DeploymentId("unknown"), row.spec, row.status, row.created_at)
        name = bench.name()
        bench.running(bench.order(stranger, name))
        await look(bench, latecomers)
        await look(bench, latecomers)
        assert len(bench.live()) == 1
        assert caplog.text.count(name) == 1
        assert "left alone" in caplog.text

    with caplog.at_level(logging.WARNING):
        bench.run(main())


def test_another_servers_instances_are_none_of_our_business(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def main() -> None:
        row = await purged(bench)
        latecomers = Latecomers(bench.store, bench.spawn)
        bench.running(bench.order(row, bench.name(), server_id="another"))
        await look(bench, latecomers)
        assert len(bench.live()) == 1

    with caplog.at_level(logging.WARNING):
        bench.run(main())
    assert caplog.text == ""


def test_instances_of_rows_that_are_there_are_the_planners() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        latecomers = Latecomers(bench.store, bench.spawn)
        bench.running(bench.order(row, bench.name()))
        await look(bench, latecomers)
        assert len(bench.live()) == 1

    bench.run(main())
