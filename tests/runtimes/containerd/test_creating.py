"""Instances that are made, and those whose making is given up."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from ring.runtimes.containerd import creating, names
from ring.runtimes.containerd.creating import Creating
from ring.runtimes.containerd.settings import Settings
from tests.runtimes.containerd.orders import order

if TYPE_CHECKING:
    from pathlib import Path

    from ring.core.model.ids import InstanceId
    from ring.runtimes.containerd.client import Client
    from ring.runtimes.containerd.images import Images
    from ring.runtimes.containerd.looking import Looking
    from ring.runtimes.containerd.preparing import Preparer
    from ring.runtimes.containerd.snapshots import Snapshots
    from ring.runtimes.containerd.volumes import Volumes

pytestmark = pytest.mark.anyio


class Place:
    """What is around it: a thread that copies into a volume until it is let go on."""

    def __init__(self, state: Path) -> None:
        self.folder = state / "anonymous"
        self.told: list[str] = []
        self.copying = asyncio.Event()
        self.may_go_on = threading.Event()
        self.creating = Creating(
            cast("Client", None),
            Settings(state_dir=state),
            looking=cast("Looking", SimpleNamespace(labels=self._nobody)),
            images=cast("Images", self),
            snapshots=cast(
                "Snapshots",
                SimpleNamespace(prepare=self._snapshot, remove=self._gone, prepared=self._prepared),
            ),
            volumes=cast("Volumes", self),
            preparer=cast("Preparer", SimpleNamespace(prepare=self._prepare)),
        )

    async def configuration(self, _: str) -> SimpleNamespace:
        return SimpleNamespace(chain_id="sha256:1")

    async def release(self, _: InstanceId) -> None:
        self.told.append("volumes released")
        if self.folder.exists():
            self.folder.rmdir()

    async def _nobody(self, _: InstanceId) -> None:
        return None

    async def _snapshot(self, *_: object) -> tuple[()]:
        return ()

    async def _prepared(self, *_: object) -> frozenset[str]:
        return frozenset({"shop_web_0a1b2c3d"})

    async def _gone(self, _: InstanceId) -> None:
        self.told.append("snapshot removed")

    async def _prepare(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._copy, loop)

    def _copy(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(self.copying.set)
        self.may_go_on.wait()
        self.folder.mkdir()
        self.told.append("copied")


async def test_one_that_is_given_up_while_its_volumes_are_filled_leaves_none(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    making = asyncio.create_task(place.creating.create(order()))
    await place.copying.wait()
    making.cancel()
    await asyncio.sleep(0)
    assert not making.done()
    place.may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert place.told == ["copied", "volumes released", "snapshot removed"]
    assert not place.folder.exists()


async def test_one_that_is_given_up_does_not_wait_for_what_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creating, "PATIENCE_S", 0.01)
    place = Place(tmp_path)
    making = asyncio.create_task(place.creating.create(order()))
    await place.copying.wait()
    making.cancel()
    try:
        done, _ = await asyncio.wait((making,), timeout=10)
    finally:
        place.may_go_on.set()
    assert done
    assert place.told[:2] == ["volumes released", "snapshot removed"]


async def test_what_was_never_made_is_found_until_all_of_it_is_gone(tmp_path: Path) -> None:
    """By its snapshot: whoever is killed, or has no answer, in between begins again."""
    place = Place(tmp_path)
    await place.creating.sweep((), "server")
    assert place.told == ["volumes released", "snapshot removed"]


async def test_nothing_is_made_while_its_namesake_is_cleared_away(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.may_go_on.set()
    wanted = order()
    turn = place.creating.turn(names.container_id(wanted.name))
    async with turn:
        making = asyncio.create_task(place.creating.create(wanted))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not place.copying.is_set()
    await place.copying.wait()
    making.cancel()
    await asyncio.wait((making,))
