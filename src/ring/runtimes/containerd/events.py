"""containerd's event stream, as what happened to Ring's instances.

It tells what happens from when it is asked on: nothing is replayed. An event names a container and
no more; whose it is, its labels tell, which are kept for what is told of it after its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from google.protobuf.message import DecodeError

from ring.core.model import labels
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.runtimes.base import CameUp, Destroyed, Died, OutOfMemory, Paused, Resync
from ring.runtimes.containerd import methods, shortage
from ring.runtimes.containerd.api import containers_pb2 as containers
from ring.runtimes.containerd.api import events_pb2 as events
from ring.runtimes.containerd.api import payloads_pb2 as payloads
from ring.runtimes.containerd.api import task_pb2 as task_types
from ring.runtimes.containerd.api import tasks_pb2 as tasks
from ring.runtimes.containerd.client import CALL_TIMEOUT_S, NotThere, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from google.protobuf.timestamp_pb2 import Timestamp

    from ring.runtimes.base import RuntimeEvent
    from ring.runtimes.containerd.client import Client

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CREATED: Final = "/containers/create"
_DELETED: Final = "/containers/delete"
_BEGUN: Final = "/tasks/create"
_STARTED: Final = "/tasks/start"
_EXITED: Final = "/tasks/exit"
_TOPICS: Final = "^/(tasks/(create|start|exit|oom|paused|resumed)|containers/(create|delete))$"
_LABELLED: Final = f'labels."{labels.DEPLOYMENT}"'

_KILLED: Final = 128 + signal.SIGKILL

SUBSCRIBED_S: Final = 0.25
"""After which the first event would be told: nothing says that it has begun to listen."""

Owner = tuple[InstanceName, DeploymentId]


async def follow(client: Client) -> AsyncGenerator[RuntimeEvent, None]:
    """Events from now on, after a Resync for what was before. Ends by raising Unavailable."""
    owners = Owners(client)
    asked = events.SubscribeRequest(filters=[f'namespace=="{client.namespace}",topic~="{_TOPICS}"'])
    async with contextlib.aclosing(client.stream(methods.EVENTS_SUBSCRIBE, asked)) as told:
        coming = asyncio.ensure_future(anext(told, None))
        try:
            await owners.fill()
            await asyncio.wait({coming}, timeout=SUBSCRIBED_S)
            yield Resync("events are told from here on")
            while (envelope := await coming) is not None:
                if (event := await owners.read(envelope)) is not None:
                    if isinstance(event, Died) and await _ran_out(event):
                        who = (event.instance_id, event.name, event.deployment_id)
                        yield OutOfMemory(*who, event.at)
                    yield event
                coming = asyncio.ensure_future(anext(told, None))
        except Refused as error:
            raise client.unavailable(f"it refuses to tell events: {error}") from error
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
    raise client.unavailable("it ended its event stream")


class Owners:
    """Whose the containers are, for as long as they are there."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, Owner | None] = {}
        """None: none of Ring's."""
        self._unstarted: dict[str, int] = {}
        """The processes of tasks that were made and do not run yet, by container: when one is taken
        away again, nothing has died."""
        self._ran: dict[str, int] = {}
        """Of those that were seen to run."""

    async def fill(self) -> None:
        present = await self._client.call(methods.TASKS_LIST, tasks.ListTasksRequest())
        for task in present.tasks:
            kept = self._unstarted if task.status == task_types.CREATED else self._ran
            kept[task.id] = task.pid
        asked = containers.ListContainersRequest(filters=[_LABELLED])
        listed = self._client.stream(
            methods.CONTAINERS_LIST_STREAM, asked, timeout_s=CALL_TIMEOUT_S
        )
        async with contextlib.aclosing(listed) as messages:
            async for message in messages:
                found = message.container
                self._known[found.id] = _owner(found.id, found.labels)

    async def read(self, envelope: events.Envelope) -> RuntimeEvent | None:
        """A Resync where it tells too little to act on; None: it is of no interest."""
        if envelope.namespace != self._client.namespace:
            return None
        try:
            return await self._read(envelope)
        except (DecodeError, OverflowError, Refused) as error:
            return Resync(f"an event could not be read: {error}")

    async def _read(self, envelope: events.Envelope) -> RuntimeEvent | None:
        topic, content = envelope.topic, envelope.event.value
        at = moment(envelope.timestamp)
        if topic == _CREATED:
            await self._owner(payloads.ContainerCreate.FromString(content).id)
            return None
        if topic == _BEGUN:
            begun = payloads.TaskCreate.FromString(content)
            self._unstarted[begun.container_id] = begun.pid
            return None
        if topic == _STARTED:
            started = payloads.TaskStart.FromString(content)
            self._unstarted.pop(started.container_id, None)
            self._ran[started.container_id] = started.pid
        if topic == _DELETED:
            return await self._deleted(payloads.ContainerDelete.FromString(content).id, at)
        if topic == _EXITED:
            return await self._exited(payloads.TaskExit.FromString(content))
        kind = _PLAIN.get(topic)
        if kind is None:
            return None
        read, made = kind
        container_id = read(content).container_id
        owner = await self._owner(container_id)
        return None if owner is None else made(InstanceId(container_id), *owner, at)

    async def _exited(self, told: payloads.TaskExit) -> RuntimeEvent | None:
        """A command inside it has an id of its own."""
        if told.id != told.container_id:
            return None
        if self._unstarted.get(told.container_id) == told.pid:
            del self._unstarted[told.container_id]
            return None
        if self._ran.get(told.container_id) != told.pid:
            # Made while nobody listened, by a server that was killed then: did it ever run?
            return Resync(f"container {told.container_id} has ended, and was not seen to run")
        owner = await self._owner(told.container_id)
        if owner is None:
            return None
        container_id = InstanceId(told.container_id)
        return Died(container_id, *owner, moment(told.exited_at), told.exit_status)

    async def _deleted(self, container_id: str, at: datetime) -> RuntimeEvent | None:
        if container_id not in self._known:
            return Resync(f"container {container_id} is gone, and nobody knows whose it was")
        self._unstarted.pop(container_id, None)
        self._ran.pop(container_id, None)
        owner = self._known.pop(container_id)
        return None if owner is None else Destroyed(InstanceId(container_id), *owner, at)

    async def _owner(self, container_id: str) -> Owner | None:
        if container_id not in self._known:
            asked = containers.GetContainerRequest(id=container_id)
            try:
                found = await self._client.call(methods.CONTAINERS_GET, asked)
            except NotThere:
                return None  # that it is gone will be told
            self._known[container_id] = _owner(container_id, found.container.labels)
        return self._known[container_id]


class _OfTask(Protocol):
    container_id: str


_Plain = type[CameUp | Paused | OutOfMemory]
_PLAIN: Final[Mapping[str, tuple[Callable[[bytes], _OfTask], _Plain]]] = {
    "/tasks/start": (payloads.TaskStart.FromString, CameUp),
    "/tasks/resumed": (payloads.TaskResumed.FromString, CameUp),
    "/tasks/paused": (payloads.TaskPaused.FromString, Paused),
    "/tasks/oom": (payloads.TaskOOM.FromString, OutOfMemory),
}


async def _ran_out(event: Died) -> bool:
    """A kill for want of memory, which containerd may tell of only after the end that it brought:
    those who watch for the two are two."""
    return event.code == _KILLED and await asyncio.to_thread(shortage.ran_out, event.instance_id)


def _owner(container_id: str, told: Mapping[str, str]) -> Owner | None:
    deployment = told.get(labels.DEPLOYMENT)
    if deployment is None:
        return None
    return InstanceName(told.get(labels.INSTANCE) or container_id), DeploymentId(deployment)


def moment(told: Timestamp) -> datetime:
    """Raises OverflowError."""
    return _EPOCH + timedelta(seconds=told.seconds, microseconds=told.nanos // 1000)
