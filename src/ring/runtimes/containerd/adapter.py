"""The containerd runtime: the interface's calls, each handed to the part that does it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from google.protobuf.empty_pb2 import Empty

from ring.core.model.capabilities import Capabilities
from ring.core.model.ids import InstanceId
from ring.network import link_news
from ring.network.keeper import Keeper
from ring.network.pools import Pools
from ring.runtimes.base import Destroyed, Detached, Died, RuntimeFailure, Unavailable
from ring.runtimes.containerd import events, logs, methods, stock, volumes
from ring.runtimes.containerd import settings as settings_of
from ring.runtimes.containerd.client import Client, Refused
from ring.runtimes.containerd.creating import Creating
from ring.runtimes.containerd.execs import Commands
from ring.runtimes.containerd.images import Images
from ring.runtimes.containerd.instances import Instances
from ring.runtimes.containerd.journal import Journal
from ring.runtimes.containerd.looking import Looking
from ring.runtimes.containerd.name_news import NameNews
from ring.runtimes.containerd.networking.networks import Networks
from ring.runtimes.containerd.oci.options import honoured
from ring.runtimes.containerd.precedence import Precedence
from ring.runtimes.containerd.preparing import Preparer
from ring.runtimes.containerd.snapshots import Snapshots
from ring.runtimes.containerd.tasks import Tasks
from ring.runtimes.containerd.volumes import Volumes
from ring.runtimes.distribution.client import Registries
from ring.runtimes.logins.host import HostFiles, host_files

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Mapping,
        Sequence,
    )
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from ring.core.model.commands import Command
    from ring.core.model.health import Health
    from ring.core.model.ids import GroupKey, InstanceName
    from ring.core.model.logs import LogLine, LogQuery
    from ring.core.model.observed import Instance
    from ring.core.model.spec import PullPolicy
    from ring.core.model.stock import HeldImage, HeldNetwork, HeldVolume, Holder
    from ring.runtimes.base import (
        Executed,
        Image,
        Login,
        Order,
        Process,
        PullProgress,
        RuntimeEvent,
        Session,
    )
    from ring.runtimes.containerd.settings import Settings
    from ring.runtimes.shortcomings import Shortcoming

NAME: Final = "containerd"
SWEEP_S: Final = 600.0
"""Between two looks for what crashed starts have left."""
SWEEP_WITHIN_S: Final = 60.0
_log = logging.getLogger(__name__)


def from_options(options: Mapping[str, object]) -> ContainerdRuntime:
    """The runtime of these settings. Raises HostError.

    They are those of the table, those of registry logins, `server_id`, `pools`, `state_dir`,
    `run_dir` and `cni_path`, what the environment tells of plugins.
    """
    owner = options.get("server_id")
    pools = options.get("pools")
    return ContainerdRuntime(
        settings_of.from_options(options),
        host_files(settings_of.TABLE, options),
        server_id=owner if isinstance(owner, str) else "",
        pools=pools if isinstance(pools, Pools) else Pools(),
        cni_path=str(options.get("cni_path") or ""),
    )


class ContainerdRuntime:
    """One containerd, behind ring.runtimes.base.Runtime and all that is beside it there,
    ring.runtimes.stock.Stock and ring.runtimes.shown_health.ShowsHealth."""

    is_remote = False
    """Always this machine's: its socket is."""

    def __init__(
        self,
        settings: Settings,
        logins: HostFiles,
        *,
        server_id: str,
        pools: Pools,
        cni_path: str = "",
    ) -> None:
        self._settings = settings
        self._logins = logins
        self._server_id = server_id
        self._client = Client(settings.socket, settings.namespace)
        self._registries = Registries(settings.registry_hosts_dir, settings.insecure_registries)
        self._images = Images(self._client, self._registries, settings.snapshotter)
        self._keeper = Keeper(settings.run_dir / "network")
        self._networks = Networks(settings, pools, server_id, self._keeper, cni_path)
        self._volumes = Volumes(settings.state_dir)
        self._logs = logs.LogKeeper(
            settings.run_dir,
            logs.log_dir(settings),
            settings.log_max_bytes,
            settings.log_max_files,
        )
        tasks = Tasks(self._client)
        snapshots = Snapshots(self._client, settings.snapshotter)
        self._looking = Looking(self._client, tasks, self._networks, settings.state_dir)
        self._creating = Creating(
            self._client,
            settings,
            looking=self._looking,
            images=self._images,
            snapshots=snapshots,
            volumes=self._volumes,
            preparer=Preparer(settings, self._networks, self._volumes),
        )
        self._instances = Instances(
            self._client,
            settings,
            tasks=tasks,
            looking=self._looking,
            creating=self._creating,
            snapshots=snapshots,
            networks=self._networks,
            logs=self._logs,
        )
        self._commands = Commands(self._client, settings.run_dir)
        self._journal = Journal(self._subscribed, self._client.unavailable)
        self._names = NameNews(self._networks.note, self._instances.let_go)
        self._precedence = Precedence()
        self._background: tuple[asyncio.Task[None], ...] = ()

    name = NAME

    @property
    def location(self) -> str:
        return f"unix://{self._settings.socket}"

    def capabilities(self) -> Capabilities:
        return Capabilities(
            events=True,
            exit_codes=True,
            host_network=True,
            labels=True,
            cpu_stats=True,
            pull=True,
            ports=True,
            resources=True,
            command=True,
            exec=True,
            discovery=self._settings.dns,
            user=True,
            options=honoured(),
        )

    async def ping(self) -> None:
        await self.version()

    async def version(self) -> str:
        """Raises Unavailable."""
        try:
            answer = await self._client.call(methods.VERSION, Empty())
        except Refused as error:
            raise self._client.unavailable(error.message) from error
        return f"containerd {answer.version}"

    async def close(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._journal.close()
        await self._names.close()
        await self._images.close()
        await self._registries.close()
        self._commands.close()
        await self._logs.close()
        await self._keeper.close()
        await self._client.close()

    async def list(self) -> tuple[Instance, ...]:
        return await self._looking.list()

    async def events(self, since: datetime | None) -> AsyncIterator[RuntimeEvent]:
        """What a server that was killed has left is cleared away first."""
        await self._begin()
        await self._ended()
        await self._swept()
        async with contextlib.aclosing(self._journal.follow(since)) as stream:
            async for event in stream:
                yield event

    async def _ended(self) -> None:
        """Commands that a server left behind; what cannot be ended keeps nobody from anything."""
        try:
            async with asyncio.timeout(SWEEP_WITHIN_S):
                await self._commands.end_ownerless()
        except TimeoutError:
            _log.warning(
                "containerd: what commands have left behind may still be there: it takes more "
                "than %g s to end",
                SWEEP_WITHIN_S,
            )

    async def _begin(self) -> None:
        """What happens from now on is kept for whoever asks later. Raises Unavailable."""
        await self._journal.begin()
        if not self._background:
            self._background = (
                asyncio.create_task(self._watch_links()),
                asyncio.create_task(self._sweep_now_and_then()),
            )

    async def _subscribed(self, ready: Callable[[], None]) -> AsyncGenerator[RuntimeEvent, None]:
        async with contextlib.aclosing(events.follow(self._client)) as stream:
            await anext(stream)  # says that it has begun
            ready()
            async for event in stream:
                if isinstance(event, Died | Destroyed):
                    self._names.gone(event.instance_id)
                yield event

    async def _watch_links(self) -> None:
        try:
            async with contextlib.aclosing(link_news.lost()) as lost:
                async for interface in lost:
                    for instance_id in self._networks.cut_off(interface):
                        self._journal.note(Detached(instance_id, datetime.now(UTC)))
        except OSError as error:
            _log.warning("containerd: interfaces that go are seen by looking only: %s", error)

    async def _sweep(self) -> None:
        """What is of no container any more, of those that this server has made."""
        known = await self._known()
        await self._creating.sweep(known, self._server_id)
        await self._networks.sweep(self._known)
        for instance_id in known:
            if self._networks.joined(instance_id) is not None:
                await self._instances.let_go(instance_id)
        await self._logs.sweep(self._known)

    async def _known(self) -> frozenset[InstanceId]:
        return frozenset(InstanceId(each.id) for each in await self._looking.everybodys())

    async def _swept(self) -> None:
        """What cannot be cleared away keeps nobody from anything. Raises Unavailable."""
        try:
            async with asyncio.timeout(SWEEP_WITHIN_S):
                await self._sweep()
        except Unavailable:
            raise
        except (RuntimeFailure, OSError) as error:  # a timeout is one
            _log.warning("containerd: what is left behind is looked for again: %s", error)

    async def _sweep_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            with contextlib.suppress(Unavailable):
                await self._swept()

    async def ensure_network(self, namespace: str) -> None:
        if not self._networks.is_known(namespace):
            await self.ping()
        await self._networks.ensure(namespace)

    def shortcomings(self, namespace: str) -> tuple[Shortcoming, ...]:
        return self._networks.shortcomings(namespace)

    def note_ready(self, ready: Mapping[InstanceId, bool]) -> None:
        self._names.ready(ready)

    def note_deployed(self, key: GroupKey, *, is_there: bool) -> None:
        if self._networks.know(key, is_there=is_there):
            self._names.known()

    async def show_health(self, instance_id: InstanceId, health: Health) -> None:
        await self._instances.show_health(instance_id, health)

    async def resolve_image(
        self, ref: str, policy: PullPolicy, pin: str | None, login: Login | None = None
    ) -> Image:
        with self._precedence.taken():
            return await self._images.resolve(ref, policy, pin, login)

    async def remote_digest(self, ref: str, login: Login | None = None) -> str | None:
        return await self._images.remote_digest(ref, login)

    async def host_login(self, image: str) -> Login:
        return await self._logins.login(image)

    def pull_progress(self, ref: str) -> PullProgress | None:
        return self._images.progress(ref)

    async def create(self, order: Order) -> Instance:
        with self._precedence.taken():
            await self._begin()
            return await self._creating.create(order)

    async def start(self, instance_id: InstanceId) -> None:
        with self._precedence.taken():
            await self._instances.start(instance_id)

    async def inspect(self, instance_id: InstanceId) -> Instance:
        return await self._looking.inspect(instance_id)

    async def attach(self, instance_id: InstanceId, namespace: str, aliases: Sequence[str]) -> None:
        await self._instances.attach(instance_id)

    async def stop(self, instance_id: InstanceId, grace_s: float | None) -> None:
        await self._instances.stop(instance_id, grace_s)

    async def remove(self, instance_id: InstanceId) -> None:
        if not self._networks.has_ports(instance_id):  # which who starts may wait for
            await self._precedence.given()
        await self._instances.remove(instance_id)

    async def remove_volume(self, name: str) -> bool:
        user = volumes.user_of(name)
        if user is not None and await self._looking.labels(user) is not None:
            return False
        return await self._volumes.remove(name)

    async def find(self, name: InstanceName) -> Instance | None:
        return await self._looking.find(name)

    async def process(self, instance_id: InstanceId) -> Process | None:
        return await self._looking.process(instance_id)

    async def environment(self, instance_id: InstanceId) -> Mapping[str, str]:
        return await self._commands.environment(instance_id)

    async def exec(
        self, instance_id: InstanceId, argv: Sequence[str], timeout_s: float
    ) -> Executed:
        return await self._commands.run(instance_id, argv, timeout_s)

    def session(
        self, instance_id: InstanceId, command: Command
    ) -> AbstractAsyncContextManager[Session]:
        return self._commands.session(instance_id, command)

    async def images(self) -> tuple[HeldImage, ...]:
        return await self._images.images()

    async def holders(self) -> tuple[Holder, ...]:
        return tuple(stock.holder(each) for each in await self._looking.everybodys())

    async def remove_image(self, image_id: str, names: Sequence[str]) -> None:
        await self._images.remove_image(image_id, names)

    async def data_directory(self) -> Path | None:
        return await stock.data_directory(self._client)

    async def networks(self) -> tuple[HeldNetwork, ...]:
        await self.ping()
        return await self._networks.networks()

    async def remove_network(self, network_id: str) -> None:
        await self._networks.remove(network_id)

    async def volumes(self) -> tuple[HeldVolume, ...]:
        await self.ping()
        return await self._volumes.held()

    async def logs(
        self, instance_id: InstanceId, query: LogQuery
    ) -> AsyncGenerator[Sequence[LogLine], None]:
        """What an instance wrote last is on its way for a moment after its end."""
        await self._looking.container(instance_id)
        is_over = functools.partial(self._instances.is_told, instance_id)
        await is_over()
        reading = logs.read(logs.log_dir(self._settings), instance_id, query, is_over)
        async with contextlib.aclosing(reading) as batches:
            async for batch in batches:
                yield batch
