"""Networks as they really are, in a network of the test's own: run by test_networks_on_host."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from ring.core.model.failures import FailureClass
from ring.core.model.ids import GroupKey
from ring.network import links, netns
from ring.runtimes.containerd.networking import conflists
from ring.runtimes.containerd.networking.leased import LEASES
from ring.runtimes.containerd.networking.published import Published
from ring.runtimes.shortcomings import PORTS_RELAYED
from tests.runtimes.containerd.networking.inside import (
    HOST,
    Inside,
    begun,
    fails,
    host_hears,
    known,
    run,
)
from tests.runtimes.containerd.networking.pods_inside import pods_of_kubernetes_reach_each_other


async def one_namespace_is_one_network(inside: Inside) -> None:
    first = await inside.join("shop", "web-1")
    second = await inside.join("shop", "web-2")
    other = await inside.join("bank", "vault-1")
    async with (
        await inside.serve("web-2", 80, b"two"),
        await inside.serve("vault-1", 80, b"gold"),
    ):
        assert await inside.hears("web-1", second, 80) == b"two"
        assert await inside.hears("web-1", other, 80) is None
        assert await inside.hears("vault-1", second, 80) is None
        assert await host_hears(other, 80) == b"gold"
    assert await inside.resolved("web-1", "web") == {first, second}
    assert await inside.resolved("web-1", inside.id("web-2")) == {second}
    assert await inside.resolved("web-1", "vault") is None
    assert await inside.resolved("vault-1", "vault") == {other}
    shop = inside.namespace("shop")
    await inside.networks.note({inside.id("web-1"): False}, ())
    assert await inside.resolved("web-1", "web") == {second}
    await inside.networks.note({inside.id("web-2"): False}, ())
    assert await inside.resolved("web-1", "web") == {first, second}
    await inside.networks.note({inside.id("web-1"): True}, {inside.id("web-2")})
    assert await inside.resolved("web-1", "web") == {first}
    await inside.leave("web-2")
    assert await inside.resolved("web-1", inside.id("web-2")) is None
    assert f"alias {conflists.network_name(shop)}" in run("ip", "link", "show", "type", "bridge")
    assert await inside.resolved("web-1", "waiting") is None
    inside.networks.know(GroupKey(shop, "waiting"), is_there=True)
    await inside.networks.note({}, ())
    for kind in ("A", "AAAA"):
        assert await inside.resolved("web-1", "waiting", kind) == set()
    assert await inside.resolved("vault-1", "waiting") is None


async def a_port_is_published_on_every_address(inside: Inside) -> None:
    http = Published(None, 8080, 80, "tcp")
    also = Published(None, 8081, 80, "tcp")
    mine = Published("127.0.0.1", 8082, 80, "tcp")
    address = await inside.join("shop", "web-1", http, also, mine)
    await inside.join("bank", "vault-1")
    async with await inside.serve("web-1", 80, b"web"):
        for where in ("127.0.0.1", "::1", HOST):
            assert await host_hears(where, 8080) == b"web", where
            assert await host_hears(where, 8081) == b"web", where
        assert await host_hears("127.0.0.1", 8082) == b"web"
        assert await host_hears("::1", 8082) is None
        assert await host_hears(HOST, 8082) is None
        # A published port is everybody's, the networks of other namespaces among them.
        assert await inside.hears("vault-1", HOST, 8080) == b"web"
        assert await inside.hears("web-1", HOST, 8080) == b"web"
        assert await inside.hears("vault-1", address, 80) is None
        said = await fails(inside.join("bank", "rival-1", http), FailureClass.PORT_IN_USE)
        assert said.startswith("port 8080 is already allocated")
        assert inside.leases("bank") == 1
        assert await host_hears("127.0.0.1", 8080) == b"web"
    await inside.leave("web-1")
    assert inside.left_of("web-1") == "veth"  # that of the other
    await inside.join("bank", "rival-1", http)
    with socket.create_server(("127.0.0.1", 9090)):
        taken = Published(None, 9090, 80, "tcp")
        await fails(inside.join("bank", "late-1", taken), FailureClass.PORT_IN_USE)


async def nothing_is_left_of_what_has_left(inside: Inside) -> None:
    await inside.join("shop", "web-1", Published(None, 8080, 80, "tcp"))
    await inside.leave("web-1")
    await inside.leave("web-1")
    assert (inside.left_of("web-1"), inside.leases("shop")) == ("", 0)
    # A server that ends without a word, and another one.
    await inside.join("shop", "web-2", Published(None, 8080, 80, "tcp"))
    later = inside.server()
    joined = later.joined(inside.id("web-2"))
    assert joined is not None
    assert joined.is_attached
    await later.sweep(known(inside.id("web-2")))
    assert later.joined(inside.id("web-2")) == joined
    await later.sweep(known())
    assert later.joined(inside.id("web-2")) is None
    assert (inside.left_of("web-2"), inside.leases("shop")) == ("", 0)


async def an_address_without_a_record_is_free_again(inside: Inside) -> None:
    """As a power cut leaves it: the file is there, and nothing in it. One that somebody else has
    put on the network keeps its own."""
    one, other = "web_0a1b2c3d", "web_4e5f6a7b"
    for name in (one, other):
        await inside.join("shop", name)
    for path in inside.directory.rglob(f"{inside.id(one)}.json"):
        path.write_text("")
    netns.remove(inside.id(one))
    network = conflists.network_name(inside.namespace("shop"))
    theirs = next((LEASES / network).glob("*.*.*.*")).with_name("172.16.0.250")
    theirs.write_text(f"{'0f' * 32}\r\neth0")
    later = inside.server()
    await later.sweep(known(inside.id(one), inside.id(other)))
    assert inside.leases("shop") == 3
    await later.sweep(known(inside.id(other)))
    assert inside.leases("shop") == 2
    assert theirs.exists()
    assert later.joined(inside.id(other)) is not None


async def whoever_gives_up_leaves_nothing(inside: Inside) -> None:
    for patience_s in (0.005, 0.03, 0.06):
        try:
            async with asyncio.timeout(patience_s):
                await inside.join("shop", "web-1", Published(None, 8080, 80, "tcp"))
        except TimeoutError:
            assert (inside.left_of("web-1"), inside.leases("shop")) == ("", 0)


async def many_begin_at_once(inside: Inside) -> None:
    names = [f"web-{number}" for number in range(8)]
    addresses = await asyncio.gather(*(inside.join("shop", name) for name in names))
    assert len(set(addresses)) == len(names)
    await asyncio.gather(*(inside.leave(name) for name in names))
    assert inside.leases("shop") == 0


async def a_live_instance_is_put_back(inside: Inside) -> None:
    http = Published(None, 8080, 80, "tcp")
    await inside.join("shop", "web-1", http)
    await inside.join("shop", "web-2")
    instance_id, path = inside.id("web-1"), inside.networks.netns(inside.id("web-1"))
    shop = inside.namespace("shop")
    names = ("web", instance_id)
    program = subprocess.Popen(["nsenter", f"--net={path}", "sleep", "60"])  # noqa: ASYNC220

    async def pid_of() -> int:
        return program.pid

    try:
        begun(program.pid, "sleep")
        run("ip", "netns", "delete", instance_id)
        assert not _is_attached(inside, "web-1")
        await inside.networks.attach(instance_id, pid_of, shop, (http,), names)
        assert _is_attached(inside, "web-1")
        run("ip", "link", "delete", conflists.bridge_name(conflists.network_name(shop)))
        assert not _is_attached(inside, "web-1")
        await inside.networks.attach(instance_id, pid_of, shop, (http,), names)
        assert _is_attached(inside, "web-1")
        assert not _is_attached(inside, "web-2")
        async with await inside.serve("web-1", 80, b"back"):
            assert await host_hears("127.0.0.1", 8080) == b"back"
            assert await host_hears("::1", 8080) == b"back"
        await inside.join("shop", "web-3")
        address = _joined(inside, "web-1")
        async with await inside.serve("web-1", 80, b"back"):
            assert await inside.hears("web-3", address, 80) == b"back"
    finally:
        program.kill()
        program.wait()
    for name in ("web-1", "web-2", "web-3"):
        await inside.leave(name)
    assert (inside.left_of("web-1"), inside.leases("shop")) == ("", 0)


async def a_network_goes_when_nobody_is_on_it(inside: Inside) -> None:
    await inside.join("shop", "web-1")
    name = conflists.network_name(inside.namespace("shop"))
    bridge = conflists.bridge_name(name)
    assert [held.id for held in await inside.networks.networks()] == [name]
    assert "is on it" in await fails(inside.networks.remove(name), FailureClass.OTHER)
    await inside.leave("web-1")
    run("ip", "link", "add", "mine", "type", "veth", "peer", "name", "peer")
    run("ip", "link", "set", "mine", "master", bridge)
    assert "mine is on it" in await fails(inside.networks.remove(name), FailureClass.OTHER)
    run("ip", "link", "delete", "mine")
    await inside.networks.remove(name)
    await inside.networks.remove(name)
    assert await inside.networks.networks() == ()
    assert links.index(bridge) is None
    assert not (LEASES / name).exists()
    assert conflists.names(inside.settings.cni_conf_dir) == []
    for table in ("filter", "mangle"):
        assert bridge not in run("iptables", "-w", "-t", table, "-S")
    assert await inside.join("shop", "web-2")


async def nothing_is_open_while_others_change_their_rules(inside: Inside) -> None:
    """As Docker does with each network it makes; an operator's reload does it for longer."""
    web = await inside.join("shop", "web-1", Published(None, 8080, 80, "tcp"))
    await inside.join("bank", "vault-1")
    run("iptables", "-w", "-F", "FORWARD")
    async with await inside.serve("web-1", 80, b"web"):
        assert await inside.hears("vault-1", HOST, 8080) == b"web"
        assert await inside.hears("vault-1", web, 80) is None


