"""What joins and leaves, and what is done when something fails."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import GroupKey
from ring.network import netns
from ring.network.keeper import KeeperProblem
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.networking import conflists
from ring.runtimes.shortcomings import NO_ISOLATION, NO_NAMES
from tests.runtimes.containerd.networking.hosts import ADDED, DELETED, HTTP

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.runtimes.containerd.networking.hosts import Host

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces"),
]


def pids(*told: int | None) -> Callable[[], Awaitable[int | None]]:
    """One after the other, and the last one for ever."""
    left = list(told)

    async def tell() -> int | None:
        return left.pop(0) if len(left) > 1 else left[0]

    return tell


async def test_one_joins_and_leaves(host: Host) -> None:
    address = await host.join(1, HTTP)
    assert host.calls() == ADDED
    assert address is not None
    joined = host.networks.joined(host.id())
    assert joined is not None
    assert (joined.network, joined.addresses) == ("ring_shop", (address,))
    assert netns.is_there(netns.path_of(host.id()))
    assert host.networks.netns(host.id()) == f"/run/netns/{host.id()}"
    assert host.keeper.published[host.id()][0].address == address
    assert host.keeper.zones["ring_shop"].records["web"] == (address,)
    assert await host.networks.gateway("shop") == host.keeper.zones["ring_shop"].gateways[0]
    await host.networks.leave(host.id())
    assert host.calls() == DELETED
    assert host.networks.joined(host.id()) is None
    assert not netns.path_of(host.id()).exists()
    assert (host.keeper.published, host.keeper.zones, host.results()) == ({}, {}, [])
    await host.networks.leave(host.id())
    assert host.calls() == []


async def test_it_is_known_to_the_next_server(host: Host) -> None:
    await host.join()
    known = host.networks.joined(host.id())
    host.networks = host.server()
    assert host.networks.joined(host.id()) == known
    host.calls()
    await host.join()
    assert host.calls() == [*DELETED, *ADDED]


async def test_a_plugin_fails(host: Host) -> None:
    host.breaks("ADD")
    with pytest.raises(RuntimeFailure, match=r"network 'ring_shop'.* bridge.*broken") as caught:
        await host.join(1, HTTP)
    assert caught.value.failure.kind is FailureClass.NETWORK_FAILED
    assert host.calls() == [ADDED[0], *DELETED]
    assert host.networks.joined(host.id()) is None
    assert not netns.path_of(host.id()).exists()
    assert (host.keeper.published, host.keeper.zones, host.results()) == ({}, {}, [])


async def test_a_port_is_taken(host: Host) -> None:
    await host.join(1, HTTP)
    host.calls()
    with pytest.raises(RuntimeFailure, match="port 8080 is already allocated") as caught:
        await host.join(2, HTTP)
    assert caught.value.failure.kind is FailureClass.PORT_IN_USE
    assert not set(ADDED) & set(host.calls())
    assert host.results() == [host.id(1)]


async def test_names_that_nobody_answers_are_told(host: Host) -> None:
    host.keeper.wrong = KeeperProblem("port 53 is taken")
    await host.join()
    (told,) = host.networks.shortcomings("shop")
    assert told.reason == NO_NAMES
    assert "port 53 is taken" in told.message
    host.keeper.wrong = None
    await host.networks.note({}, ())
    assert host.networks.shortcomings("shop") == ()
    assert set(host.keeper.zones["ring_shop"].records) == {"web", host.id()}


async def test_who_is_ready_outlives_the_server(host: Host) -> None:
    first, second = await host.join(1), await host.join(2)
    await host.networks.note({host.id(1): False}, ())
    assert host.keeper.zones["ring_shop"].records["web"] == (second,)
    host.keeper.zones.clear()
    later = host.server()
    await later.note({}, ())
    assert host.keeper.zones["ring_shop"].records["web"] == (second,)
    await later.note({host.id(1): True}, {host.id(2)})
    assert host.keeper.zones["ring_shop"].records["web"] == (first,)
    assert host.keeper.zones["ring_shop"].records[host.id(2)] == ()


async def test_a_deployment_without_instances_is_known(host: Host) -> None:
    waiting, web = GroupKey("shop", "waiting"), GroupKey("shop", "web")
    assert host.networks.know(waiting, is_there=True)
    assert not host.networks.know(waiting, is_there=True)
    await host.networks.note({}, ())
    assert (host.keeper.zones, await host.networks.networks()) == ({}, ())
    address = await host.join()
    assert host.keeper.zones["ring_shop"].records == {
        "waiting": (),
        "web": (address,),
        host.id(): (address,),
    }
    for key, is_there in ((waiting, False), (web, True), (GroupKey("bank", "vault"), True)):
        assert host.networks.know(key, is_there=is_there)
    await host.networks.note({}, ())
    assert set(host.keeper.zones) == {"ring_shop"}
    assert set(host.keeper.zones["ring_shop"].records) == {"web", host.id()}
    other = await host.join(2)
    await host.networks.leave(host.id(1))
    assert host.keeper.zones["ring_shop"].records["web"] == (other,)
    await host.networks.leave(host.id(2))
    assert host.keeper.zones == {}


async def test_the_next_server_tells_of_it_as_well(host: Host) -> None:
    await host.join()
    later = host.server()
    assert later.know(GroupKey("shop", "waiting"), is_there=True)
    await later.note({}, ())
    assert host.keeper.zones["ring_shop"].records["waiting"] == ()


async def test_without_names(host: Host) -> None:
    host.settings = replace(host.settings, dns=False)
    host.networks = host.server()
    await host.join()
    await host.networks.note({}, ())
    assert host.keeper.zones == {}


async def test_plugins_are_missing(host: Host) -> None:
    (host.directory / "bridge").unlink()
    with pytest.raises(RuntimeFailure, match=f"bridge are not in {host.directory}") as caught:
        await host.networks.ensure("shop")
    assert caught.value.failure.kind is FailureClass.NETWORK_FAILED
    assert "containernetworking-plugins" in caught.value.message


async def test_it_is_not_apart(host: Host) -> None:
    (host.directory / "iptables").write_text("#!/bin/sh\nexit 4\n")
    await host.networks.ensure("shop")
    (told,) = host.networks.shortcomings("shop")
    assert told.reason == NO_ISOLATION
    assert host.networks.shortcomings("bank") == ()


async def test_a_configuration_that_somebody_deleted_comes_back(host: Host) -> None:
    await host.networks.ensure("shop")
    path = host.settings.cni_conf_dir / "99-ring_shop.conflist"
    written = path.read_text()
    path.unlink()
    await host.networks.ensure("shop")
    assert path.read_text() == written
    assert [held.server_id for held in await host.networks.networks()] == ["one"]


async def test_one_that_is_configured_where_they_were_before_is_known_and_removed(
    host: Host,
) -> None:
    await host.networks.ensure("shop")
    former = host.directory / "former"
    host.settings.cni_conf_dir.rename(former)
    host.settings = replace(host.settings, former_conf_dirs=(former,))
    networks = host.server()
    assert [held.name for held in await networks.networks()] == ["ring_shop"]
    await networks.ensure("shop")
    assert conflists.names(former) == ["ring_shop"]
    assert conflists.names(host.settings.cni_conf_dir) == []
    await networks.remove("ring_shop")
    assert conflists.names(former) == []
    assert await networks.networks() == ()


async def test_a_live_one_is_put_back(host: Host) -> None:
    address = await host.join(1, HTTP)
    names = ("web", host.id())
    with host.running() as pid:
        await host.networks.attach(host.id(), pids(pid), "shop", (HTTP,), names)
        joined = host.networks.joined(host.id())
        assert joined is not None
        assert joined.addresses == (address,)
        netns.remove(host.id())
        netns.make(host.id())
        host.keeper.published.clear()
        host.calls()
        await host.networks.attach(host.id(), pids(pid), "shop", (HTTP,), names)
    assert host.id() in host.keeper.published


async def test_what_nobody_knows_of_is_put_on_its_network(host: Host) -> None:
    with host.running() as pid:
        await host.networks.attach(host.id(), pids(pid), "shop", (), ("web", host.id()))
    assert host.calls() == [*DELETED, *ADDED]
    assert host.networks.joined(host.id()) is not None


@pytest.mark.parametrize("later", [None, 1])
async def test_one_that_ends_meanwhile_is_let_be(later: int | None, host: Host) -> None:
    """Its process may be another's by then."""
    with host.running() as pid:
        await host.networks.attach(host.id(), pids(pid, later), "shop", (), ("web",))
    await host.networks.attach(host.id(), pids(None), "shop", (), ("web",))
    # containerd tells of it for a moment after its process has gone.
    await host.networks.attach(host.id(), pids(2**22 + 1), "shop", (), ("web",))
    assert not netns.path_of(host.id()).exists()
    assert (host.calls(), host.results()) == ([], [])


async def test_nobody_is_put_on_the_network_of_the_machine(host: Host) -> None:
    with pytest.raises(RuntimeFailure, match="of the machine itself") as caught:
        await host.networks.attach(host.id(), pids(os.getpid()), "shop", (), ("web",))
    assert caught.value.failure.kind is FailureClass.NETWORK_FAILED
    assert not netns.path_of(host.id()).exists()
    assert (host.calls(), host.results()) == ([], [])


async def test_what_another_with_the_same_files_has_given_back_is_let_be(host: Host) -> None:
    await host.join()
    other = host.server()
    await other.note({host.id(): True}, ())
    await host.networks.leave(host.id())
    host.calls()
    await other.note({}, {host.id()})
    await other.leave(host.id())
    assert host.calls() == []
    assert host.results() == []
