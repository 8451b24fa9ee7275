"""The judge of jobs: a run too many is found, unless nobody could have known of the one before."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from ring.core.model.ids import DeploymentId, InstanceName
from ring.runtimes.base import CameUp, Image, Order
from ring.runtimes.fake import FakeEngine, Request
from tests.engine.bench import spec
from tests.properties.sim.jobs import Jobs
from tests.properties.sim.violation import Violation

if TYPE_CHECKING:
    from tests.properties.sim.world import World

NAME = InstanceName("media_web_00000001")


class Court:
    """One instance of a job, and its judge."""

    def __init__(self) -> None:
        self.engine = FakeEngine(networks={"ring_media"})
        self.jobs = Jobs(cast("World", SimpleNamespace(engine=self.engine)))
        order = Order(NAME, DeploymentId("job"), "us", spec(kind="job"), Image("a:1", None), {})
        self.id = self.engine.create(order).id

    def finds(self) -> None:
        self._carries_out("find", NAME, is_awaited=True)

    def runs(self, *, is_awaited: bool = True) -> None:
        """It is started, and ends at once."""
        self._carries_out("start", self.id, is_awaited=is_awaited)
        self.engine.start(self.id)
        came_up = self.engine.log[-1]
        assert isinstance(came_up, CameUp)
        self.jobs.came_up(came_up)
        self.engine.exit(self.id, 0)

    def _carries_out(self, what: str, about: str, *, is_awaited: bool) -> None:
        with asyncio.Runner() as runner:
            answer: asyncio.Future[object] = runner.get_loop().create_future()
            if not is_awaited:
                answer.cancel()
            self.jobs.carried_out(Request(what, about, lambda: None, answer))


def test_a_second_run_is_one_too_many() -> None:
    court = Court()
    court.runs()
    with pytest.raises(Violation):
        court.runs()


@pytest.mark.parametrize("first_is_late", [True, False])
def test_of_two_starts_the_one_that_was_given_up_may_be_carried_out_too(
    first_is_late: bool,
) -> None:
    court = Court()
    court.finds()
    court.runs(is_awaited=not first_is_late)
    court.runs(is_awaited=first_is_late)
    court.finds()
    with pytest.raises(Violation):
        court.runs()


def test_whoever_looked_after_a_late_start_knows_that_it_has_run() -> None:
    court = Court()
    court.runs(is_awaited=False)
    court.finds()
    with pytest.raises(Violation):
        court.runs()
