"""The namespaces' networks themselves: subnet, configuration, plugins and rules of each."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ring.core.model.failures import FailureClass
from ring.core.model.stock import HeldNetwork
from ring.network import links, netns
from ring.network.cni import plugins
from ring.network.cni.chain import Chain
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.networking import conflists, isolation, leased, masquerading
from ring.runtimes.containerd.networking.subnets import Subnets
from ring.runtimes.shortcomings import NO_ISOLATION, PORTS_RELAYED, Shortcoming

if TYPE_CHECKING:
    from ring.network.pools import Pools
    from ring.runtimes.containerd.networking.conflists import Network
    from ring.runtimes.containerd.settings import Settings

REPLACEABLE: Final = ("portmap", "firewall")
"""What Ring does itself where these are missing: relays of the keeper, rules of its own chain."""
MOST_CHAINS: Final = 8
"""That run at once: others of this kind wait, and files are not kept waiting by them."""
LOOK_AGAIN_S: Final = 10.0
"""Rules that somebody has flushed are made again by whoever joins after this."""
_FIREWALL: Final = "firewall"
_PORTMAP: Final = "portmap"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ground:
    """One network that is ready to be joined."""

    network: Network
    chain: Chain
    """Without the plugins that are not there and not needed."""
    shortcomings: tuple[Shortcoming, ...]


class Grounds:
    """Makes them, and remembers those that it has seen."""

    def __init__(self, settings: Settings, pools: Pools, server_id: str, cni_path: str) -> None:
        self._settings = settings
        self._cni_path = cni_path
        self._subnets = Subnets(
            pools,
            settings.cni_conf_dir,
            settings.state_dir / "cni" / "networks",
            server_id,
            former_conf_dirs=settings.former_conf_dirs,
        )
        self._pool = ThreadPoolExecutor(MOST_CHAINS, "cni")
        self._known: dict[str, Ground] = {}
        self._seen_at: dict[str, float] = {}
        """By namespace, in the loop's seconds: when all was seen to be there."""
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def ensure(self, namespace: str) -> Ground:
        """Raises RuntimeFailure(NETWORK_FAILED)."""
        if (recent := self._recent(namespace)) is not None:
            return recent
        async with self._turns[namespace]:
            if (recent := self._recent(namespace)) is not None:
                return recent
            ground = await asyncio.to_thread(self._ensured, namespace)
            self._known[namespace] = ground
            self._seen_at[namespace] = asyncio.get_running_loop().time()
            return ground

    def _recent(self, namespace: str) -> Ground | None:
        known = self.known(namespace)
        if known is None:
            return None
        age_s = asyncio.get_running_loop().time() - self._seen_at[namespace]
        return known if age_s < LOOK_AGAIN_S else None

    def known(self, namespace: str) -> Ground | None:
        """As remembered, while its configuration is there. Takes some microseconds."""
        ground = self._known.get(namespace)
        if ground is None or not self._subnets.is_configured(ground.network.name):
            return None
        return ground

    async def keep_apart(self, ground: Ground) -> None:
        """Again: the plugins have put rules of their own before ours."""
        await asyncio.to_thread(self._kept_apart, ground.network, ground.chain)

    async def masquerade_no_more(self, network: str, container_id: str) -> None:
        """See masquerading.end."""
        directory = self._settings.cni_conf_dir
        await asyncio.to_thread(masquerading.end, network, container_id, directory)

    def chain(self, config: dict[str, Any]) -> Chain:
        """Of a network as it was."""
        return Chain(config, self._directories(), self._pool)

    def _directories(self) -> tuple[str, ...]:
        return plugins.directories(self._settings.cni_bin_dirs, self._cni_path)

    async def configured(self, namespace: str) -> Network | None:
        """The network as it is, without anything being made."""
        if (known := self._known.get(namespace)) is not None:
            return known.network
        name = conflists.network_name(namespace)
        try:
            return await asyncio.to_thread(self._subnets.configured, name)
        except (OSError, ValueError) as error:
            _log.warning("%s", error)
            return None

    async def held(self) -> tuple[HeldNetwork, ...]:
        """See Stock.networks."""
        return await asyncio.to_thread(self._held)

    async def remove(self, network: str) -> None:
        """Nothing of Ring's is on it. Raises RuntimeFailure, also where something of others is."""
        namespace = conflists.namespace_of(network)
        async with self._turns[namespace]:
            self._known.pop(namespace, None)
            try:
                await asyncio.to_thread(self._removed, network)
            except (OSError, ValueError) as error:
                raise RuntimeFailure(
                    FailureClass.OTHER, f"cannot remove network '{network}': {error}"
                ) from error

    def _ensured(self, namespace: str) -> Ground:
        name = conflists.network_name(namespace)
        directories = self._directories()
        network = self._subnets.settle(name)
        wanted = dict.fromkeys(
            str(one)
            for plugin in network.plugins
            for one in (plugin["type"], plugin.get("ipam", {}).get("type"))
            if one
        )
        missing = plugins.missing(wanted, directories)
        if needed := [one for one in missing if one not in REPLACEABLE]:
            raise RuntimeFailure(
                FailureClass.NETWORK_FAILED,
                f"cannot create network '{name}': the CNI plugins {', '.join(needed)} are not in "
                f"{', '.join(directories)}: install the package {plugins.PACKAGE}, or set "
                "cni_bin_dirs",
            )
        kept = [one for one in network.plugins if one["type"] not in missing]
        chain = Chain({**network.config, "plugins": kept}, directories, self._pool)
        found = []
        if _PORTMAP in missing:
            found.append(_relayed(directories))
        try:
            self._kept_apart(network, chain)
        except isolation.NotKept as error:
            found.append(_open(network, str(error)))
        return Ground(network, chain, tuple(found))

    def _kept_apart(self, network: Network, chain: Chain) -> None:
        """Raises isolation.NotKept."""
        has_firewall = any(one["type"] == _FIREWALL for one in chain.config["plugins"])
        isolation.keep_apart(network.bridge, self._settings.cni_conf_dir, lets_out=not has_firewall)

    def _held(self) -> tuple[HeldNetwork, ...]:
        found = []
        for name in self._subnets.names():
            choice = self._subnets.choice(name)
            namespace = conflists.namespace_of(name)
            server_id = choice.server_id if choice else ""
            found.append(HeldNetwork(name, name, namespace, server_id))
        return tuple(found)

    def leases(self) -> dict[str, list[str]]:
        """Who has an address, by network. Blocks."""
        return {name: list(leased.holders(name).values()) for name in self._subnets.names()}

    def _removed(self, name: str) -> None:
        network = self._subnets.configured(name)
        if network is not None:
            leases = _leases(name)
            if used := links.plugged_into(network.bridge) or leases:
                raise RuntimeFailure(
                    FailureClass.OTHER,
                    f"cannot remove network '{name}': {', '.join(used)} is on it",
                )
            links.delete(network.bridge)
            try:
                isolation.let_go(network.bridge, self._settings.cni_conf_dir)
            except isolation.NotKept as error:
                _log.warning("rules of the network %s are left: %s", name, error)
        shutil.rmtree(leased.LEASES / name, ignore_errors=True)
        self._subnets.forget(name)


def _leases(network: str) -> list[str]:
    """The instances that have an address there, and a network namespace."""
    found = set(leased.holders(network).values())
    return sorted(name for name in found if netns.is_there(netns.path_of(name)))


def _relayed(directories: tuple[str, ...]) -> Shortcoming:
    return Shortcoming(
        PORTS_RELAYED,
        f"Published ports go through a relay of Ring's, which is slower, and instances see its "
        f"address instead of their client's: the CNI plugin {_PORTMAP} is not in "
        f"{', '.join(directories)}; install the package {plugins.PACKAGE}",
    )


def _open(network: Network, why: str) -> Shortcoming:
    return Shortcoming(
        NO_ISOLATION,
        f"The network '{network.name}' may be reached from the networks of other namespaces: {why}",
    )
