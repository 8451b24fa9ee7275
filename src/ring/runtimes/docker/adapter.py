"""The Docker runtime: the interface's calls, each handed to the part that does it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.model.capabilities import Capabilities
from ring.runtimes.docker import events
from ring.runtimes.docker.connection import Connection, parse_host
from ring.runtimes.docker.images import Images
from ring.runtimes.docker.instances import Instances
from ring.runtimes.docker.networks import Networks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime

    from ring.core.model.ids import InstanceId, InstanceName
    from ring.core.model.observed import Instance
    from ring.runtimes.base import Image, Order, RuntimeEvent
    from ring.runtimes.docker.connection import Endpoint

DEFAULT_HOST = "unix:///var/run/docker.sock"

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
    """The runtime of these settings (`host`). Raises HostError."""
    for key in ("tls_ca", "tls_cert", "tls_key"):
        if options.get(key):
            raise HostError(f"docker: '{key}' is set, but TLS to an engine is not supported yet")
    host = options.get("host") or DEFAULT_HOST
    if not isinstance(host, str):
        raise HostError(f"docker host {host!r} is not text: write unix://PATH or tcp://HOST:PORT")
    return DockerRuntime(parse_host(host.strip() or DEFAULT_HOST))


class DockerRuntime:
    """One Docker engine, behind ring.runtimes.base.Runtime."""

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
        return _CAPABILITIES

    async def ping(self) -> None:
        await self._connection.ping()

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

    async def resolve_image(self, ref: str, policy: str, pin: str | None) -> Image:
        return await self._images.resolve(ref, policy, pin)

    async def remote_digest(self, ref: str) -> str | None:
        return await self._images.remote_digest(ref)

    async def create(self, order: Order) -> Instance:
        return await self._instances.create(order)

    async def start(self, instance_id: InstanceId) -> None:
        await self._instances.start(instance_id)

    async def inspect(self, instance_id: InstanceId) -> Instance:
        return await self._instances.inspect(instance_id)

    async def stop(self, instance_id: InstanceId, grace_s: float) -> None:
        await self._instances.stop(instance_id, grace_s)

    async def remove(self, instance_id: InstanceId) -> None:
        await self._instances.remove(instance_id)

    async def find(self, name: InstanceName) -> Instance | None:
        return await self._instances.find(name)
