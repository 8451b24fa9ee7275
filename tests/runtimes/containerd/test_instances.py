"""Starts that come to nothing, and what looks for leftovers meanwhile."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ring.core.model import labels
from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.runtimes.base import Gone, RuntimeFailure, Unavailable
from ring.runtimes.containerd import instance_records, shims
from ring.runtimes.containerd.api import containers_pb2 as containers
from ring.runtimes.containerd.instances import Instances
from ring.runtimes.containerd.looking import directory_of
from ring.runtimes.containerd.settings import Settings
from ring.runtimes.containerd.tasks import ShimSilent
from tests.runtimes.containerd.orders import order

if TYPE_CHECKING:
    from pathlib import Path

    from ring.runtimes.containerd.creating import Creating
    from ring.runtimes.containerd.looking import Looking
    from ring.runtimes.containerd.networking.networks import Networks
    from ring.runtimes.containerd.tasks import Tasks

pytestmark = pytest.mark.anyio

ID = InstanceId("shop_web_0a1b2c3d")


class Place:
    """What is around them: a job that is placed on its network, and a task that fails."""

    def __init__(self, state: Path, failure: RuntimeFailure) -> None:
        self.failure = failure
        self.is_away = isinstance(failure, Unavailable)
        self.told: list[str] = []
        self.placing = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.asked = asyncio.Event()
        self.answers: list[asyncio.Event] = []
        """When containerd tells of the task: of one question after the other, then at once."""
        self.is_there = True
        self.looked_for = asyncio.Event()
        self.turn = asyncio.Lock()
        none = cast("Any", None)
        self.instances = Instances(
            none,
            Settings(state_dir=state, socket=state / "containerd.sock"),
            tasks=cast("Tasks", SimpleNamespace(get=self._no_task, delete=self._delete)),
            looking=cast(
                "Looking", SimpleNamespace(container=self._container, labels=self._labels)
            ),
            creating=cast("Creating", SimpleNamespace(turn=lambda _: self.turn)),
            snapshots=none,
            networks=cast("Networks", self),
            logs=cast("Any", SimpleNamespace(open=self._fails)),
        )

    async def place(self, *_: object, **__: object) -> None:
        self.told.append("placed")
        self.placing.set()
        await self.may_go_on.wait()

    async def plug(self, *_: object) -> str:
        return "10.0.0.2"

    async def gateway(self, _: str) -> str:
        return "10.0.0.1"

    async def leave(self, _: InstanceId) -> None:
        self.told.append("left")

    async def _labels(self, _: InstanceId) -> dict[str, str] | None:
        return {} if self.is_there else None

    async def _container(self, _: InstanceId) -> containers.Container:
        self.looked_for.set()
        if not self.is_there:
            raise Gone("there is no such instance")
        record = instance_records.of_order(order({"kind": "job"}), "", ())
        return containers.Container(
            id=ID, labels={labels.KIND: "job"}, extensions=instance_records.packed(record)
        )

    async def _no_task(self, _: InstanceId) -> None:
        self.asked.set()
        if self.answers:
            await self.answers.pop(0).wait()

    async def _delete(self, _: InstanceId) -> bool:
        if self.is_away:
            raise self.failure
        if isinstance(self.failure, ShimSilent) and "shim killed" not in self.told:
            raise self.failure
        return True

    async def _fails(self, _: InstanceId) -> None:
        raise self.failure


async def test_one_that_cannot_start_leaves_its_network(tmp_path: Path) -> None:
    place = Place(tmp_path, RuntimeFailure(FailureClass.OTHER, "no"))
    with pytest.raises(RuntimeFailure, match="no"):
        await place.instances.start(ID)
    assert place.told == ["placed", "left"]


async def test_one_that_may_run_keeps_its_network(tmp_path: Path) -> None:
    place = Place(tmp_path, Unavailable("away"))
    with pytest.raises(Unavailable):
        await place.instances.start(ID)
    assert place.told == ["placed"]


async def test_a_shim_that_does_not_answer_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nothing of the instance could ever be removed, and its start would never be counted."""
    place = Place(tmp_path, ShimSilent(FailureClass.OTHER, "it is silent"))
    monkeypatch.setattr(shims, "end", lambda *_: place.told.append("shim killed"))
    with pytest.raises(ShimSilent):
        await place.instances.start(ID)
    assert place.told == ["placed", "shim killed", "left"]


async def test_a_job_that_is_about_to_run_keeps_its_network(tmp_path: Path) -> None:
    place = Place(tmp_path, RuntimeFailure(FailureClass.OTHER, "no"))
    place.may_go_on.clear()
    starting = asyncio.create_task(place.instances.start(ID))
    await place.placing.wait()
    await place.instances.let_go(ID)
    assert place.told == ["placed"]
    place.may_go_on.set()
    with pytest.raises(RuntimeFailure):
        await starting
    place.told.clear()
    await place.instances.let_go(ID)
    assert place.told == ["left"]


async def test_a_job_that_begins_meanwhile_keeps_its_network(tmp_path: Path) -> None:
    """containerd told of its task as it was before."""
    place = Place(tmp_path, RuntimeFailure(FailureClass.OTHER, "no"))
    answer = asyncio.Event()
    place.answers.append(answer)
    letting_go = asyncio.create_task(place.instances.let_go(ID))
    await place.asked.wait()
    place.may_go_on.clear()
    starting = asyncio.create_task(place.instances.start(ID))
    await place.placing.wait()
    answer.set()
    await letting_go
    assert place.told == ["placed"]
    place.may_go_on.set()
    with pytest.raises(RuntimeFailure):
        await starting


def _removed(place: Place, monkeypatch: pytest.MonkeyPatch) -> list[InstanceId]:
    """Those that it removes."""
    removed: list[InstanceId] = []

    async def remove(instance_id: InstanceId) -> None:
        removed.append(instance_id)

    monkeypatch.setattr(place.instances, "remove", remove)
    return removed


async def test_what_somebody_has_removed_is_cleared_away_by_whose_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every server on a containerd hears of it."""
    place = Place(tmp_path, RuntimeFailure(FailureClass.OTHER, "no"))
    removed = _removed(place, monkeypatch)
    place.is_there = False
    await place.instances.let_go(ID)
    assert removed == []
    directory_of(tmp_path, ID).mkdir(parents=True)
    await place.instances.let_go(ID)
    assert removed == [ID]


async def test_what_is_made_by_the_name_of_one_that_is_gone_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """containerd tells of the removal while the next one is being made."""
    place = Place(tmp_path, RuntimeFailure(FailureClass.OTHER, "no"))
    removed = _removed(place, monkeypatch)
    place.is_there = False
    directory_of(tmp_path, ID).mkdir(parents=True)
    async with place.turn:
        letting_go = asyncio.create_task(place.instances.let_go(ID))
        await place.looked_for.wait()
        place.is_there = True
    await letting_go
    assert removed == []
