"""Instances on the networks of their namespaces: plugged in before they start, out when they end.

What is known of an instance's attachment is in a file of `ring.network.cni.results`, so that it
outlives the server; of what runs, only the keeper and the kernel hold anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.network import netns
from ring.network.cni.chain import PluginFailed
from ring.network.cni.results import Record
from ring.network.keeper import KeeperProblem, PortTaken
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.networking import conflists, isolation, published, zones
from ring.runtimes.containerd.networking.grounds import Grounds
from ring.runtimes.containerd.networking.leftovers import Leftovers
from ring.runtimes.containerd.networking.names import Names
from ring.runtimes.containerd.networking.plugging import Plugging, is_plugged
from ring.runtimes.containerd.networking.records import Records
from ring.runtimes.containerd.together import all_of, to_the_end

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Collection,
        Iterator,
        Mapping,
        Sequence,
    )

    from ring.core.model.ids import GroupKey
    from ring.core.model.stock import HeldNetwork
    from ring.network.keeper import Keeper
    from ring.network.pools import Pools
    from ring.runtimes.containerd.networking.grounds import Ground
    from ring.runtimes.containerd.networking.published import Published
    from ring.runtimes.containerd.settings import Settings
    from ring.runtimes.shortcomings import Shortcoming

_PORTS: Final = "portMappings"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Joined:
    """An instance on its namespace's network."""

    network: str
    """`ring_<namespace>`"""
    addresses: tuple[str, ...]
    is_attached: bool
    """False: somebody took its network namespace, its interface or the bridge away."""


