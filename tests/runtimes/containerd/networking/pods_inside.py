"""Networks beside a Kubernetes node's: two bridges that are not Ring's, and pods on them."""

from __future__ import annotations

from contextlib import AsyncExitStack, contextmanager
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.network import netns
from ring.runtimes.containerd.networking import conflists
from tests.runtimes.containerd.networking.inside import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.runtimes.containerd.networking.inside import Inside

BRIDGES: Final = {"cni0": "10.42.0.1", "kube-bridge": "10.42.1.1"}
PODS: Final = {"pod-1": "10.42.0.2", "pod-2": "10.42.0.3", "pod-3": "10.42.1.2"}
"""Two on the first bridge, one on the second."""


async def pods_of_kubernetes_reach_each_other(inside: Inside) -> None:
    """Whether Ring's rules are there, are no more or are there again."""
    async with AsyncExitStack() as stack:
        stack.enter_context(_node(inside))
        for pod in PODS:
            await stack.enter_async_context(await inside.serve(pod, 80, pod.encode()))
        for accepts in (_everything, _pods_alone):
            accepts()
            await _pods_are_reached(inside)
            await _ring_is_there(inside)
            await _pods_are_reached(inside)


@contextmanager
def _node(inside: Inside) -> Iterator[None]:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
    for bridge, address in BRIDGES.items():
        run("ip", "link", "add", bridge, "type", "bridge")
        run("ip", "address", "add", f"{address}/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
    try:
        for pod, bridge in zip(PODS, ("cni0", "cni0", "kube-bridge"), strict=True):
            _plug(inside.id(pod), pod, bridge)
        yield
    finally:
        for pod in PODS:
            netns.remove(inside.id(pod))


def _plug(name: str, pod: str, bridge: str) -> None:
    run("ip", "netns", "add", name)
    run("ip", "link", "add", pod, "type", "veth", "peer", "name", "eth0", "netns", name)
    run("ip", "link", "set", pod, "master", bridge, "up")
    run("ip", "-n", name, "address", "add", f"{PODS[pod]}/24", "dev", "eth0")
    run("ip", "-n", name, "link", "set", "eth0", "up")
    run("ip", "-n", name, "route", "add", "default", "via", BRIDGES[bridge])


def _everything() -> None:
    run("iptables", "-w", "-P", "FORWARD", "ACCEPT")


def _pods_alone() -> None:
    """As a node's network does where something else, such as Docker, drops."""
    run("iptables", "-w", "-P", "FORWARD", "DROP")
    run("iptables", "-w", "-N", "FLANNEL-FWD")
    run("iptables", "-w", "-A", "FORWARD", "-j", "FLANNEL-FWD")
    for side in ("-s", "-d"):
        run("iptables", "-w", "-A", "FLANNEL-FWD", side, "10.42.0.0/16", "-j", "ACCEPT")


async def _pods_are_reached(inside: Inside) -> None:
    for asking, asked in permutations(PODS, 2):
        assert await inside.hears(asking, PODS[asked], 80) == asked.encode(), (asking, asked)


async def _ring_is_there(inside: Inside) -> None:
    """Until this returns, and then nothing of its two networks is."""
    web = await inside.join("shop", "web-1")
    await inside.join("bank", "vault-1")
    async with await inside.serve("web-1", 80, b"web"):
        await _pods_are_reached(inside)
        assert await inside.hears("pod-1", web, 80) == b"web"
        assert await inside.hears("web-1", PODS["pod-3"], 80) == b"pod-3"
        assert await inside.hears("vault-1", web, 80) is None
    for namespace, name in (("shop", "web-1"), ("bank", "vault-1")):
        await inside.leave(name)
        network = conflists.network_name(inside.namespace(namespace))
        await inside.networks.remove(network)
        assert conflists.bridge_name(network) not in run("iptables", "-w", "-S")
