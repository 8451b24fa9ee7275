"""`ring node orphans` against the API itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ring.core.model.stock import HeldNetwork
from tests.cli.test_real_api import world

if TYPE_CHECKING:
    from tests.api.world import World
    from tests.cli.conftest import Ring

__all__ = ["world"]


@pytest.fixture
def cluttered(world: World) -> World:
    """A network of this server's, and one of whoever."""
    for name, server_id in (("old", world.store.server_id), ("nobodys", "")):
        network = HeldNetwork(f"id-{name}", f"ring_{name}", name, server_id)
        world.instances.runtime.stock.networks[network.id] = network
    return world


@pytest.mark.usefixtures("cluttered")
def test_list(ring: Ring) -> None:
    shown = ring("node", "orphans")
    assert (shown.code, shown.err) == (0, "")
    assert "| network | ring_old     | docker  | yes " in shown.out
    assert "| network | ring_nobodys | docker  | no: it carries no server's id" in shown.out
    assert len(json.loads(ring("node", "orphans", "-o", "json").out)) == 2


def test_remove(ring: Ring, cluttered: World) -> None:
    networks = cluttered.instances.runtime.stock.networks
    refused = ring("node", "orphans", "--remove")
    assert refused.code == 1
    assert "pass --yes to proceed non-interactively" in refused.err
    assert len(networks) == 2
    done = ring("node", "orphans", "--remove", "--yes")
    assert (done.code, done.out) == (0, "Network ring_old removed\nRemoved: 1\n")
    assert set(networks) == {"id-nobodys"}
    assert ring("node", "orphans", "--remove").out == "Removed: 0\n"
