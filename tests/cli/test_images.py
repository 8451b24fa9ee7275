"""`ring image` against the API itself."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from ring.cli import views
from ring.core.model.failures import FailureClass
from ring.core.model.stock import Origin
from ring.runtimes.base import RuntimeFailure
from tests.cli.test_real_api import world

if TYPE_CHECKING:
    from tests.api.world import World
    from tests.cli.conftest import Ring

__all__ = ["world"]

ONE = f"sha256:{1:064x}"


@pytest.fixture
def stocked(world: World) -> World:
    """One image of Ring's that nobody needs."""
    world.instances.runtime.stock.bring("app:1", ONE)
    world.run(world.store.images.note("docker", ONE, "app:1", ONE, Origin.BROUGHT))
    world.clock.advance(2 * 86_400)
    return world


@pytest.mark.usefixtures("stocked")
def test_list(ring: Ring) -> None:
    shown = ring("image")
    assert (shown.code, shown.err) == (0, "")
    assert "| Reference | Digest" in shown.out
    assert "| app:1     | sha256:000000000000 | 1000 B | ring      | -       | 2027-" in shown.out
    (row,) = json.loads(ring("image", "list", "-o", "json").out)
    assert (row["reference"], row["used_by"], row["managed"]) == ("app:1", [], True)


@pytest.mark.parametrize("count", [4, 5])
def test_a_list_of_several_pages(
    ring: Ring, world: World, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(views, "_PAGE", 2)
    names = [f"app:{number}" for number in range(count)]
    for number, name in enumerate(names):
        world.instances.runtime.stock.bring(name, f"sha256:{number:064x}")
    rows = json.loads(ring("image", "list", "-o", "json").out)
    assert [row["reference"] for row in rows] == names
    shown = ring("image", "list").out
    assert [name for name in names if f"| {name} " not in shown] == []


def test_prune(ring: Ring, stocked: World) -> None:
    assert ring("image", "prune", "--older-than", "3d").out == "Removed: 0, 0 B\n"
    would = ring("image", "prune", "--dry-run")
    assert would.out.endswith("\nWould remove: 1, 1000 B\n")
    assert "| app:1 " in would.out
    assert set(stocked.instances.runtime.stock.images) == {ONE}
    done = ring("image", "prune", "--older-than", "1d")
    assert (done.code, done.out) == (0, "Image app:1 removed\nRemoved: 1, 1000 B\n")
    assert set(stocked.instances.runtime.stock.images) == set()


def test_prune_as_json(ring: Ring, stocked: World) -> None:
    done = ring("image", "prune", "-o", "json")
    answer = json.loads(done.out)
    assert [row["reference"] for row in answer["removed"]] == ["app:1"]
    assert done.err == ""


def test_what_cannot_be_removed_is_said(
    ring: Ring, stocked: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "ring.engine.keeping")  # the server's log is not stderr here

    def refuse(_: str) -> None:
        raise RuntimeFailure(FailureClass.OTHER, "the layer is busy")

    stocked.instances.runtime.stock.on_removal = refuse
    ended = ring("image", "prune")
    assert (ended.code, ended.out) == (1, "Removed: 0, 0 B\n")
    assert ended.err == "error: image 'app:1' is not removed: the layer is busy\n"


@pytest.mark.usefixtures("stocked")
def test_a_duration_that_is_none(ring: Ring) -> None:
    ended = ring("image", "prune", "--older-than", "soon")
    assert ended.code == 1
    first, second = ended.err.splitlines()
    assert first == "Failed to prune images: Validation failed (422)"
    assert second.startswith("  * older_than: 'soon' is not a duration")
