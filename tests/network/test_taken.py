"""What a machine's files say of its networks; what of it is foreign, doctor's tests look at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ring.network import taken

if TYPE_CHECKING:
    from pathlib import Path

ROUTES = """\
Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
rbr-1\t00032E0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
TRIE = """\
Local:
  |-- 10.7.0.9
     /32 host LOCAL
  |-- 127.0.0.1
     /32 host LOCAL
"""


class Machine:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.file("/proc/net/route", ROUTES)
        self.file("/proc/net/fib_trie", TRIE)

    def file(self, path: str, text: str) -> None:
        place = self.at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def taken(self, cni_conf_dir: str = taken.CNI_CONF_DIR) -> set[str]:
        return {str(one) for one in taken.everything(self.at, cni_conf_dir)}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


BASE = {"192.168.1.0/24", "10.46.3.0/24", "10.7.0.9/32"}
KUBERNETES = {str(one) for one in taken.KUBERNETES}


def conflist(subnet: str) -> str:
    return json.dumps({"plugins": [{"ipam": {"ranges": [[{"subnet": subnet}]]}}]})


def test_routes_and_addresses_rings_own_among_them(machine: Machine) -> None:
    assert machine.taken() == BASE
    assert [str(one.range) for one in taken.foreign(machine.at)] == [
        "192.168.1.0/24",
        "10.7.0.9/32",
    ]


def test_an_interface_may_have_any_name(machine: Machine) -> None:
    with machine.at("/proc/net/route").open("ab") as file:
        file.write("caf\u00e9\u2028\t0002A8C0\t0\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n".encode())
    assert machine.taken() == {*BASE, "192.168.2.0/24"}


def test_the_subnets_of_other_conflists(machine: Machine) -> None:
    plugin = {
        "type": "bridge",
        "ipam": {"ranges": [[{"subnet": "10.46.8.1/24"}, {"subnet": "fd00::/64"}]]},
    }
    machine.file("/etc/cni/net.d/87-other.conflist", json.dumps({"plugins": [plugin]}))
    machine.file("/etc/cni/net.d/88-broken.conf", "{")
    machine.file("/etc/cni/net.d/89-wrong.conf", '{"subnet": "nowhere"}')
    machine.file("/etc/cni/net.d/99-ring_shop.conflist", '{"subnet": "10.46.99.0/24"}')
    assert machine.taken() == BASE | KUBERNETES | {"10.46.8.0/24"}


@pytest.mark.parametrize("at", ["/etc/cni/net.d", "/srv/net.d"])
def test_those_of_cnis_own_folder_wherever_rings_are_configured(machine: Machine, at: str) -> None:
    machine.file(f"{at}/87-other.conflist", conflist("10.46.8.0/24"))
    machine.file("/srv/net.d/99-ring_shop.conflist", conflist("10.46.9.0/24"))
    assert machine.taken("/srv/net.d") == BASE | KUBERNETES | {"10.46.8.0/24"}
    sign = taken.kubernetes_sign(machine.at, "/srv/net.d")
    assert sign == f"{at}/87-other.conflist"
    assert {one.what for one in taken.foreign(machine.at, "/srv/net.d")} >= {
        f"{found} of Kubernetes, which is on this machine ({sign})" for found in KUBERNETES
    }


def test_what_podmans_package_brings_is_no_kubernetes(machine: Machine) -> None:
    machine.file("/etc/cni/net.d/87-podman-bridge.conflist", conflist("10.88.0.0/16"))
    assert machine.taken() == BASE | {"10.88.0.0/16"}
    # All the same it is somebody else's folder.
    assert taken.kubernetes_sign(machine.at) == "/etc/cni/net.d/87-podman-bridge.conflist"
    machine.file("/etc/cni/net.d/90-flannel.conflist", "{}")
    assert machine.taken() == BASE | KUBERNETES | {"10.88.0.0/16"}
    assert taken.kubernetes_sign(machine.at) == "/etc/cni/net.d/90-flannel.conflist"


def test_networks_of_podman_that_nothing_runs_on(machine: Machine) -> None:
    subnets = [{"subnet": "10.89.3.0/24", "gateway": "10.89.3.1"}, {"subnet": "fd01::/64"}]
    told = {"name": "shop", "driver": "bridge", "subnets": subnets}
    machine.file("/etc/containers/networks/shop.json", json.dumps(told))
    machine.file("/etc/containers/networks/host.json", json.dumps({**told, "subnets": None}))
    machine.file("/etc/containers/networks/netavark.lock", "")
    assert machine.taken() == BASE | {"10.89.3.0/24"}
    assert taken.kubernetes_sign(machine.at) is None


def test_a_machine_that_does_not_tell(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        taken.everything(lambda path: tmp_path / path.lstrip("/"))


def test_networks_of_rings_own_that_are_configured(machine: Machine) -> None:
    machine.file("/etc/cni/net.d/99-ring_shop.conflist", conflist("10.46.9.0/24"))
    machine.file("/etc/cni/net.d/99-ring_bank.conflist", "{")
    machine.file("/etc/cni/net.d/50-other.conflist", conflist("10.47.9.0/24"))
    assert of_ring(machine) == ["10.46.9.0/24"]
    assert taken.of_ring(machine.at, but="ring_shop") == []
    assert "10.46.9.0/24" not in machine.taken()


def test_wherever_they_are_configured(machine: Machine) -> None:
    machine.file("/etc/cni/net.d/99-ring_shop.conflist", conflist("10.46.9.0/24"))
    machine.file("/srv/net.d/99-ring_bank.conflist", conflist("10.46.10.0/24"))
    machine.file("/var/lib/ring/cni/net.d/99-ring_edge.conflist", conflist("10.46.11.0/24"))
    assert of_ring(machine) == ["10.46.9.0/24", "10.46.11.0/24"]
    assert of_ring(machine, "/etc/cni/net.d/") == ["10.46.9.0/24", "10.46.11.0/24"]
    assert of_ring(machine, "/srv/net.d") == ["10.46.9.0/24", "10.46.11.0/24", "10.46.10.0/24"]


def of_ring(machine: Machine, cni_conf_dir: str = taken.CNI_CONF_DIR) -> list[str]:
    return [str(found) for found in taken.of_ring(machine.at, cni_conf_dir)]
