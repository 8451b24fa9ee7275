from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from ring.network.cni.results import Record
from ring.network.keeper import Zone
from ring.runtimes.containerd.networking import zones
from ring.runtimes.containerd.networking.conflists import Network

NETWORK = Network(
    "ring_shop", "rbr-1", IPv4Network("10.46.3.0/24"), IPv4Address("10.46.3.1"), {"plugins": []}
)


def web(number: int, state: str = "ready") -> Record:
    result = {
        "interfaces": [{"name": "rbr-1"}, {"name": "eth0", "sandbox": "/run/netns/x"}],
        "ips": [
            {"address": "10.46.3.1/24", "interface": 0},
            {"address": "fd00::9/64", "interface": 1},
            {"address": f"10.46.3.{number}/24", "interface": 1},
        ],
    }
    return Record(
        container_id=f"shop_web_{number}",
        server_id="one",
        network="ring_shop",
        config={},
        result=None if state == "joining" else result,
        names=("web", f"shop_web_{number}"),
        is_ready=state != "unready",
        is_gone=state == "gone",
    )


def test_the_addresses_of_an_instance() -> None:
    assert zones.addresses(web(2)) == ("10.46.3.2", "fd00::9")
    assert zones.addresses(web(2, "joining")) == ()


@pytest.mark.parametrize(
    ("states", "found"),
    [
        (("ready", "ready"), {2, 3}),
        (("ready", "unready"), {2}),
        (("unready", "unready"), {2, 3}),
        (("unready", "gone"), {2}),
        (("gone", "gone"), set()),
        (("joining", "unready"), {3}),
    ],
)
def test_who_has_a_name(states: tuple[str, str], found: set[int]) -> None:
    told = zones.zone(NETWORK, [web(2, states[0]), web(3, states[1])])
    own = {address for address in told.records["web"] if address != "fd00::9"}
    assert own == {f"10.46.3.{number}" for number in found}
    assert (told.gateways, told.subnets) == (("10.46.3.1",), ("10.46.3.0/24",))
    if states[1] == "unready":
        assert told.records["shop_web_3"] == ("10.46.3.3", "fd00::9")


def test_a_name_is_known_without_anybody_who_has_it() -> None:
    told = zones.zone(NETWORK, [web(2)], {"web", "waiting"})
    assert told.records == {
        "shop_web_2": ("10.46.3.2", "fd00::9"),
        "waiting": (),
        "web": ("10.46.3.2", "fd00::9"),
    }


def test_nobody() -> None:
    assert zones.zone(NETWORK, []) == Zone(("10.46.3.1",), ("10.46.3.0/24",), {})
