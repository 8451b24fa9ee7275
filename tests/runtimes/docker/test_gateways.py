from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.docker.connection import Connection, parse_host
from ring.runtimes.docker.gateways import gateway
from tests.runtimes.docker import scripted
from tests.runtimes.docker.orders import order
from tests.runtimes.docker.scripted import answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.runtimes.docker.scripted import Script

pytestmark = pytest.mark.anyio

ASKING = order(extra_hosts={"a": "10.0.0.1", "host": "host-gateway"}).spec
NETWORK = "GET /v1.41/networks/ring_shop"


@pytest.fixture
async def script(tmp_path: Path) -> AsyncIterator[Script]:
    async with scripted.engine(tmp_path) as one:
        yield one


@pytest.fixture
async def connection(script: Script) -> AsyncIterator[Connection]:
    one = Connection(parse_host(script.host))
    yield one
    await one.close()


@pytest.mark.parametrize(
    ("pools", "address"),
    [
        ([{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.9"}], "172.18.0.9"),
        ([{"Subnet": "10.1.0.0/24"}], "10.1.0.1"),
        ([{"Subnet": "fd00::/64", "Gateway": "fd00::1/64"}], "fd00::1"),
        ([{"Gateway": "fd00::1"}, {"Gateway": "10.1.0.1"}], "10.1.0.1"),
        ([{"Subnet": "nonsense"}, {}], None),
        (None, None),
    ],
)
async def test_of_the_network(
    script: Script, connection: Connection, pools: object, address: str | None
) -> None:
    script.say(NETWORK, answer({"IPAM": {"Config": pools}}))
    assert await gateway(connection, ASKING, "ring_shop") == address


async def test_is_looked_up_only_where_it_is_asked_for(
    script: Script, connection: Connection
) -> None:
    spec = order(extra_hosts={"a": "10.0.0.1"}).spec
    assert await gateway(connection, spec, "ring_shop") is None
    assert script.asked == []


async def test_of_the_hosts_own_network(script: Script, connection: Connection) -> None:
    assert await gateway(connection, ASKING, "host") == "127.0.0.1"
    assert script.asked == []


async def test_of_a_network_that_is_not_there(script: Script, connection: Connection) -> None:
    script.say(NETWORK, answer({"message": "network ring_shop not found"}, 404))
    assert await gateway(connection, ASKING, "ring_shop") is None
    script.say(NETWORK, answer({"message": "boom"}, 500))
    with pytest.raises(RuntimeFailure, match="boom") as caught:
        await gateway(connection, ASKING, "ring_shop")
    assert caught.value.failure.kind is FailureClass.NETWORK_FAILED
