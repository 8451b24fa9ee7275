"""The Docker runtime: the interface's calls, each handed to the part that does it."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.network.bridges import Bridges, here
from ring.network.pools import Pools
from ring.runtimes.docker import events, logs, sessions, stock, tls, volumes
from ring.runtimes.docker.connection import Connection, parse_host
from ring.runtimes.docker.dialect import DOCKER, SOUND
from ring.runtimes.docker.execs import Commands
from ring.runtimes.docker.images import Images
from ring.runtimes.docker.instances import Instances
from ring.runtimes.docker.modules import Modules
from ring.runtimes.docker.networks import Networks
from ring.runtimes.docker.options import HONOURED
from ring.runtimes.docker.rootless import Insides, has_unified_groups, is_rootless
from ring.runtimes.docker.subnets import Subnets
from ring.runtimes.logins.host import HostFiles, host_files
from ring.runtimes.shortcomings import NAMELESS, NO_NAMES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from pathlib import Path
    from socket import AddressFamily
    from socket import socket as Socket

    from ring.core.model.capabilities import Capabilities
    from ring.core.model.commands import Command
    from ring.core.model.ids import InstanceId, InstanceName
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
    from ring.runtimes.docker.connection import Endpoint
    from ring.runtimes.docker.dialect import Dialect
    from ring.runtimes.shortcomings import Shortcoming

DEFAULT_HOST = "unix:///var/run/docker.sock"
HOST_FORMS = "unix://PATH or tcp://HOST:PORT"
_TABLE = "server.runtime.docker"
_NO_LOGINS = HostFiles(_TABLE, is_allowed=False, files=(), environment={})
_log = logging.getLogger(__name__)


def from_options(options: Mapping[str, object]) -> DockerRuntime:
    """The runtime of these settings. Raises HostError.

    They are `host`, `tls_…`, those of registry logins, what the environment tells, `server_id`, the
    server that it makes things for, and `pools`, what it takes subnets from.
    """
    return opened(_host(options), options, DOCKER)


def opened(host: str, options: Mapping[str, object], dialect: Dialect) -> DockerRuntime:
    """The runtime of the engine at this host. Raises HostError."""
    endpoint = tls.secured(parse_host(host, dialect.name), options, dialect.name)
    owner = options.get("server_id")
    server_id = owner if isinstance(owner, str) else ""
    pools = options.get("pools")
    return DockerRuntime(
        endpoint,
        host_files(f"server.runtime.{dialect.name}", options),
        dialect,
        server_id=server_id,
        pools=pools if isinstance(pools, Pools) else None,
    )


def _host(options: Mapping[str, object]) -> str:
    """What the table names, else the environment, else the default socket.

    What has no scheme names no engine: then the others decide, and a warning says so.
    """
    written = options.get("host", "")
    if not isinstance(written, str):
        raise HostError(f"docker host {written!r} is not text: write {HOST_FORMS}")
    default = str(options.get("environment_host") or DEFAULT_HOST)
    host = written.strip()
    if "://" in host:
        return host
    if host:
        _log.warning("docker host %r has no scheme (%s): using %s", host, HOST_FORMS, default)
    return default


class DockerRuntime:
    """One engine with Docker's API, behind ring.runtimes.base.Runtime and all that is beside it
    there, and ring.runtimes.stock.Stock."""

    def __init__(
        self,
        endpoint: Endpoint,
        logins: HostFiles = _NO_LOGINS,
        dialect: Dialect = DOCKER,
        *,
        server_id: str = "",
        pools: Pools | None = None,
    ) -> None:
        """server_id: what it marks as that server's; empty: it marks nothing."""
        self._endpoint = endpoint
        self._logins = logins
        self._dialect = dialect
        self._connection = Connection(endpoint)
        subnets = Subnets(self._connection, pools or Pools(), is_here=not self.is_remote)
        self._networks = Networks(
            self._connection, subnets, server_id, dialect, Bridges(self._networks_of_bridges)
        )
        self._images = Images(self._connection, dialect)
        modules = self._modules = Modules(self._connection, is_remote=self.is_remote)
        self._instances = Instances(
            self._connection, self._networks, dialect, is_labelled=lambda: modules.has_selinux
        )
        self._commands = Commands(self._connection, dialect, is_here=not self.is_remote)
        self._is_rootless: bool | None = None
        """None: nobody has looked yet."""
        self._insides = Insides(self._instances.process, endpoint.socket)
        self._about = SOUND

    @property
    def name(self) -> str:
        return self._dialect.name

    @property
    def location(self) -> str:
        return self._endpoint.host

    @property
    def is_remote(self) -> bool:
        return self._endpoint.socket is None

    def capabilities(self) -> Capabilities:
        """What instances take is read where they run, which is here or not."""
        return replace(
            self._dialect.capabilities,
            cpu_stats=not self.is_remote,
            approximate_stats=self._is_rootless is True and not has_unified_groups(),
            userns=self._dialect.capabilities.userns and self._is_rootless is True,
            discovery=self._about.has_names,
            options=HONOURED | self._modules.options,
        )

    async def ping(self) -> None:
        """Learns what the engine's host can confine with, too, and whose engine it is."""
        await self._connection.ping()
        await self._learn()

    async def _learn(self) -> None:
        """Once. Raises Unavailable."""
        await self._modules.learn()
        try:
            await self._is_a_users()
        except OSError as error:
            raise self._connection.unavailable(str(error)) from error

    async def _is_a_users(self) -> bool:
        """Looks once. Raises OSError."""
        if self._is_rootless is None:
            self._is_rootless = await is_rootless(self._endpoint.socket)
        return self._is_rootless

    async def version(self) -> str:
        """What the engine is, and which API versions it speaks. Raises Unavailable."""
        return await self._connection.version()

    async def notices(self) -> tuple[str, ...]:
        """See ring.runtimes.base.Notices. Learns what the capabilities depend on, too."""
        self._about = await self._dialect.about(self._connection)
        return self._about.notices

    async def close(self) -> None:
        await self._images.close()
        self._commands.close()
        await self._insides.close()
        await self._connection.close()

    async def list(self) -> tuple[Instance, ...]:
        return await self._instances.list()

    async def events(self, since: datetime | None) -> AsyncIterator[RuntimeEvent]:
        """An engine that was away at the first ping is asked here what it can and whose it is, and
        what a server that was killed has left running in instances is ended."""
        await self._learn()
        await self._commands.end_ownerless()
        following = events.follow(self._connection, since, self._dialect)
        async with contextlib.aclosing(following) as stream:
            async for event in stream:
                yield event

    async def _networks_of_bridges(self) -> Sequence[Socket]:
        """See ring.network.bridges.Places. There are none while nobody can tell whose engine it is:
        a user's would name interfaces of this machine."""
        if await self._is_a_users():
            return await self._insides.homes(self._dialect.name_server)
        return here()

    async def ensure_network(self, namespace: str) -> None:
        await self._networks.ensure(namespace)

    def shortcomings(self, namespace: str) -> tuple[Shortcoming, ...]:
        found = self._networks.shortcomings(namespace)
        if self._about.has_names or any(one.reason == NO_NAMES for one in found):
            return found
        return (*found, NAMELESS)

    async def resolve_image(
        self, ref: str, policy: PullPolicy, pin: str | None, login: Login | None = None
    ) -> Image:
        return await self._images.resolve(ref, policy, pin, login)

    async def remote_digest(self, ref: str, login: Login | None = None) -> str | None:
        return await self._images.remote_digest(ref, login)

    async def host_login(self, image: str) -> Login:
        return await self._logins.login(image)

    def pull_progress(self, ref: str) -> PullProgress | None:
        return self._images.progress(ref)

    async def create(self, order: Order) -> Instance:
        return await self._instances.create(order)

    async def start(self, instance_id: InstanceId) -> None:
        await self._instances.start(instance_id)

    async def inspect(self, instance_id: InstanceId) -> Instance:
        return await self._instances.inspect(instance_id)

    async def attach(self, instance_id: InstanceId, namespace: str, aliases: Sequence[str]) -> None:
        await self._networks.attach(instance_id, namespace, aliases)

    async def stop(self, instance_id: InstanceId, grace_s: float | None) -> None:
        await self._instances.stop(instance_id, grace_s)

    async def remove(self, instance_id: InstanceId) -> None:
        await self._instances.remove(instance_id)

    async def remove_volume(self, name: str) -> bool:
        return await volumes.remove(self._connection, name)

    async def find(self, name: InstanceName) -> Instance | None:
        return await self._instances.find(name)

    async def process(self, instance_id: InstanceId) -> Process | None:
        found = await self._instances.process(instance_id)
        if found is not None and self._is_rootless:
            return replace(found, may_lack_groups=True)
        return found

    async def socket(self, instance_id: InstanceId, family: AddressFamily) -> Socket | None:
        return await self._insides.open(instance_id, family) if self._is_rootless else None

    async def environment(self, instance_id: InstanceId) -> Mapping[str, str]:
        return await self._instances.environment(instance_id)

    async def exec(
        self, instance_id: InstanceId, argv: Sequence[str], timeout_s: float
    ) -> Executed:
        return await self._commands.run(instance_id, argv, timeout_s)

    def session(
        self, instance_id: InstanceId, command: Command
    ) -> AbstractAsyncContextManager[Session]:
        return sessions.session(self._connection, self._commands, instance_id, command)

    async def images(self) -> tuple[HeldImage, ...]:
        return await stock.images(self._connection)

    async def holders(self) -> tuple[Holder, ...]:
        return await stock.holders(self._connection)

    async def remove_image(self, image_id: str, names: Sequence[str]) -> None:
        await stock.remove_image(self._connection, image_id, names)

    async def data_directory(self) -> Path | None:
        return None if self.is_remote else await stock.data_directory(self._connection)

    async def networks(self) -> tuple[HeldNetwork, ...]:
        return await stock.networks(self._connection)

    async def remove_network(self, network_id: str) -> None:
        await stock.remove_network(self._connection, network_id)
        self._networks.forget()

    async def volumes(self) -> tuple[HeldVolume, ...]:
        return await stock.volumes(self._connection)

    def logs(
        self, instance_id: InstanceId, query: LogQuery
    ) -> AsyncGenerator[Sequence[LogLine], None]:
        return logs.read(self._connection, instance_id, query, self._dialect)
