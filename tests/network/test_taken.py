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

    def taken(self) -> set[str]:
        return {str(one) for one in taken.everything(self.at)}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


BASE = {"192.168.1.0/24", "10.46.3.0/24", "10.7.0.9/32"}


def test_routes_and_addresses_rings_own_among_them(machine: Machine) -> None:
    assert machine.taken() == BASE
    assert [str(one.range) for one in taken.foreign(machine.at)] == [
        "192.168.1.0/24",
        "10.7.0.9/32",
    ]


def test_the_subnets_of_other_conflists(machine: Machine) -> None:
    plugin = {
        "type": "bridge",
        "ipam": {"ranges": [[{"subnet": "10.46.8.1/24"}, {"subnet": "fd00::/64"}]]},
    }
    machine.file("/etc/cni/net.d/87-other.conflist", json.dumps({"plugins": [plugin]}))
    machine.file("/etc/cni/net.d/88-broken.conf", "{")
    machine.file("/etc/cni/net.d/89-wrong.conf", '{"subnet": "nowhere"}')
    machine.file("/etc/cni/net.d/99-ring_shop.conflist", '{"subnet": "10.46.99.0/24"}')
    kubernetes = {str(one) for one in taken.KUBERNETES}
    assert machine.taken() == BASE | kubernetes | {"10.46.8.0/24"}


def test_a_machine_that_does_not_tell(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        taken.everything(lambda path: tmp_path / path.lstrip("/"))
