"""Where Podman cannot serve a port, none is published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.spec import Port
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.docker.connection import Connection, parse_host
from ring.runtimes.podman.publishing import require_served
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
