"""Pulls on a containerd of a test's own, whose disk has no room for the image."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd import mounting
from ring.runtimes.containerd.client import Client
from ring.runtimes.containerd.images import Images
from ring.runtimes.distribution.client import Registries
from scripts import engines
from tests.contract.outside import eventually, missing, required
from tests.runtimes.containerd import ctr
from tests.runtimes.containerd.pictures import layer, publish
from tests.runtimes.distribution.scripted import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripts.engines import Engine

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

SIZE = 4 * 1024 * 1024
MOST_LEFT_KB = 200
"""Its database grows, and its log."""


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    required("RING_TEST_CONTAINERD", "a containerd")
    if os.geteuid() != 0:
        missing("a disk of its own is needed: run as root")
    root = tmp_path_factory.getbasetemp() / f"full-{uuid.uuid4().hex[:6]}"
    try:
        disk = root / "containerd"
        disk.mkdir(parents=True)
        mounting.mount("ring-test", disk, "tmpfs", f"size={SIZE},mode=0700")
        yield engines.containerd_up(root)
    finally:
        engines.down(root)


def used_kb(engine: Engine) -> int:
    told = os.statvfs(engine.root / "containerd")
    return (told.f_blocks - told.f_bfree) * told.f_frsize // 1024


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param((SIZE // 3, SIZE // 2, SIZE // 2), id="while fetched"),
        pytest.param((SIZE * 2 // 3,), id="while unpacked"),
    ],
)
async def test_what_a_pull_brought_does_not_keep_the_disk_full(
    engine: Engine, tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    client = Client(engine.containerd_socket, "ring")
    registries = Registries(tmp_path)
    images = Images(client, registries, "overlayfs")
    try:
        async with serving() as registry:
            publish(registry, [layer("a")], "small")
            await images.resolve(registry.image("small"), "Always", None)
            most_kb = used_kb(engine) + MOST_LEFT_KB

            async def is_room_again() -> bool:
                """Who is in the middle of writing has it open until it is told."""
                return used_kb(engine) <= most_kb

            publish(registry, [layer(f"{number}", size) for number, size in enumerate(sizes)])
            for _ in range(3):
                with pytest.raises(RuntimeFailure, match="no space left on device") as raised:
                    await images.resolve(registry.image(), "Always", None)
                assert raised.value.failure.kind is FailureClass.IMAGE_PULL_FAILED
                await eventually(is_room_again)
                assert await ctr.leases(client) == []
            publish(registry, [layer("b", SIZE // 4)], "other")
            await images.resolve(registry.image("other"), "Always", None)
    finally:
        await images.close()
        await registries.close()
        await client.close()