class Networks:
    """Loop thread only; every call may be cancelled and repeated."""

    def __init__(
        self,
        settings: Settings,
        pools: Pools,
        server_id: str,
        keeper: Keeper,
        cni_path: str = "",
    ) -> None:
        """cni_path: `CNI_PATH` as the server's environment has it."""
        self._has_names = settings.dns
        self._server_id = server_id
        self._keeper = keeper
        self._grounds = Grounds(settings, pools, server_id, cni_path)
        self._plugging = Plugging(self._grounds)
        self._records = Records(settings.state_dir / "cni" / "results")
        self._names = Names(keeper, self._records.on)
        self._leftovers = Leftovers(server_id, self._grounds, self._records, keeper, self.leave)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By instance."""
        self._gates: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By network: closed while it is removed."""
        self._users: Counter[str] = Counter()
        """By network: those that are just joining it."""

    async def ensure(self, namespace: str) -> None:
        """The network can be joined. Raises RuntimeFailure(NETWORK_FAILED)."""
        await self._grounds.ensure(namespace)

    def is_known(self, namespace: str) -> bool:
        """To `ensure` it costs nothing."""
        return self._grounds.known(namespace) is not None

    def has_ports(self, instance_id: InstanceId) -> bool:
        """Some are published for it."""
        record = self._records.get(instance_id)
        return record is not None and record.has_ports

    def netns(self, instance_id: InstanceId) -> str:
        """The path of its network namespace, which is there once it is placed."""
        return str(netns.path_of(instance_id))

    async def place(
        self,
        instance_id: InstanceId,
        namespace: str,
        ports: Sequence[Published],
        names: Sequence[str],
        *,
        is_ready: bool = True,
    ) -> None:
        """Its network namespace is there afterwards, without a way out until `plug`.

        names: what it is found by. is_ready: see `note`. Leaves nothing behind when it fails.
        Raises RuntimeFailure(NETWORK_FAILED).
        """
        async with self._turn(instance_id), self._using(namespace) as network:
            if (earlier := self._records.get(instance_id)) is not None:
                await self._leave(earlier)
            ground = await self._grounds.ensure(namespace)
            record = self._new(instance_id, ground, ports, names, is_ready=is_ready)
            with _failures(network):
                try:
                    await self._records.begin(record)
                    await asyncio.to_thread(netns.make, instance_id)
                except BaseException:
                    await self._leave(record)
                    raise

    async def plug(
        self, instance_id: InstanceId, namespace: str, ports: Sequence[Published]
    ) -> str | None:
        """What was placed gets its address in the network, which is IPv4, its ports and its names.

        Leaves nothing behind when it fails. Raises RuntimeFailure(NETWORK_FAILED | PORT_IN_USE).
        """
        async with self._turn(instance_id), self._using(namespace) as network:
            record = self._records.get(instance_id)
            if record is None or record.has_left:
                raise RuntimeFailure(
                    FailureClass.NETWORK_FAILED,
                    f"cannot join network '{network}': the instance was removed meanwhile",
                )
            ground = await self._grounds.ensure(namespace)
            with _failures(network):
                try:
                    record = await self._join(ground, record, ports)
                except BaseException:
                    await self._leave(record)
                    raise
        return next(iter(zones.addresses(record)), None)

    async def attach(
        self,
        instance_id: InstanceId,
        pid_of: Callable[[], Awaitable[int | None]],
        namespace: str,
        ports: Sequence[Published],
        names: Sequence[str],
    ) -> None:
        """Puts a live instance back. Attached already, or ended meanwhile, is success.

        pid_of: asks for its first process as it is now; None: it does not run. Raises
        RuntimeFailure(NETWORK_FAILED | PORT_IN_USE), and what pid_of does.
        """
        async with self._turn(instance_id), self._using(namespace) as network:
            earlier = self._records.get(instance_id)
            ground = await self._grounds.ensure(namespace)
            with _failures(network):
                if not await self._brought_back(instance_id, pid_of):
                    return
                if earlier is not None and is_plugged(earlier):
                    await self._lead_to(ground, earlier, ports)
                    return
                is_ready = earlier is None or earlier.is_ready
                record = self._new(instance_id, ground, ports, names, is_ready=is_ready)
                # Also what nothing is known of, such as an interface that has the name.
                await self._plugging.unplug(earlier or record)
                await self._records.begin(record)
                await self._join(ground, record, ports)

    async def leave(self, instance_id: InstanceId) -> None:
        """With its address, names, ports and network namespace; gone already is success.

        What cannot be given back is logged, and tried again by `sweep`.
        """
        async with self._turn(instance_id):
            record = self._records.present(instance_id)
            if record is not None:
                await self._leave(record)
            elif netns.path_of(instance_id).exists():
                await self._without_netns(instance_id)

    def joined(self, instance_id: InstanceId) -> Joined | None:
        """From memory and the kernel: takes some microseconds. None: it is on no network."""
        record = self._records.get(instance_id)
        if record is None or record.result is None or record.has_left:
            return None
        return Joined(record.network, zones.addresses(record), is_plugged(record))

    async def gateway(self, namespace: str) -> str | None:
        """The host's address in the network; None: there is no such network."""
        network = await self._grounds.configured(namespace)
        return str(network.gateway) if network is not None else None

    def know(self, key: GroupKey, *, is_there: bool) -> bool:
        """A deployment has this name on its namespace's network, which need not be there yet, or
        none has. True: that is new, and to be told by `note`. Takes a microsecond."""
        return self._names.know(conflists.network_name(key.namespace), key.name, is_there=is_there)

    async def note(self, ready: Mapping[InstanceId, bool], gone: Collection[InstanceId]) -> None:
        """What has changed: who is ready or not, and who has ended. Nobody is sent to those who are
        not, where others have the name. What became known by `know` is told, too. Costs little
        without news."""
        await self._records.load()
        networks = {
            one.network for one in self._records.all() if not self._names.is_told(one.network)
        }
        for instance_id in {*ready, *gone}:
            async with self._turn(instance_id):
                record = self._records.present(instance_id)
                if record is None:
                    continue
                is_ready = ready.get(instance_id, record.is_ready)
                is_gone = record.is_gone or instance_id in gone
                if (is_ready, is_gone) != (record.is_ready, record.is_gone):
                    await self._records.try_to_keep(
                        replace(record, is_ready=is_ready, is_gone=is_gone)
                    )
                    networks.add(record.network)
        for network in sorted(networks):
            await self._tell_names(network)

    def cut_off(self, interface: str | None) -> list[InstanceId]:
        """Those that lost their network with this interface; None: with any."""
        return [
            InstanceId(record.container_id)
            for record in self._records.all()
            if (interface is None or interface in record.links)
            and record.result is not None
            and not is_plugged(record)
        ]

    async def sweep(self, known: Callable[[], Awaitable[Collection[InstanceId]]]) -> None:
        """What this server has left behind of instances that are no more is given back, and what
        keeps networks apart is as it should be.

        known: those that are there; asked again before anything is taken away.
        """
        await self._leftovers.give_back(known)
        for network in sorted({record.network for record in self._records.all()}):
            try:
                ground = await self._grounds.ensure(conflists.namespace_of(network))
                await self._grounds.keep_apart(ground)
            except (RuntimeFailure, isolation.NotKept) as error:
                _log.warning("network %s: %s", network, error)
            await self._tell_names(network)

    async def networks(self) -> tuple[HeldNetwork, ...]:
        """See Stock.networks."""
        return await self._grounds.held()

    async def remove(self, network_id: str) -> None:
        """See Stock.remove_network."""
        await self._records.load()
        async with self._gates[network_id]:
            users = [record.container_id for record in self._records.on(network_id)]
            if users or self._users[network_id]:
                who = ", ".join(users) or "an instance that begins"
                raise RuntimeFailure(
                    FailureClass.OTHER, f"cannot remove network '{network_id}': {who} is on it"
                )
            await self._grounds.remove(network_id)
            if self._has_names:
                await self._names.forget(network_id)

    def shortcomings(self, namespace: str) -> tuple[Shortcoming, ...]:
        """See ring.runtimes.shortcomings.Shortcomings."""
        ground = self._grounds.known(namespace)
        names = self._names.shortcoming(conflists.network_name(namespace))
        found = ground.shortcomings if ground is not None else ()
        return found if names is None else (*found, names)

    def _new(
        self,
        instance_id: InstanceId,
        ground: Ground,
        ports: Sequence[Published],
        names: Sequence[str],
        *,
        is_ready: bool,
    ) -> Record:
        mappings = published.mappings(ports)
        return Record(
            container_id=instance_id,
            server_id=self._server_id,
            network=ground.network.name,
            config=dict(ground.chain.config),
            capabilities={_PORTS: mappings} if mappings else {},
            has_ports=bool(ports),
            names=tuple(dict.fromkeys(names)),
            is_ready=is_ready,
        )

    async def _brought_back(
        self, instance_id: InstanceId, pid_of: Callable[[], Awaitable[int | None]]
    ) -> bool:
        """Its network namespace has its name. False: it has ended. Raises OSError."""
        pid = await pid_of()
        if pid is None:
            return False
        with ExitStack() as stack:
            try:
                namespace = stack.enter_context(netns.opened(pid))
            except FileNotFoundError:  # it has ended, and containerd does not tell yet
                return False
            # Before that the process may have ended, and another have got its number.
            if await pid_of() != pid:
                return False
            # To the end: the thread needs the descriptor.
            await to_the_end(asyncio.to_thread(netns.bring_back, instance_id, namespace))
        return True

    async def _join(self, ground: Ground, record: Record, ports: Sequence[Published]) -> Record:
        """Raises PortTaken, PluginFailed, OSError."""
        if ports:
            # Before the plugins turn to this instance what is another's.
            await self._keeper.publish(record.container_id, published.relays(ports))
        record = await self._plugging.plug(ground, record)
        self._records.remember(record)
        await all_of(self._records.keep(record), self._lead_to(ground, record, ports))
        return record

    async def _lead_to(self, ground: Ground, record: Record, ports: Sequence[Published]) -> None:
        """Its ports and its names do. Raises PortTaken, KeeperProblem."""
        if ports:
            address = next(iter(zones.addresses(record)), "")
            await self._keeper.publish(record.container_id, published.relays(ports, address))
        if self._has_names:
            await self._names.tell(ground.network)

    async def _leave(self, record: Record) -> None:
        instance_id = record.container_id
        left = replace(record, names=(), has_left=True)
        self._records.remember(left)
        await self._tell_names(record.network)
        is_clean = not record.has_ports or await self._unpublished(instance_id)
        is_clean &= await self._plugging.unplug(record)
        is_clean &= await self._without_netns(instance_id)
        if is_clean:
            await self._records.drop(instance_id)
        else:
            await self._records.try_to_keep(left)

    async def _unpublished(self, instance_id: str) -> bool:
        try:
            await self._keeper.unpublish(instance_id)
        except KeeperProblem as error:
            _log.warning("instance %s: %s", instance_id, error)
            return False
        return True

    async def _without_netns(self, instance_id: str) -> bool:
        try:
            await asyncio.to_thread(netns.remove, instance_id)
        except OSError as error:
            _log.warning("instance %s: %s", instance_id, error)
            return False
        return True

    async def _tell_names(self, name: str) -> None:
        if not self._has_names:
            return
        network = await self._grounds.configured(conflists.namespace_of(name))
        if network is not None:
            await self._names.tell(network)

    @asynccontextmanager
    async def _turn(self, instance_id: InstanceId) -> AsyncIterator[None]:
        await self._records.load()
        turn = self._turns.setdefault(instance_id, asyncio.Lock())
        async with turn:
            yield

    @asynccontextmanager
    async def _using(self, namespace: str) -> AsyncIterator[str]:
        """The network of this name is not removed meanwhile."""
        network = conflists.network_name(namespace)
        async with self._gates[network]:
            self._users[network] += 1
        try:
            yield network
        finally:
            self._users[network] -= 1


@contextmanager
def _failures(network: str) -> Iterator[None]:
    try:
        yield
    except PortTaken as error:
        raise RuntimeFailure(
            FailureClass.PORT_IN_USE, f"port {error.port} is already allocated"
        ) from error
    except (PluginFailed, OSError) as error:
        raise RuntimeFailure(
            FailureClass.NETWORK_FAILED, f"cannot join network '{network}': {error}"
        ) from error
