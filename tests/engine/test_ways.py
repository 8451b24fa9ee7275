"""Over which network a port of an instance is reached."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.core.model.spec import DeploymentSpec
from ring.engine.ways import Way, way
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.fake.engine import FakeEngine
from ring.runtimes.fake.runtime import FakeRuntime

if TYPE_CHECKING:
    from socket import AddressFamily
    from socket import socket as Socket

ONE = InstanceId("one")
WEB = {"name": "web", "namespace": "shop", "runtime": "podman", "image": "x"}


class Apart(FakeRuntime):
    """Its instances are on networks of their own; where is_open, there is a way in."""

    def __init__(self, *, is_open: bool) -> None:
        super().__init__(FakeEngine())
        self.is_open = is_open
        self.made: list[Socket] = []

    async def socket(self, instance_id: InstanceId, family: AddressFamily) -> Socket | None:
        assert instance_id == ONE
        if not self.is_open:
            raise RuntimeFailure(FailureClass.OTHER, "no way leads there")
        self.made.append(socket.socket(family))
        return self.made[-1]


def found(
    runtime: FakeRuntime,
    address: str = "10.89.0.2",
    port: int = 80,
    *,
    only_named: bool = False,
    **more: object,
) -> Way:
    spec = DeploymentSpec.model_validate_json(json.dumps({**WEB, **more}))
    return asyncio.run(way(runtime, spec, ONE, address, port, only_named=only_named))


def test_by_the_address_where_there_is_nothing_else() -> None:
    assert found(FakeRuntime(FakeEngine())) == Way("10.89.0.2", 80)


@pytest.mark.parametrize(
    ("address", "family"), [("10.89.0.2", socket.AF_INET), ("fd00::2", socket.AF_INET6)]
)
def test_from_inside(address: str, family: AddressFamily) -> None:
    runtime = Apart(is_open=True)
    ports = [{"published": 8080, "target": 80}]
    by = found(runtime, address, ports=ports)
    (made,) = runtime.made
    with made:
        assert by == Way(address, 80, made)
        assert made.family == family


@pytest.mark.parametrize(
    ("port", "address"),
    [
        ({"published": 8080, "target": 80}, "127.0.0.1"),
        ({"published": 8080, "target": 80, "host_ip": "::"}, "127.0.0.1"),
        ({"published": 8080, "target": 80, "host_ip": "192.0.2.7"}, "192.0.2.7"),
    ],
)
def test_by_a_published_port_where_no_way_leads_inside(
    port: dict[str, object], address: str
) -> None:
    udp = {"published": 8081, "target": 80, "protocol": "udp"}
    assert found(Apart(is_open=False), ports=[udp, port]) == Way(address, 8080)


@pytest.mark.parametrize(
    "ports", [[], [{"published": 8080, "target": 81}]], ids=["none", "another"]
)
def test_no_way_at_all(ports: list[dict[str, object]]) -> None:
    with pytest.raises(RuntimeFailure, match="no way leads there"):
        found(Apart(is_open=False), ports=ports)


def test_by_a_port_whose_address_nobody_named_only_where_it_may_be_anybodys() -> None:
    """A setting may bind it elsewhere; then another program can have it here."""
    runtime = Apart(is_open=False)
    unnamed = {"published": 8080, "target": 80}
    with pytest.raises(RuntimeFailure, match="no way leads there"):
        found(runtime, ports=[unnamed], only_named=True)
    named = {"published": 8081, "target": 80, "host_ip": "127.0.0.1"}
    assert found(runtime, ports=[unnamed, named], only_named=True) == Way("127.0.0.1", 8081)
