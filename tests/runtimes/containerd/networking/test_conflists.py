from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import pytest

from ring.runtimes.containerd.networking import conflists

if TYPE_CHECKING:
    from pathlib import Path

SUBNET = IPv4Network("10.46.3.0/24")


def test_the_usual_one(tmp_path: Path) -> None:
    network = conflists.composed("ring_shop", SUBNET, tmp_path, mtu_bytes=1450)
    assert (network.name, network.bridge) == ("ring_shop", "rbr-8b641097c55")
    assert (network.subnet, network.gateway) == (SUBNET, IPv4Address("10.46.3.1"))
    assert network.config == json.loads(
        """
        {"cniVersion":"1.0.0","name":"ring_shop","plugins":[
         {"type":"bridge","bridge":"rbr-8b641097c55","isGateway":true,"ipMasq":true,
          "hairpinMode":true,"mtu":1450,
          "ipam":{"type":"host-local","ranges":[[{"subnet":"10.46.3.0/24","gateway":"10.46.3.1"}]],
           "routes":[{"dst":"0.0.0.0/0"}]}},
         {"type":"portmap","capabilities":{"portMappings":true},"snat":true},
         {"type":"firewall","ingressPolicy":"same-bridge"}]}
        """
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert conflists.read(tmp_path, "ring_shop") is None
    network = conflists.composed("ring_shop", SUBNET, tmp_path, mtu_bytes=1450)
    conflists.write(tmp_path, network)
    assert [path.name for path in tmp_path.iterdir()] == ["99-ring_shop.conflist"]
    assert conflists.read(tmp_path, "ring_shop") == network
    (tmp_path / "10-other.conflist").touch()
    assert conflists.names(tmp_path) == ["ring_shop"]
    assert conflists.names(tmp_path / "nowhere") == []


def test_an_operators_template(tmp_path: Path) -> None:
    plugins = [
        {
            "type": "bridge",
            "bridge": "cni0",
            "mtu": 1400,
            "ipam": {"type": "host-local", "subnet": "10.0.0.0/8", "routes": [{"dst": "::/0"}]},
        },
        {"type": "bandwidth"},
    ]
    (tmp_path / conflists.TEMPLATE).write_text(json.dumps({"name": "ring", "plugins": plugins}))
    network = conflists.composed("ring_shop", SUBNET, tmp_path, mtu_bytes=1450)
    assert network.subnet == SUBNET
    assert network.config["name"] == "ring_shop"
    bridge, bandwidth = network.plugins
    assert bandwidth == {"type": "bandwidth"}
    assert bridge == {
        "type": "bridge",
        "bridge": "rbr-8b641097c55",
        "mtu": 1400,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": "10.46.3.0/24", "gateway": "10.46.3.1"}]],
            "routes": [{"dst": "::/0"}],
        },
    }


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"plugins": [{"type": "ptp"}]}', '"x"'])
def test_what_is_no_configuration(text: str, tmp_path: Path) -> None:
    for name in (conflists.TEMPLATE, "99-ring_shop.conflist"):
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=r"10-ring\.conflist is no template"):
        conflists.composed("ring_shop", SUBNET, tmp_path, mtu_bytes=1450)
    with pytest.raises(ValueError, match=r"99-ring_shop\.conflist is no configuration"):
        conflists.read(tmp_path, "ring_shop")


def test_the_configuration_of_another(tmp_path: Path) -> None:
    network = conflists.composed("ring_bank", SUBNET, tmp_path, mtu_bytes=1450)
    (tmp_path / "99-ring_shop.conflist").write_text(json.dumps(network.config))
    with pytest.raises(ValueError, match="of another network, 'ring_bank'"):
        conflists.read(tmp_path, "ring_shop")
