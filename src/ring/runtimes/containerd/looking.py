"""Containers as they are: a container object, its task, and what is known beside them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from ring.core.model import labels
from ring.core.model.ids import InstanceId
from ring.core.model.observed import State
from ring.runtimes.base import Gone, Process
from ring.runtimes.containerd import (
    failures,
    instance_records,
    mapping,
    methods,
    names,
    shortage,
)
from ring.runtimes.containerd.api import containers_pb2 as containers
from ring.runtimes.containerd.client import CALL_TIMEOUT_S, NotThere, Refused
from ring.runtimes.containerd.tasks import is_live

if TYPE_CHECKING:
    from pathlib import Path

    from ring.core.model.ids import InstanceName
    from ring.core.model.observed import Instance
    from ring.runtimes.containerd.api import task_pb2 as task_types
    from ring.runtimes.containerd.client import Client
    from ring.runtimes.containerd.networking.networks import Networks
    from ring.runtimes.containerd.tasks import Tasks

_LABELLED: Final = f'labels."{labels.DEPLOYMENT}"'
_STARTED: Final = "started"


def started_mark(state_dir: Path, instance_id: InstanceId) -> Path:
    """The file that is there once its task was to run: without a task it has ended since."""
    return directory_of(state_dir, instance_id) / _STARTED


def directory_of(state_dir: Path, instance_id: InstanceId) -> Path:
    """Of its own files, which outlive a start of the machine."""
    return state_dir / "containerd" / instance_id


class Looking:
    """Changes nothing. Raises Unavailable where containerd does not answer."""

    def __init__(self, client: Client, tasks: Tasks, networks: Networks, state_dir: Path) -> None:
        self._client = client
        self._tasks = tasks
        self._networks = networks
        self._state_dir = state_dir

    async def list(self) -> tuple[Instance, ...]:
        """See Runtime.list: two calls, whatever there is."""
        found, tasks = await asyncio.gather(self._containers(_LABELLED), self._tasks.all())
        return tuple(self._seen(each, tasks.get(each.id)) for each in found)

    async def everybodys(self) -> tuple[containers.Container, ...]:
        """Those that are none of Ring's, too."""
        return await self._containers()

    async def inspect(self, instance_id: InstanceId) -> Instance:
        """See Runtime.inspect."""
        container, task = await asyncio.gather(
            self.container(instance_id), self._tasks.get(instance_id)
        )
        return await self.looked_into(container, task)

    async def find(self, name: InstanceName) -> Instance | None:
        """See Runtime.find."""
        try:
            found = await self.inspect(names.container_id(name))
        except Gone:
            return None
        return found if found.name == name else None

    async def process(self, instance_id: InstanceId) -> Process | None:
        """See Samples.process."""
        task = await self._tasks.get(instance_id)
        if task is None:
            await self.container(instance_id)
        return Process(task.pid) if task is not None and is_live(task) and task.pid else None

    async def labels(self, instance_id: InstanceId) -> dict[str, str] | None:
        """None: there is no such container."""
        try:
            return dict((await self.container(instance_id)).labels)
        except Gone:
            return None

    async def container(self, instance_id: InstanceId) -> containers.Container:
        """Raises Gone, RuntimeFailure."""
        if not names.is_legal(instance_id):
            raise Gone(f"there is no instance '{instance_id}'")
        try:
            answer = await self._client.call(
                methods.CONTAINERS_GET, containers.GetContainerRequest(id=instance_id)
            )
        except NotThere as error:
            raise Gone(f"there is no instance '{instance_id}'") from error
        except Refused as error:
            raise failures.of_call(f"look at instance {instance_id}", error) from error
        return answer.container

    async def looked_into(
        self, container: containers.Container, task: task_types.Process | None
    ) -> Instance:
        """With what a listing does not tell."""
        seen = self._seen(container, task)
        volumes = instance_records.unpacked(container).anonymous_volumes
        end = None
        if seen.state is State.EXITED:
            ran_out = await asyncio.to_thread(shortage.ran_out, seen.id)
            end = mapping.end(task, ran_out=ran_out)
        return mapping.with_inspection(seen, volumes, end)

    async def _containers(self, *filters: str) -> tuple[containers.Container, ...]:
        request = containers.ListContainersRequest(filters=filters)
        stream = self._client.stream(
            methods.CONTAINERS_LIST_STREAM, request, timeout_s=CALL_TIMEOUT_S
        )
        try:
            async with aclosing(stream):
                return tuple([message.container async for message in stream])
        except (Refused, NotThere) as error:
            raise failures.of_call("list containers", error) from error

    def _seen(self, container: containers.Container, task: task_types.Process | None) -> Instance:
        instance_id = InstanceId(container.id)
        runs = task is not None and mapping.STATES.get(task.status) is not State.EXITED
        return mapping.instance(
            container,
            task,
            self._networks.joined(instance_id),
            was_started=runs or started_mark(self._state_dir, instance_id).exists(),
        )