async def without_the_plugins_that_can_be_done_without(inside: Inside) -> None:
    found = inside.directory / "plugins"
    found.mkdir()
    for name in ("bridge", "host-local"):
        (found / name).symlink_to(f"/usr/lib/cni/{name}")
    inside.networks = inside.server(str(found))
    run("iptables", "-w", "-P", "FORWARD", "DROP")
    first = await inside.join("shop", "web-1", Published(None, 8080, 80, "tcp"))
    await inside.join("bank", "vault-1")
    told = inside.networks.shortcomings(inside.namespace("shop"))
    assert [one.reason for one in told] == [PORTS_RELAYED]
    async with await inside.serve("web-1", 80, b"web"):
        for where in ("127.0.0.1", "::1", HOST):
            assert await host_hears(where, 8080) == b"web", where
        assert await inside.hears("vault-1", HOST, 8080) == b"web"
        assert await inside.hears("vault-1", first, 80) is None
    await inside.leave("web-1")
    (found / "host-local").unlink()
    said = await fails(inside.server(str(found)).ensure("other"), FailureClass.NETWORK_FAILED)
    assert "host-local" in said
    assert str(found) in said
    assert "containernetworking-plugins" in said


def _is_attached(inside: Inside, name: str) -> bool:
    joined = inside.networks.joined(inside.id(name))
    assert joined is not None
    return joined.is_attached


def _joined(inside: Inside, name: str) -> str:
    joined = inside.networks.joined(inside.id(name))
    assert joined is not None
    return joined.addresses[0]


SCENARIOS: Final = {
    scenario.__name__: scenario
    for scenario in (
        one_namespace_is_one_network,
        a_port_is_published_on_every_address,
        nothing_is_left_of_what_has_left,
        an_address_without_a_record_is_free_again,
        whoever_gives_up_leaves_nothing,
        many_begin_at_once,
        a_live_instance_is_put_back,
        a_network_goes_when_nobody_is_on_it,
        nothing_is_open_while_others_change_their_rules,
        without_the_plugins_that_can_be_done_without,
        pods_of_kubernetes_reach_each_other,
    )
}


async def main(name: str, directory: Path, mark: str) -> None:
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "lan", "type", "bridge")
    run("ip", "address", "add", f"{HOST}/24", "dev", "lan")
    run("ip", "link", "set", "lan", "up")
    inside = Inside(directory, mark)
    try:
        await SCENARIOS[name](inside)
    finally:
        await inside.end()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
