"""The Docker runtime: the interface's calls, each handed to the part that does it."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.model.capabilities import Capabilities
from ring.runtimes.docker import events, logs
from ring.runtimes.docker.connection import Connection, parse_host
from ring.runtimes.docker.images import Images
from ring.runtimes.docker.instances import Instances
from ring.runtimes.docker.networks import Networks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from ring.core.model.ids import InstanceId, InstanceName
    from ring.core.model.logs import LogLine, LogQuery
    from ring.core.model.observed import Instance
    from ring.runtimes.base import Image, Login, Order, Process, RuntimeEvent
    from ring.runtimes.docker.connection import Endpoint

DEFAULT_HOST = "unix:///var/run/docker.sock"
HOST_FORMS = "unix://PATH or tcp://HOST:PORT"
_log = logging.getLogger(__name__)

_CAPABILITIES = Capabilities(
    events=True,
    exit_codes=True,
    host_network=True,
    labels=True,
    cpu_stats=True,
    pull=True,
    ports=True,
    resources=True,
    command=True,
    discovery=True,
    user=True,
)


def from_options(options: Mapping[str, object]) -> DockerRuntime:
    """The runtime of these settings (`host`, `environment_host`). Raises HostError."""
    for key in ("tls_ca", "tls_cert", "tls_key"):
        if options.get(key):
            raise HostError(f"docker: '{key}' is set, but TLS to an engine is not supported yet")
    return DockerRuntime(parse_host(_host(options)))


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
    """One Docker engine, behind ring.runtimes.base.Runtime, Logs and Samples."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connection = Connection(endpoint)
        self._networks = Networks(self._connection)
        self._images = Images(self._connection)
        self._instances = Instances(self._connection, self._networks)

    @property
    def name(self) -> str:
        return "docker"

    @property
    def location(self) -> str:
        return self._endpoint.host

    @property
    def is_remote(self) -> bool:
        return self._endpoint.socket is None

    def capabilities(self) -> Capabilities:
        """What instances take is read where they run, which is here or not."""
        return replace(_CAPABILITIES, cpu_stats=not self.is_remote)

    async def ping(self) -> None:
        await self._connection.ping()

    async def version(self) -> str:
        """What the engine is, and which API versions it speaks. Raises Unavailable."""
        return await self._connection.version()

    async def close(self) -> None:
        await self._images.close()
        await self._connection.close()

    async def list(self) -> tuple[Instance, ...]:
        return await self._instances.list()

    async def events(self, since: datetime | None) -> AsyncIterator[RuntimeEvent]:
        async with contextlib.aclosing(events.follow(self._connection, since)) as stream:
            async for event in stream:
                yield event

    async def ensure_network(self, namespace: str) -> None:
        await self._networks.ensure(namespace)

    async def resolve_image(
        self, ref: str, policy: str, pin: str | None, login: Login | None = None
    ) -> Image:
        return await self._images.resolve(ref, policy, pin, login)

    async def remote_digest(self, ref: str, login: Login | None = None) -> str | None:
        return await self._images.remote_digest(ref, login)

    async def create(self, order: Order) -> Instance:
        return await self._instances.create(order)

    async def start(self, instance_id: InstanceId) -> None:
        await self._instances.start(instance_id)

    async def inspect(self, instance_id: InstanceId) -> Instance:
        return await self._instances.inspect(instance_id)

    async def attach(self, instance_id: InstanceId, namespace: str, aliases: Sequence[str]) -> None:
        await self._networks.attach(instance_id, namespace, aliases)

    async def stop(self, instance_id: InstanceId, grace_s: float) -> None:
        await self._instances.stop(instance_id, grace_s)

    async def remove(self, instance_id: InstanceId) -> None:
        await self._instances.remove(instance_id)

    async def find(self, name: InstanceName) -> Instance | None:
        return await self._instances.find(name)

    async def process(self, instance_id: InstanceId) -> Process | None:
        return await self._instances.process(instance_id)

    async def logs(self, instance_id: InstanceId, query: LogQuery) -> AsyncGenerator[LogLine, None]:
        async with contextlib.aclosing(logs.read(self._connection, instance_id, query)) as lines:
            async for line in lines:
                yield line
