"""Where Podman cannot serve a port, none is published; nor beside what is cleaned up after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.core.model.spec import Port
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.docker.connection import Connection, parse_host
from ring.runtimes.podman import publishing
from ring.runtimes.podman.publishing import await_ports, require_served
from tests.runtimes.docker import scripted
from tests.runtimes.docker.orders import order
from tests.runtimes.docker.scripted import answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.runtimes.docker.scripted import Script

pytestmark = pytest.mark.anyio

INFO = "GET /v4.0.0/libpod/info"
NETWORK = "GET /v1.41/networks/ring_shop"
IPV4 = {"Subnet": "10.89.0.0/24"}
IPV6 = {"Subnet": "fd00::/64"}


@pytest.fixture
async def script(tmp_path: Path) -> AsyncIterator[Script]:
    async with scripted.engine(tmp_path) as one:
        one.say(INFO, answer({"host": {"security": {"rootless": False}}}))
        yield one


@pytest.fixture
async def connection(script: Script) -> AsyncIterator[Connection]:
    one = Connection(parse_host(script.host, "podman"))
    yield one
    await one.close()


@pytest.mark.parametrize("address", [None, "127.0.0.1", "10.1.2.3"])
async def test_over_ipv4_nothing_is_asked(
    script: Script, connection: Connection, address: str | None
) -> None:
    await require_served(connection, order(ports=(Port(published=80, target=80, host_ip=address),)))
    assert script.asked == []


@pytest.mark.parametrize(
    ("address", "pools", "is_served"),
    [
        ("::1", [IPV4], False),
        ("::", [IPV4], False),
        ("2001:db8::1", [IPV4], False),
        ("2001:db8::1", [IPV4, IPV6], True),
        ("::", [IPV6], True),
        ("::1", [IPV4, IPV6], False),
        ("::", None, False),
    ],
)
async def test_over_ipv6_the_network_must_have_it(
    script: Script, connection: Connection, address: str, pools: object, is_served: bool
) -> None:
    script.say(NETWORK, answer({"IPAM": {"Config": pools}}))
    ports = (Port(published=80, target=80), Port(published=81, target=80))
    wanted = order(ports=ports, default_host_ip=address)
    if is_served:
        await require_served(connection, wanted)
        return
    with pytest.raises(RuntimeFailure) as caught:
        await require_served(connection, wanted)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert caught.value.message.startswith(f"port 80 cannot be published on {address}: ")


async def test_without_root_a_proxy_serves_all(script: Script, connection: Connection) -> None:
    script.say(INFO, answer({"host": {"security": {"rootless": True}}}))
    await require_served(connection, order(ports=(Port(published=80, target=80, host_ip="::1"),)))


LISTING = "GET /v4.0.0/libpod/containers/json"
MINE = InstanceId("a" * 64)


def listed(instance_id: str, state: str, port: int, **other: object) -> dict[str, object]:
    told = {"host_ip": "", "host_port": port, "range": 1, "protocol": "tcp", **other}
    return {"Id": instance_id, "State": state, "Ports": [told]}


def looks(script: Script) -> int:
    return sum(one.startswith(LISTING) for one in script.asked)


def others(*told: dict[str, object]) -> bytes:
    return answer([listed(MINE, "created", 8080, host_ip="127.0.0.1"), *told])


@pytest.mark.parametrize("state", ["running", "paused", "stopping"])
@pytest.mark.parametrize("address", ["", "0.0.0.0", "127.0.0.1"])  # noqa: S104 - compared only
async def test_nothing_begins_beside_who_has_its_port(
    script: Script, connection: Connection, state: str, address: str
) -> None:
    script.say(LISTING, others(listed("b", state, 8080, host_ip=address)))
    with pytest.raises(RuntimeFailure, match="port 8080 is already allocated") as told:
        await await_ports(connection, MINE)
    assert told.value.failure.kind is FailureClass.PORT_IN_USE


@pytest.mark.parametrize(
    "other",
    [
        listed("b", "exited", 8080),
        listed("b", "created", 8080),
        listed("b", "running", 8081),
        listed("b", "running", 8080, protocol="udp"),
        listed("b", "running", 8080, host_ip="10.0.0.1"),
        listed("b", "stopped", 8070, range=10),
        {"Id": "b", "State": "running", "Ports": None},
    ],
)
async def test_others_are_not_waited_for(
    script: Script, connection: Connection, other: dict[str, object]
) -> None:
    script.say(LISTING, others(other))
    await await_ports(connection, MINE)
    assert looks(script) == 1


@pytest.mark.parametrize("state", ["stopped", "removing"])
async def test_who_has_ended_is_waited_for(
    script: Script, connection: Connection, state: str
) -> None:
    held = others(listed("b", state, 8075, range=10))
    script.say(LISTING, held, held, others())
    await await_ports(connection, MINE)
    assert looks(script) == 3


async def test_what_is_never_cleaned_up_holds_up_nobody_for_ever(
    script: Script, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "CLEANED_UP_S", 0.1)
    script.say(LISTING, others(listed("b", "stopped", 8080)))
    await await_ports(connection, MINE)
    assert looks(script) == 2


async def test_an_engine_that_does_not_list_is_not_asked_again(
    script: Script, connection: Connection
) -> None:
    script.say(LISTING, answer({"message": "no"}, 500))
    await await_ports(connection, MINE)
