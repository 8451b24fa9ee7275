from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ring.network import way_out

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
LAN = "eth1\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"


def default(interface: str, metric: int = 0, flags: str = "0003") -> str:
    return f"{interface}\t00000000\t0101A8C0\t{flags}\t0\t0\t{metric}\t00000000\t0\t0\t0\n"


def mtu(root: Path, routes: str, **interfaces: str) -> int:
    def at(path: str) -> Path:
        return root / path.lstrip("/")

    files = {f"/sys/class/net/{name}/mtu": text for name, text in interfaces.items()}
    for path, text in {"/proc/net/route": HEAD + routes, **files}.items():
        at(path).parent.mkdir(parents=True, exist_ok=True)
        at(path).write_bytes(os.fsencode(text))
    return way_out.mtu_bytes(at)


@pytest.mark.parametrize(("told", "found"), [("1400\n", 1400), ("1500\n", 1500), ("9000\n", 1500)])
def test_that_of_the_default_route_up_to_ethernets(tmp_path: Path, told: str, found: int) -> None:
    assert mtu(tmp_path, LAN + default("eth0"), eth0=told, eth1="576\n") == found


def test_the_default_route_that_is_used(tmp_path: Path) -> None:
    routes = default("eth0", 600) + default("wg0", 50) + default("*", 0, "0200")
    assert mtu(tmp_path, routes, eth0="1500\n", wg0="1420\n") == 1420


def test_names_may_be_of_any_bytes(tmp_path: Path) -> None:
    other, out = "lan\udcff", "tunnel\udcfe"
    routes = LAN.replace("eth1", other) + default(out)
    assert mtu(tmp_path, routes, **{out: "1400\n"}) == 1400


@pytest.mark.parametrize(
    "routes", ["", LAN, default("gone"), default("eth0", flags="odd"), "eth0\n", default("none")]
)
def test_nothing_tells(tmp_path: Path, routes: str) -> None:
    assert mtu(tmp_path, routes, eth0="1400\n", none="0\n") == 1500


def test_a_machine_that_does_not_tell(tmp_path: Path) -> None:
    assert way_out.mtu_bytes(lambda path: tmp_path / path.lstrip("/")) == 1500
