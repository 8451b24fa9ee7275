"""Single actions on a runtime, and what is said about them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import DeploymentId, InstanceId
from ring.core.model.operations import (
    Action,
    AttachInstance,
    Inspected,
    InspectInstance,
    OperationFailed,
    RemoveInstance,
)
from ring.runtimes.base import RuntimeFailure
from tests.engine.bench import Bench
from tests.engine.operating.shop import Shop

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment


def test_an_inspection_tells_and_notes_what_it_finds() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        instance = bench.running(bench.order(row, bench.name()))
        bench.engine.exit(instance.id, 4)
        result = await shop.executor.run(InspectInstance(row.id, instance.name, instance.id))
        assert isinstance(result, Inspected)
        assert result.instance is not None
        assert result.instance.exit is not None
        assert result.instance.exit.code == 4
        # This observer has not watched yet: what ended before was missed.
        ended = replace(result.instance, exit=replace(result.instance.exit, missed=True))
        assert shop.noted(row) == (ended,)

    bench.run(main())


def test_an_inspection_of_what_is_gone_tells_and_notes_it() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        instance = bench.running(bench.order(row, bench.name()))
        shop.observer.note(instance)
        bench.engine.containers.clear()
        result = await shop.executor.run(InspectInstance(row.id, instance.name, instance.id))
        assert result == Inspected(None)
        assert shop.noted(row) == ()

    bench.run(main())


async def nothing(*_: object) -> None:
    """It says so, and does not do it."""


def test_a_connection_without_effect_has_failed() -> None:
    """Or it would be made again at once, for ever."""
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        instance = bench.running(bench.order(row, bench.name()))
        bench.engine.detach_by_hand(instance.id)
        bench.runtime.attach = nothing  # type: ignore[method-assign,assignment]  # an engine that lies
        action = AttachInstance(row.id, instance.name, instance.id)
        result = await Shop(bench).executor.run(action)
        assert isinstance(result, OperationFailed)
        assert "not on the network" in result.failure.message

    bench.run(main())


def action(kind: type[Action], row: Deployment, bench: Bench) -> Action:
    if kind is InspectInstance:
        return InspectInstance(row.id, bench.name(), InstanceId("i"))
    if kind is AttachInstance:
        return AttachInstance(row.id, bench.name(), InstanceId("i"))
    return RemoveInstance(row.id, bench.name(), InstanceId("i"), 10.0)


@pytest.mark.parametrize(
    ("kind", "step", "deadline_s", "failure"),
    [
        (InspectInstance, "inspect", 30, FailureClass.UNAVAILABLE),
        (AttachInstance, "attach", 30, FailureClass.UNAVAILABLE),
        # Ring had begun to end it: whoever reads the events is to know that it hangs.
        (RemoveInstance, "stop", 40, FailureClass.TIMEOUT),
    ],
)
def test_an_engine_that_does_not_answer_in_time_is_given_up(
    kind: type[Action], step: str, deadline_s: float, failure: FailureClass
) -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        bench.held.hold(step)
        task = asyncio.ensure_future(shop.executor.run(action(kind, row, bench)))
        await bench.wait(deadline_s - 1)
        assert not task.done()
        await bench.wait(2)
        result = await task
        assert isinstance(result, OperationFailed)
        assert result.failure.kind is failure

    bench.run(main())


@pytest.mark.parametrize(
    ("kind", "step"), [(InspectInstance, "inspect"), (RemoveInstance, "remove")]
)
def test_an_engine_that_refuses_is_quoted(kind: type[Action], step: str) -> None:
    bench = Bench()

    async def main() -> None:
        bench.engine.refusals[step] = RuntimeFailure(FailureClass.OTHER, "device busy")
        row = await bench.accept()
        result = await Shop(bench).executor.run(action(kind, row, bench))
        assert isinstance(result, OperationFailed)
        assert result.failure.message == "device busy"

    bench.run(main())


@pytest.mark.parametrize("kind", [InspectInstance, RemoveInstance])
def test_nothing_is_done_for_a_row_that_was_purged(kind: type[Action]) -> None:
    bench = Bench()

    async def main() -> None:
        row = replace(await bench.accept(), id=DeploymentId("purged"))
        result = await Shop(bench).executor.run(action(kind, row, bench))
        assert isinstance(result, OperationFailed)
        assert result.failure.kind is FailureClass.CANCELLED

    bench.run(main())


# remove
