from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.runtimes.containerd.networking.hosts import DELETED, HTTP, known

if TYPE_CHECKING:
    from tests.runtimes.containerd.networking.hosts import Host

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces"),
]


async def test_what_cannot_be_given_back_is_tried_again(host: Host) -> None:
    await host.join(1, HTTP)
    host.breaks("DEL")
    await host.networks.leave(host.id())
    assert host.networks.joined(host.id()) is None
    assert host.results() == [host.id()]
    assert host.keeper.zones == {}
    host.mends("DEL")
    host.calls()
    later = host.server()
    await host.server("another").sweep(known())
    assert host.calls() == []
    await later.sweep(known())
    assert host.calls() == DELETED
    assert host.results() == []


async def test_what_has_just_joined_is_no_leftover(host: Host) -> None:
    await host.join()
    await host.networks.sweep(known())
    assert host.networks.joined(host.id()) is not None
    await host.keeper.unpublish("nobody")
    host.keeper.published["long-gone"] = []
    await host.networks.sweep(known())
    assert host.keeper.published == {}
