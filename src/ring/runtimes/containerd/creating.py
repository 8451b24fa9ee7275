"""Instances are made: a snapshot and files first, and last the container object that names them."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from google.protobuf.any_pb2 import Any as AnyMessage

from ring.core import health
from ring.core.model import labels
from ring.core.model.health import Health
from ring.core.model.ids import InstanceId
from ring.runtimes import ownership
from ring.runtimes.base import NameTaken, RuntimeFailure, Unavailable
from ring.runtimes.containerd import (
    failures,
    instance_records,
    methods,
    names,
    reserved,
    task_options,
)
from ring.runtimes.containerd.api import containers_pb2 as containers
from ring.runtimes.containerd.client import Already, Refused
from ring.runtimes.containerd.looking import directory_of
from ring.runtimes.containerd.together import to_the_end

if TYPE_CHECKING:
    from collections.abc import Collection

    from ring.core.model.observed import Instance
    from ring.runtimes.base import Order
    from ring.runtimes.containerd.client import Client
    from ring.runtimes.containerd.images import Images
    from ring.runtimes.containerd.looking import Looking
    from ring.runtimes.containerd.preparing import Preparer
    from ring.runtimes.containerd.settings import Settings
    from ring.runtimes.containerd.snapshots import Mounts, Snapshots
    from ring.runtimes.containerd.volumes import Volumes

SPEC_TYPE: Final = "types.containerd.io/opencontainers/runtime-spec/1/Spec"
PATIENCE_S: Final = 60.0
"""With what was given up and still copies: a folder of the machine that is on a network file system
whose server has gone would hold it for ever, and with it whoever gave up."""
log = logging.getLogger(__name__)


class Creating:
    """On one containerd. Loop thread only."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        *,
        looking: Looking,
        images: Images,
        snapshots: Snapshots,
        volumes: Volumes,
        preparer: Preparer,
    ) -> None:
        self._client = client
        self._settings = settings
        self._looking = looking
        self._images = images
        self._snapshots = snapshots
        self._volumes = volumes
        self._preparer = preparer
        self._making: set[InstanceId] = set()
        """Those whose container object may not be there yet."""
        self._turns: WeakValueDictionary[InstanceId, asyncio.Lock] = WeakValueDictionary()

    async def create(self, order: Order) -> Instance:
        """See Runtime.create."""
        reserved.expect_none(order.spec.labels)
        instance_id = names.container_id(order.name)
        self._making.add(instance_id)
        try:
            async with self.turn(instance_id):
                return await self._create(order, instance_id)
        finally:
            self._making.discard(instance_id)

    def turn(self, instance_id: InstanceId) -> asyncio.Lock:
        """Held, no instance of this id is made: one may be whose namesake has just gone."""
        return self._turns.setdefault(instance_id, asyncio.Lock())

    async def _create(self, order: Order, instance_id: InstanceId) -> Instance:
        async with AsyncExitStack() as undo:
            image = await self._images.configuration(order.image.ref)
            mounts = await self._prepared_snapshot(instance_id, image.chain_id, order)
            undo.push_async_callback(self._snapshots.remove, instance_id)
            undo.push_async_callback(self.forget_files, instance_id)
            # Threads copy into its volumes: what they make is there before it is taken back.
            prepared = await to_the_end(
                self._preparer.prepare(order, image, mounts, instance_id), patience_s=PATIENCE_S
            )
            container = containers.Container(
                id=instance_id,
                labels=_labels(order),
                image=order.image.ref,
                runtime=containers.Container.Runtime(
                    name=self._settings.shim,
                    options=task_options.options(self._settings.cgroup_driver),
                ),
                spec=AnyMessage(type_url=SPEC_TYPE, value=json.dumps(prepared.spec).encode()),
                snapshotter=self._settings.snapshotter,
                snapshot_key=instance_id,
                extensions=instance_records.packed(prepared.record),
            )
            try:
                answer = await self._client.call(
                    methods.CONTAINERS_CREATE,
                    containers.CreateContainerRequest(container=container),
                )
            except Already as error:
                undo.pop_all()
                raise NameTaken(f"there is an instance '{order.name}' already") from error
            except Refused as error:
                raise failures.of_create(f"create instance {order.name}", error) from error
            undo.pop_all()
        return await self._looking.looked_into(answer.container, None)

    async def _prepared_snapshot(
        self, instance_id: InstanceId, chain_id: str, order: Order
    ) -> Mounts:
        """Raises NameTaken, RuntimeFailure."""
        owner = {labels.SERVER: order.server_id, labels.INSTANCE: order.name}
        try:
            return await self._snapshots.prepare(instance_id, chain_id, owner)
        except Already as error:
            if await self._looking.labels(instance_id) is not None:
                raise NameTaken(f"there is an instance '{order.name}' already") from error
            # What a create left that was killed: nobody else makes snapshots by this name.
            await self._snapshots.remove(instance_id)
            return await self._snapshots.prepare(instance_id, chain_id, owner)

    async def sweep(self, known: Collection[InstanceId], server_id: str) -> None:
        """What creations of this server have left that were broken off goes. known: instances that
        are there. Raises RuntimeFailure."""
        for key in sorted(await self._snapshots.prepared(labels.SERVER, server_id)):
            instance_id = InstanceId(key)
            if instance_id in known or instance_id in self._making:
                continue
            if await self._looking.labels(instance_id) is None and instance_id not in self._making:
                log.warning("instance %s was never made: its files are removed", instance_id)
                try:
                    # The snapshot last: by it the rest is found where this is broken off.
                    await self.forget_files(instance_id)
                    await self._snapshots.remove(instance_id)
                except Unavailable:
                    raise
                except RuntimeFailure as error:
                    log.warning("instance %s: %s", instance_id, error)

    async def forget_files(self, instance_id: InstanceId) -> None:
        """Its volumes that are nobody else's, and its own files. Raises RuntimeFailure."""
        await self._volumes.release(instance_id)
        directory = directory_of(self._settings.state_dir, instance_id)
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


def _labels(order: Order) -> dict[str, str]:
    own = ownership.instance_labels(order)
    if health.shown_check(order.spec) is not None:
        own[labels.HEALTH] = Health.STARTING
    return own
