"""Which instance is entered, of those that there are."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ring.core.model.health import CheckState
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.core.model.observed import Instance, State
from ring.engine.entering import Entering, NoWayIn
from ring.runtimes.fake.engine import FakeEngine
from ring.runtimes.fake.runtime import FakeRuntime
from tests.api.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ring.core.model.deployment import Deployment

MADE = datetime(2027, 3, 2, tzinfo=UTC)
CHECK = {"type": "tcp", "port": 80, "interval": "1s", "timeout": "1s", "on_failure": "alert"}
OPTIONS = (socket.SO_DONTROUTE, socket.SO_KEEPALIVE)
GREEN, RED = CheckState("success", 0, 1.0), CheckState("failed", 1, None)


class Held:
    def __init__(self, *instances: Instance) -> None:
        self._instances = instances

    def instances(self, _: DeploymentId) -> tuple[Instance, ...]:
        return self._instances

    def __getattr__(self, name: str) -> Any:  # nothing else is asked here
        raise AssertionError(name)


def instance(name: str, age: int, state: State = State.RUNNING) -> Instance:
    return Instance(
        InstanceId(f"id-{name}"),
        InstanceName(f"shop_web_{name}"),
        DeploymentId("x"),
        "s",
        state,
        MADE - timedelta(seconds=age),
    )


@pytest.fixture
def row() -> Iterator[Deployment]:
    world = World()
    identity = world.apply(health_checks=[CHECK, {**CHECK, "readiness": True}]).json["id"]
    found = world.store.deployment(identity)
    assert found is not None
    yield found
    world.close()


def chosen(
    row: Deployment, held: Held, states: Mapping[InstanceId, CheckState], wanted: str = ""
) -> str:
    """The readiness check is the second one; the first is red everywhere."""
    told = {one: {0: RED, 1: state} for one, state in states.items()}
    entering = Entering({}, {"docker": held}, lambda _: told)
    return entering.choose(row, wanted)[0].name.rpartition("_")[2]


OLD, NEW, DEAD = instance("old", 9), instance("new", 1), instance("dead", 0, State.EXITED)


@pytest.mark.parametrize(
    ("states", "name"),
    [
        ({}, "new"),
        ({OLD.id: GREEN}, "old"),
        ({OLD.id: GREEN, NEW.id: RED}, "old"),
        ({OLD.id: GREEN, NEW.id: GREEN}, "new"),
        ({OLD.id: RED, NEW.id: RED}, "new"),
    ],
)
def test_the_newest_that_is_ready_goes_first(
    row: Deployment, states: Mapping[InstanceId, CheckState], name: str
) -> None:
    assert chosen(row, Held(NEW, OLD, DEAD), states) == name


@pytest.mark.parametrize("wanted", ["old", "web_old", "id-o", "id-old", "shop_web_old"])
def test_who_is_named_is_taken(row: Deployment, wanted: str) -> None:
    assert chosen(row, Held(NEW, OLD), {NEW.id: GREEN}, wanted) == "old"


def test_a_whole_name_is_meant_before_what_only_has_it(row: Deployment) -> None:
    longer = instance("old2", 0)
    assert chosen(row, Held(OLD, longer), {}, "shop_web_old") == "old"


@pytest.mark.parametrize(
    ("held", "wanted", "why"),
    [
        ((), "", "no instance of shop/web runs (it has none); its status is creating"),
        ((DEAD,), "", "no instance of shop/web runs (its instances are: exited); its status is "),
        ((OLD, DEAD), "dead", "that runs is called 'dead'; there are: shop_web_old"),
        (tuple(instance(f"{n}", n) for n in range(7)), "x", "shop_web_4 and 2 more"),
    ],
)
def test_why_none_is(row: Deployment, held: tuple[Instance, ...], wanted: str, why: str) -> None:
    with pytest.raises(NoWayIn) as told:
        chosen(row, Held(*held), {}, wanted)
    assert why in told.value.message


def test_no_router_is_asked_for_the_way_to_an_instance(row: Deployment) -> None:
    async def main() -> tuple[int, int]:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        entering = Entering({"docker": FakeRuntime(FakeEngine())}, {}, lambda _: {})
        _, writer = await entering.connect(row, replace(NEW, address="127.0.0.1"), port)
        link = writer.get_extra_info("socket")
        told = [link.getsockopt(socket.SOL_SOCKET, one) for one in OPTIONS]
        writer.transport.abort()
        server.close()
        return told[0], told[1]

    assert asyncio.run(main()) == (1, 1)
