"""Instances of this server that no row of it wants any more."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ring.core.model.ids import DeploymentId
from ring.core.plan.view import Plan
from ring.engine.observing.orphans import Orphans
from tests.engine.bench import AUTHOR, Bench

if TYPE_CHECKING:
    import pytest

    from ring.core.model.deployment import Deployment


async def purged(bench: Bench) -> Deployment:
    """A row that was deleted and is gone."""
    row = await bench.accept()
    deleted = await bench.store.delete(row.id, AUTHOR)
    assert deleted is not None
    assert await bench.store.commit(Plan(purge=(deleted,)))
    return deleted


async def look(bench: Bench, orphans: Orphans) -> None:
    orphans.look(bench.runtime, await bench.runtime.list())
    await bench.idle()


def test_an_instance_of_a_purged_row_is_removed() -> None:
    bench = Bench()

    async def main() -> None:
        row = await purged(bench)
        orphans = Orphans(bench.store, bench.spawn)
        bench.running(bench.order(row, bench.name()))
        bench.made(bench.order(row, bench.name()))
        await look(bench, orphans)
        assert bench.engine.containers == {}

    bench.run(main())


def test_a_removal_under_way_is_not_begun_again() -> None:
    bench = Bench()

    async def main() -> None:
        row = await purged(bench)
        orphans = Orphans(bench.store, bench.spawn)
        bench.running(bench.order(row, bench.name()))
        bench.held.hold("stop")
        await look(bench, orphans)
        await look(bench, orphans)
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
        orphans = Orphans(bench.store, bench.spawn)
        name = bench.name()
        bench.running(bench.order(row, name))
        bench.held.hold("stop")
        await look(bench, orphans)
        await bench.wait(41)
        assert f"cannot remove the leftover instance {name}" in caplog.text
        bench.held.requests.clear()
        bench.held.release()
        await look(bench, orphans)
        assert bench.engine.containers == {}

    with caplog.at_level(logging.WARNING):
        bench.run(main())


def test_an_instance_of_a_row_never_heard_of_is_left_alone_and_named_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        orphans = Orphans(bench.store, bench.spawn)
        stranger = type(row)(DeploymentId("unknown"), row.spec, row.status, row.created_at)
        name = bench.name()
        bench.running(bench.order(stranger, name))
        await look(bench, orphans)
        await look(bench, orphans)
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
        orphans = Orphans(bench.store, bench.spawn)
        bench.running(bench.order(row, bench.name(), server_id="another"))
        await look(bench, orphans)
        assert len(bench.live()) == 1

    with caplog.at_level(logging.WARNING):
        bench.run(main())
    assert caplog.text == ""


def test_instances_of_rows_that_are_there_are_the_planners() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        orphans = Orphans(bench.store, bench.spawn)
        bench.running(bench.order(row, bench.name()))
        await look(bench, orphans)
        assert len(bench.live()) == 1

    bench.run(main())
