"""Ports that were reached, on record: each is named, and no more entries than that takes."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from ring.api.reached import LONGEST_CHARS, SINGLE, WINDOW_S
from ring.core.errors import HostError
from ring.store.audit import Target
from tests.core.test_port_sets import _held

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ring.store.records import AuditEntry
    from tests.api.world import World


def _reached(
    world: World, ports: Iterable[int], user: str = "u", instance: str = "shop_web"
) -> None:
    async def all_at_once() -> None:
        async with asyncio.TaskGroup() as group:
            for port in ports:
                group.create_task(world.app._services.reached.record(user, instance, "shop", port))

    world.run(all_at_once())


def _entries(world: World) -> list[AuditEntry]:
    """Oldest first."""
    found = [entry for page in world.store.audit.pages() for entry in page]
    return [entry for entry in reversed(found) if entry.action == "port_forward"]


def _named(entry: AuditEntry) -> set[int]:
    return _held(entry.target_name.partition(": port")[2].lstrip("s "))


def test_a_few_ports_have_an_entry_each_and_all_others_share_one(world: World) -> None:
    _reached(world, [80, 80, *range(1000, 5000), 80, 22])
    entries = _entries(world)
    first = [f"shop_web: port {port}" for port in (80, *range(1000, 1000 + SINGLE - 1))]
    assert [entry.target_name for entry in entries] == [
        *first,
        f"shop_web: ports 22, {1000 + SINGLE - 1}-4999",
    ]
    assert {(e.user_id, e.target_type, e.namespace) for e in entries} == {("u", "instance", "shop")}


def test_in_whatever_order_every_port_is_named(world: World) -> None:
    ports = list(range(1, 65536, 21))
    random.Random(7).shuffle(ports)
    _reached(world, ports)
    entries = _entries(world)
    assert set().union(*map(_named, entries)) == set(ports)
    assert len(entries) <= SINGLE + 1 + 7 * len(ports) // LONGEST_CHARS
    assert max(len(entry.target_name) for entry in entries) < LONGEST_CHARS + 40


def test_users_instances_and_times_are_told_apart(world: World) -> None:
    many = range(1, SINGLE + 11)
    _reached(world, many)
    _reached(world, many, user="v")
    _reached(world, many, instance="shop_api")
    assert len(_entries(world)) == 3 * (SINGLE + 1)
    world.clock.advance(WINDOW_S)
    _reached(world, many)
    assert len(_entries(world)) == 4 * (SINGLE + 1)
    assert len(world.app._services.reached._windows) == 1, "what is over is forgotten"


def test_an_entry_that_went_with_its_namespace_is_not_anothers(world: World) -> None:
    _reached(world, range(1, SINGLE + 2))
    world._write("DELETE FROM audit_log WHERE namespace = 'shop'")
    world.run(world.store.audit.record("v", "exec", Target("instance", "x: sh", "shop")))
    _reached(world, [1, 9000])
    assert [entry.target_name for entry in _entries(world)] == [
        f"shop_web: ports {SINGLE + 1}, 9000"
    ]


@pytest.mark.parametrize("before", [0, SINGLE])
def test_what_could_not_be_recorded_is_tried_again(world: World, before: int) -> None:
    reached = world.app._services.reached
    _reached(world, range(1, before + 1))
    world._write("ALTER TABLE audit_log RENAME TO aside")

    async def refused() -> None:
        for _ in range(2):
            with pytest.raises(HostError):
                await reached.record("u", "shop_web", "shop", 9000)

    world.run(refused())
    world._write("ALTER TABLE aside RENAME TO audit_log")
    _reached(world, [9000])
    assert _named(_entries(world)[-1]) == {9000}
