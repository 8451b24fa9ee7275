"""Instances: a container object, a snapshot and a task each, all by the same id.

The container object is the last thing that goes: as long as it is listed, somebody comes back to
remove the rest.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Final

from google.protobuf.field_mask_pb2 import FieldMask

from ring.core.model import labels
from ring.core.model.failures import FailureClass
from ring.runtimes.base import Gone, RuntimeFailure
from ring.runtimes.containerd import (
    cgroups,
    etc_files,
    failures,
    instance_records,
    methods,
    names,
    shims,
    task_options,
)
from ring.runtimes.containerd.api import containers_pb2 as containers
from ring.runtimes.containerd.client import NotThere, Refused
from ring.runtimes.containerd.looking import directory_of, started_mark
from ring.runtimes.containerd.stop_signals import number_of
from ring.runtimes.containerd.tasks import USUAL_GRACE_S, ShimSilent, is_live
from ring.runtimes.containerd.together import all_of, to_the_end

if TYPE_CHECKING:
    from ring.core.model.health import Health
    from ring.core.model.ids import InstanceId
    from ring.runtimes.containerd.client import Client
    from ring.runtimes.containerd.creating import Creating
    from ring.runtimes.containerd.instance_records import Record
    from ring.runtimes.containerd.logs import LogKeeper
    from ring.runtimes.containerd.looking import Looking
    from ring.runtimes.containerd.networking.networks import Networks
    from ring.runtimes.containerd.settings import Settings
    from ring.runtimes.containerd.snapshots import Snapshots
    from ring.runtimes.containerd.tasks import Tasks

_JOB: Final = "job"
_DRAINED_S: Final = 2.0

_log = logging.getLogger(__name__)


class Instances:
    """Those that are made: started, connected, stopped, removed."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        *,
        tasks: Tasks,
        looking: Looking,
        creating: Creating,
        snapshots: Snapshots,
        networks: Networks,
        logs: LogKeeper,
    ) -> None:
        self._client = client
        self._settings = settings
        self._tasks = tasks
        self._looking = looking
        self._creating = creating
        self._snapshots = snapshots
        self._networks = networks
        self._logs = logs
        self._starting: set[InstanceId] = set()
        """Those whose task may not run yet."""

    async def start(self, instance_id: InstanceId) -> None:
        """See Runtime.start. What has ended runs again, from where its files are."""
        self._starting.add(instance_id)
        try:
            await self._start(instance_id)
        finally:
            self._starting.discard(instance_id)

    async def _start(self, instance_id: InstanceId) -> None:
        container, task = await asyncio.gather(
            self._looking.container(instance_id), self._tasks.get(instance_id)
        )
        if is_live(task):
            return
        record = instance_records.unpacked(container)
        if task is not None:
            await self._without_task(instance_id)
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self._undo_start, instance_id, record)
            if not record.is_on_host:
                await self._networks.place(
                    instance_id,
                    record.namespace,
                    record.ports,
                    record.aliases,
                    is_ready=not record.is_gated,
                )
            if task_options.needs_interface(container):
                await self._connect(instance_id, record)
                await self._begin(instance_id, container)
            else:
                # Each takes some hundred milliseconds, and neither needs the other.
                await all_of(
                    self._connect(instance_id, record), self._begin(instance_id, container)
                )
            await to_the_end(self._run(instance_id))
            undo.pop_all()

    async def _undo_start(self, instance_id: InstanceId, record: Record) -> None:
        """A task that may run, since nobody can ask for it, keeps its network."""
        await self._without_task(instance_id)
        if not record.is_on_host:
            await self._networks.leave(instance_id)

    async def _run(self, instance_id: InstanceId) -> None:
        """Marked before it runs: what has run is not to be run again without being asked."""
        mark = started_mark(self._settings.state_dir, instance_id)
        try:
            await asyncio.to_thread(mark.touch)
        except OSError as error:
            raise RuntimeFailure(
                FailureClass.FILE_SYSTEM, f"cannot write {mark}: {error.strerror}"
            ) from error
        try:
            await self._tasks.start(instance_id)
        except RuntimeFailure as error:
            if error.failure.kind is not FailureClass.UNAVAILABLE:
                await asyncio.to_thread(mark.unlink, missing_ok=True)
            raise

    async def _connect(self, instance_id: InstanceId, record: Record) -> None:
        """To its network, and with the files that tell of it: they are mounted, maybe already."""
        address = None
        if not record.is_on_host:
            address = await self._networks.plug(instance_id, record.namespace, record.ports)
        await self._write_files(instance_id, record, address)

    async def _begin(self, instance_id: InstanceId, container: containers.Container) -> None:
        stdio = await self._logs.open(instance_id)
        mounts = await self._snapshots.mounts(instance_id)
        options = task_options.options(self._settings.cgroup_driver, container)
        await self._tasks.begin(instance_id, mounts, stdio, options)

    async def _write_files(
        self, instance_id: InstanceId, record: Record, address: str | None
    ) -> None:
        is_here = record.is_on_host
        gateway = None if is_here else await self._networks.gateway(record.namespace)
        try:
            await asyncio.to_thread(
                etc_files.write_all,
                directory_of(self._settings.state_dir, instance_id),
                hostname=record.hostname,
                address=address,
                gateway=gateway,
                name_server=gateway if self._settings.dns else None,
                extra_hosts=record.extra_hosts,
            )
        except OSError as error:
            raise RuntimeFailure(
                FailureClass.FILE_SYSTEM, f"cannot write the files of {record.name}: {error}"
            ) from error

    async def attach(self, instance_id: InstanceId) -> None:
        """See Runtime.attach."""
        container = await self._looking.container(instance_id)
        record = instance_records.unpacked(container)
        if record.is_on_host or not is_live(await self._tasks.get(instance_id)):
            return
        before = self._networks.joined(instance_id)
        await self._networks.attach(
            instance_id,
            lambda: self._tasks.live_pid(instance_id),
            record.namespace,
            record.ports,
            record.aliases,
        )
        now = self._networks.joined(instance_id)
        if now is not None and (before is None or before.addresses != now.addresses):
            await self._write_files(instance_id, record, next(iter(now.addresses), None))

    async def stop(self, instance_id: InstanceId, grace_s: float | None) -> None:
        """See Runtime.stop."""
        try:
            record = instance_records.unpacked(await self._looking.container(instance_id))
        except Gone:
            return
        usual = USUAL_GRACE_S if record.grace_s is None else record.grace_s
        await self._tasks.stop(
            instance_id,
            number_of(record.stop_signal),
            usual if grace_s is None else grace_s,
        )

    async def show_health(self, instance_id: InstanceId, health: Health) -> None:
        """See ShowsHealth.show_health. Every other label stays as it is then."""
        if not names.is_legal(instance_id):
            raise Gone(f"there is no instance '{instance_id}'")
        shown = containers.Container(id=instance_id, labels={labels.HEALTH: health})
        mask = FieldMask(paths=[f"labels.{labels.HEALTH}"])  # the rest of a path is the key
        try:
            await self._client.call(
                methods.CONTAINERS_UPDATE,
                containers.UpdateContainerRequest(container=shown, update_mask=mask),
            )
        except NotThere as error:
            raise Gone(f"there is no instance '{instance_id}'") from error
        except Refused as error:
            raise failures.of_call(f"label instance {instance_id}", error) from error

    async def let_go(self, instance_id: InstanceId) -> None:
        """Of a job that has ended, its files and logs stay; its address and its ports are for
        others. What somebody else has removed leaves nothing at all. Raises RuntimeFailure."""
        try:
            container = await self._looking.container(instance_id)
        except Gone:
            await self._clear(instance_id)
            return
        if container.labels.get(labels.KIND) != _JOB or instance_id in self._starting:
            return
        if is_live(await self._tasks.get(instance_id)):
            return
        if instance_id in self._starting:  # since it was asked for
            return
        await self._networks.leave(instance_id)

    async def _clear(self, instance_id: InstanceId) -> None:
        """Of one that is gone, whatever has removed it, and that had its files here: every server
        on this containerd hears of everybody's. Raises RuntimeFailure."""
        if not directory_of(self._settings.state_dir, instance_id).exists():
            return
        async with self._creating.turn(instance_id):
            if await self._looking.labels(instance_id) is None:
                await self.remove(instance_id)

    async def remove(self, instance_id: InstanceId) -> None:
        """See Runtime.remove. Whatever a step finds gone is as it should be."""
        if not names.is_legal(instance_id):
            return
        await self._without_task(instance_id)
        await self._networks.leave(instance_id)
        await self._snapshots.remove(instance_id)
        await self._logs.remove(instance_id)
        await self._creating.forget_files(instance_id)
        with suppress(NotThere):
            try:
                await self._client.call(
                    methods.CONTAINERS_DELETE, containers.DeleteContainerRequest(id=instance_id)
                )
            except Refused as error:
                raise failures.of_call(f"remove instance {instance_id}", error) from error

    async def _without_task(self, instance_id: InstanceId) -> None:
        """Nor anything of one. Raises RuntimeFailure."""
        try:
            was_there = await self._tasks.delete(instance_id)
        except ShimSilent as error:
            # What is to go anyway is not waited for; containerd cleans up after it.
            _log.warning("%s; it is killed", error.message)
            await self._end_shim(instance_id)
            was_there = await self._tasks.delete(instance_id)
        if not was_there:
            await self._end_shim(instance_id)
        if not cgroups.left_of(instance_id):
            return
        try:
            await asyncio.to_thread(cgroups.clear, instance_id)
        except OSError as error:
            raise RuntimeFailure(
                FailureClass.OTHER, f"cannot remove the control groups of {instance_id}: {error}"
            ) from error

    async def _end_shim(self, instance_id: InstanceId) -> None:
        await asyncio.to_thread(
            shims.end, self._settings.socket, self._settings.namespace, instance_id
        )

    async def is_told(self, instance_id: InstanceId) -> bool:
        """It runs no more, or never did, and all that it wrote can be read. Raises Unavailable."""
        if is_live(await self._tasks.get(instance_id)):
            return False
        await self._logs.drained(instance_id, _DRAINED_S)
        return True
