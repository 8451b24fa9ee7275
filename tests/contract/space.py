"""A namespace of its own for one test, and orders in it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.model.ids import DeploymentId, GroupKey, InstanceName, instance_name
from ring.core.model.spec import Config, DeploymentSpec, Network, Port, Resources, Volume
from ring.runtimes.base import Detached, File, Order, Resync
from tests.contract.outside import UNTIL_TOLD, eventually

if TYPE_CHECKING:
    from datetime import datetime

    from ring.core.model.ids import InstanceId
    from ring.core.model.observed import Instance
    from ring.runtimes.base import Runtime, RuntimeEvent
    from tests.contract.outside import Outside


@dataclass(slots=True)
class Space:
    outside: Outside
    namespace: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}")
    server_id: str = "server-a"
    deployment_id: DeploymentId = field(default_factory=lambda: DeploymentId(str(uuid.uuid4())))

    @property
    def runtime(self) -> Runtime:
        return self.outside.runtime

    def sibling(self, **changes: str) -> Space:
        """Another space on the same engine; the namespace stays unless it is given."""
        return Space(
            self.outside,
            changes.get("namespace", self.namespace),
            changes.get("server_id", self.server_id),
        )

    def fresh_name(self, deployment: str = "web") -> InstanceName:
        return instance_name(GroupKey(self.namespace, deployment), uuid.uuid4().hex[:8])

    async def order(
        self,
        name: str = "web",
        *,
        command: tuple[str, ...] = UNTIL_TOLD,
        environment: dict[str, str] | None = None,
        labels: dict[str, str] | None = None,
        ports: tuple[Port, ...] = (),
        volumes: tuple[Volume, ...] = (),
        resources: Resources | None = None,
        image: str | None = None,
        default_host_ip: str | None = None,
        files: tuple[File, ...] = (),
        network: Network | None = None,
        config: Config | None = None,
    ) -> Order:
        """An order whose network, if it needs one, and image are there."""
        spec = DeploymentSpec(
            name=name,
            namespace=self.namespace,
            runtime="docker",
            image=image or self.outside.image,
            command=command,
            labels=labels or {},
            ports=ports,
            volumes=volumes,
            resources=resources,
            network=network,
            config=config,
        )
        if spec.network_mode == "bridge":
            await self.runtime.ensure_network(self.namespace)
        return Order(
            name=self.fresh_name(name),
            deployment_id=self.deployment_id,
            server_id=self.server_id,
            spec=spec,
            image=await self.runtime.resolve_image(spec.image, "IfNotPresent", None),
            environment=environment or {},
            default_host_ip=default_host_ip,
            files=files,
        )

    async def created(self) -> Instance:
        return await self.runtime.create(await self.order())

    async def running(self, order: Order | None = None) -> Instance:
        """It was started; UNTIL_TOLD can be told by now."""
        order = order or await self.order()
        created = await self.runtime.create(order)
        await self.runtime.start(created.id)
        if order.spec.command == UNTIL_TOLD and not order.spec.init:  # which hears for it
            await self.outside.listens(created.id, signal.SIGTERM)
        return created

    async def ended(self, instance_id: InstanceId) -> Instance:
        """The instance, once it is not live any more."""

        async def is_over() -> bool:
            return not (await self.runtime.inspect(instance_id)).is_live

        await eventually(is_over)
        return await self.runtime.inspect(instance_id)

    async def told(self, since: datetime, last: type[RuntimeEvent]) -> list[RuntimeEvent]:
        """This space's events from `since` to the first of the kind `last`."""
        told: list[RuntimeEvent] = []
        async with asyncio.timeout(10):
            stream = self.runtime.events(since)
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(stream.aclose)  # type: ignore[attr-defined]  # a generator
                async for event in stream:
                    if isinstance(event, Resync | Detached):
                        continue
                    if event.deployment_id != self.deployment_id:
                        continue
                    told.append(event)
                    if isinstance(event, last):
                        break
        return told
