from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.network import taken, way_out
from ring.network.pools import Pools
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.networking import conflists
from ring.runtimes.containerd.networking.subnets import Choice, Subnets

if TYPE_CHECKING:
    from pathlib import Path

POOL = IPv4Network("198.18.64.0/22")
"""Nothing has an address of this range."""


class Host:
    def __init__(self, directory: Path) -> None:
        self.conf = directory / "conf"
        self.former = directory / "former"
        self.state = directory / "state"

    def server(self, server_id: str = "one", state: str = "") -> Subnets:
        pools = Pools(pool=POOL)
        state_dir = self.state / (state or server_id)
        return Subnets(pools, self.conf, state_dir, server_id, former_conf_dirs=(self.former,))

    def moves(self) -> None:
        """What is configured is in a folder from before."""
        self.conf.rename(self.former)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_each_network_has_its_own(host: Host) -> None:
    subnets = host.server()
    assert str(subnets.settle("ring_a").subnet) == "198.18.64.0/24"
    assert str(subnets.settle("ring_b").subnet) == "198.18.65.0/24"
    assert subnets.settle("ring_a") == host.server().settle("ring_a")
    assert subnets.choice("ring_a") == Choice(IPv4Network("198.18.64.0/24"), "one")


def test_its_packets_get_out_of_the_machine_whole(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for narrow in (1400, 1300):  # what is there is not changed
        monkeypatch.setattr(way_out, "mtu_bytes", lambda narrow=narrow: narrow)
        assert host.server().settle("ring_a").plugins[0]["mtu"] == 1400


def test_servers_know_what_the_others_have(host: Host) -> None:
    host.server("one").settle("ring_a")
    assert str(host.server("two").settle("ring_b").subnet) == "198.18.65.0/24"
    assert host.server("two").settle("ring_a") == host.server("one").settle("ring_a")
    assert host.server("two").choice("ring_a") is None


def test_it_stays_when_the_configuration_goes(host: Host) -> None:
    subnets = host.server()
    subnets.settle("ring_a")
    subnets.settle("ring_b")
    for path in host.conf.iterdir():
        path.unlink()
    assert str(subnets.settle("ring_c").subnet) == "198.18.66.0/24"
    assert str(subnets.settle("ring_b").subnet) == "198.18.65.0/24"


def test_what_others_have_taken_since_is_theirs(host: Host) -> None:
    one, two = host.server("one"), host.server("two")
    one.settle("ring_a")
    for path in host.conf.iterdir():
        path.unlink()
    assert str(two.settle("ring_b").subnet) == "198.18.64.0/24"
    assert str(one.settle("ring_a").subnet) == "198.18.65.0/24"
    assert one.choice("ring_a") == Choice(IPv4Network("198.18.65.0/24"), "one")


def test_it_is_free_once_the_network_is_no_more(host: Host) -> None:
    subnets = host.server()
    subnets.settle("ring_a")
    subnets.forget("ring_a")
    subnets.forget("ring_a")
    assert conflists.names(host.conf) == []
    assert str(subnets.settle("ring_b").subnet) == "198.18.64.0/24"


def test_one_that_is_configured_in_a_former_folder_stays_as_it_is(host: Host) -> None:
    before = host.server().settle("ring_a")
    host.moves()
    subnets = host.server("two")
    assert subnets.settle("ring_a") == subnets.configured("ring_a") == before
    assert conflists.names(host.conf) == []
    assert str(host.server().settle("ring_b").subnet) == "198.18.65.0/24"
    assert subnets.names() == ["ring_a", "ring_b"]
    assert subnets.is_configured("ring_a")


def test_nothing_of_it_is_left_in_a_former_folder(host: Host) -> None:
    before = host.server().settle("ring_a")
    host.moves()
    host.conf.mkdir()
    conflists.write(host.conf, before)
    subnets = host.server()
    assert subnets.names() == ["ring_a"]
    subnets.forget("ring_a")
    assert conflists.names(host.former) == conflists.names(host.conf) == []
    assert (subnets.names(), subnets.configured("ring_a")) == ([], None)
    assert not subnets.is_configured("ring_a")


def test_a_folder_that_was_left_does_not_take_the_subnet_away(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = host.server().settle("ring_a")
    host.moves()
    monkeypatch.setattr(taken, "CNI_CONF_DIR", str(host.former))
    subnets = Subnets(Pools(pool=POOL), host.conf, host.state / "one", "one")
    assert subnets.settle("ring_a") == before


def test_none_is_left(host: Host) -> None:
    subnets = host.server()
    for number in range(4):
        subnets.settle(f"ring_{number}")
    with pytest.raises(RuntimeFailure, match="no subnet of /24 is free in") as caught:
        subnets.settle("ring_last")
    assert caught.value.failure.kind is FailureClass.NETWORK_FAILED


def test_nothing_of_a_kubernetes_is_chosen(host: Host) -> None:
    host.conf.mkdir()
    (host.conf / "10-flannel.conflist").write_text("{}")
    pods_and_services = Pools(pool=IPv4Network("10.42.0.0/15"), vm_pool=POOL)
    with pytest.raises(RuntimeFailure, match=r"no subnet of /24 is free in 10\.42\.0\.0/15"):
        Subnets(pods_and_services, host.conf, host.state, "one").settle("ring_a")


def test_a_configuration_that_cannot_be_read(host: Host) -> None:
    host.conf.mkdir()
    conflists.path_of(host.conf, "ring_a").write_text("{")
    with pytest.raises(RuntimeFailure, match="cannot create network 'ring_a'") as caught:
        host.server().settle("ring_a")
    assert caught.value.failure.kind is FailureClass.NETWORK_FAILED


def test_a_choice_that_is_damaged_is_none(host: Host) -> None:
    host.server().settle("ring_a")
    (host.state / "one" / "ring_b.json").write_text("{")
    assert host.server().choice("ring_b") is None
    assert str(host.server().settle("ring_c").subnet) == "198.18.65.0/24"
