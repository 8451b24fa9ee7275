"""`ring apply` and namespaces: their network settings are updated only where they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ring.manifest.namespace_network import same
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ended, Ring
    from tests.cli.stub import Stub

EXISTS = problem(409, "Conflict", "namespace 'shop' already exists")
NOTHING = "\nSummary:\n  Successful: 0\n"


def apply(ring: Ring, network: str | None) -> Ended:
    declared = "" if network is None else f", network: {network}"
    (ring.home / "ring.yaml").write_text(f"namespaces: {{n: {{name: shop{declared}}}}}\n")
    return ring("apply", "-f", str(ring.home / "ring.yaml"))


def stored(stub: Stub, network: object) -> None:
    row = {"id": "7", "name": "shop", "network": network}
    stub.on("POST /namespaces", EXISTS)
    stub.on("GET /namespaces/shop", Answer(200, row))
    stub.on("PUT /namespaces/shop/network", Answer(200, row))


def test_a_new_one_is_sent_with_its_network(ring: Ring, stub: Stub) -> None:
    stub.on("POST /namespaces", Answer(201, {"id": "7"}))
    assert apply(ring, "{mtu: 1450, subnet: 10.0.0.0/24}").code == 0
    assert stub.requests[0].json == {
        "name": "shop",
        "network": {"mtu": 1450, "subnet": "10.0.0.0/24"},
    }


def test_one_without_a_network_is_not_looked_at(ring: Ring, stub: Stub) -> None:
    stored(stub, {"mtu": 1450})
    for network in (None, "null"):
        assert apply(ring, network).out == f"Namespace 'shop' already exists, skipping\n{NOTHING}"
    assert stub.seen() == ["POST /namespaces"] * 2


def test_an_equal_network_is_left_alone(ring: Ring, stub: Stub) -> None:
    stored(stub, {"mtu": 1450, "internal": False, "gateway": None})
    ended = apply(ring, "{mtu: 1450, icc: true}")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"Namespace 'shop' already exists, skipping\n{NOTHING}"
    assert stub.seen() == ["POST /namespaces", "GET /namespaces/shop"]


@pytest.mark.parametrize("shown", [None, {}, {"mtu": 1400}, {"mtu": 1450, "internal": True}])
def test_another_network_is_updated(ring: Ring, stub: Stub, shown: object) -> None:
    stored(stub, shown)
    ended = apply(ring, "{mtu: 1450}")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"Namespace 'shop' network updated\n{NOTHING}"
    assert stub.seen()[-1] == "PUT /namespaces/shop/network"
    assert stub.requests[-1].json == {"mtu": 1450}


@pytest.mark.parametrize("route", ["GET /namespaces/shop", "PUT /namespaces/shop/network"])
def test_failures(ring: Ring, stub: Stub, route: str) -> None:
    stored(stub, None)
    stub.on(route, problem(422, "Validation failed", "", ("mtu", "must be 576 to 9216")))
    ended = apply(ring, "{mtu: 1}")
    assert ended.code == 1
    assert ended.err == (
        "Failed to update network of namespace 'shop': Validation failed (422)\n"
        "  * mtu: must be 576 to 9216\n"
    )


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({}, None, True),
        ({"labels": {}}, {}, True),
        ({"policy": {"egress": "deny"}}, {"policy": {"ingress": "allow", "egress": "deny"}}, True),
        ({"policy": {"egress": "deny"}}, {}, False),
        ({"masquerade": False}, {}, False),
        ({"subnet": "10.0.0.0/24"}, {"subnet": {"docker": "10.0.0.0/24"}}, False),
        ({"mtu": 1450}, {"mtu": 1450, "host_ip": "127.0.0.1"}, False),
    ],
)
def test_the_same_settings(one: Any, other: Any, *, is_same: bool) -> None:
    assert same(one, other) is is_same
    assert same(other, one) is is_same
