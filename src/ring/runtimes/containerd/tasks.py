"""The task of an instance: made, started, ended, deleted."""

from __future__ import annotations

import asyncio
import re
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from google.protobuf.empty_pb2 import Empty

from ring.core.model.failures import FailureClass
from ring.core.model.stopping import LONGEST_GRACE_S
from ring.runtimes.base import Gone, RuntimeFailure, Unavailable
from ring.runtimes.containerd import failures, methods
from ring.runtimes.containerd.api import task_pb2 as task_types
from ring.runtimes.containerd.api import tasks_pb2 as tasks
from ring.runtimes.containerd.client import CALL_TIMEOUT_S, Already, NotThere, Refused
from ring.runtimes.containerd.together import to_the_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.any_pb2 import Any as AnyMessage

    from ring.core.errors import EngineError
    from ring.core.model.ids import InstanceId
    from ring.runtimes.containerd.api import types_pb2 as types
    from ring.runtimes.containerd.client import Client
    from ring.runtimes.containerd.logs import Stdio

USUAL_GRACE_S: Final = 10.0
_LIVE: Final = frozenset({task_types.RUNNING, task_types.PAUSED, task_types.PAUSING})
_BEING_UNDONE: Final = re.compile(r"mkdir \S+: file exists|getwd: no such file or directory")
"""How containerd refuses a task while it takes back an earlier one, whose creator was killed."""
_LOOKS: Final = 100
_LOOK_S: Final = 0.1
_KILLED_S: Final = 30.0
"""A killed process ends at once, unless the kernel waits for a device."""
_ALIVE_S: Final = 5.0
DELETE_S: Final = 15.0
"""Until a shim that does not delete its task is taken for one that does not answer: mostly it is
milliseconds."""


class ShimSilent(RuntimeFailure):
    """The shim of an instance does not answer, and containerd does."""


class Tasks:
    """On one containerd. Every call raises Unavailable where it does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def all(self) -> dict[str, task_types.Process]:
        """By the id of the container."""
        try:
            answer = await self._client.call(methods.TASKS_LIST, tasks.ListTasksRequest())
        except (Refused, NotThere) as error:
            raise failures.of_call("list tasks", error) from error
        return {task.id: task for task in answer.tasks}

    async def get(self, instance_id: InstanceId) -> task_types.Process | None:
        """None: there is none, or its shim is gone."""
        try:
            answer = await self._client.call(
                methods.TASKS_GET, tasks.GetRequest(container_id=instance_id)
            )
        except NotThere:
            return None
        except Refused as error:
            raise failures.of_call(f"look at instance {instance_id}", error) from error
        return answer.process

    async def live_pid(self, instance_id: InstanceId) -> int | None:
        """Of its first process; None: it does not run. See `get`."""
        task = await self.get(instance_id)
        return task.pid if task is not None and is_live(task) else None

    async def begin(
        self,
        instance_id: InstanceId,
        rootfs: Sequence[types.Mount],
        stdio: Stdio,
        options: AnyMessage,
    ) -> int:
        """Made, and not running yet: its process. Raises RuntimeFailure.

        When it is cancelled it ends first: containerd loses what it makes for nobody.
        """
        refusal: EngineError = Already(f"there is a task of {instance_id} already")
        request = tasks.CreateTaskRequest(
            container_id=instance_id,
            rootfs=rootfs,
            stdout=stdio.stdout,
            stderr=stdio.stderr,
            options=options,
        )
        for _ in range(_LOOKS):
            try:
                return await to_the_end(self._created(request))
            except Already:
                # Left by a start that was killed before anybody knew that it was there.
                await self.delete(instance_id)
            except NotThere as error:
                raise Gone(f"there is no instance '{instance_id}'") from error
            except Unavailable as error:
                raise await self._apart(f"start instance {instance_id}", error) from error
            except Refused as error:
                if not _BEING_UNDONE.search(error.message):
                    raise failures.of_start(f"start instance {instance_id}", error) from error
                refusal = error
                await asyncio.sleep(_LOOK_S)
        raise failures.of_start(f"start instance {instance_id}", refusal) from refusal

    async def _created(self, request: tasks.CreateTaskRequest) -> int:
        return (await self._client.call(methods.TASKS_CREATE, request)).pid

    async def start(self, instance_id: InstanceId) -> None:
        """What was begun runs. Raises RuntimeFailure."""
        try:
            await self._client.call(
                methods.TASKS_START, tasks.StartRequest(container_id=instance_id)
            )
        except (Refused, NotThere, Already) as error:
            raise failures.of_start(f"start instance {instance_id}", error) from error
        except Unavailable as error:
            raise await self._apart(f"start instance {instance_id}", error) from error

    async def _apart(self, act: str, error: Unavailable) -> RuntimeFailure:
        """containerd tells of a shim that does not answer as if it did not itself: where it does,
        this instance has failed, and others are not to wait for an engine."""
        try:
            await self._client.call(methods.VERSION, Empty(), timeout_s=_ALIVE_S)
        except Unavailable:
            return error
        return ShimSilent(
            FailureClass.OTHER, f"cannot {act}: its shim does not answer: {error.message}"
        )

    async def stop(self, instance_id: InstanceId, number: int, grace_s: float) -> None:
        """Asked to end, then killed. Gone is success. Raises RuntimeFailure."""
        task = await self.get(instance_id)
        if task is None or task.status not in _LIVE:
            return
        if task.status != task_types.RUNNING:
            with suppress(NotThere, Refused):
                await self._client.call(
                    methods.TASKS_RESUME, tasks.ResumeTaskRequest(container_id=instance_id)
                )
        waiting = asyncio.create_task(self._ended(instance_id, grace_s + CALL_TIMEOUT_S))
        try:
            await self._signal(instance_id, number)
            await asyncio.wait((waiting,), timeout=grace_s)
            if not waiting.done():
                await self._signal(instance_id, signal.SIGKILL, everything=True)
                await asyncio.wait((waiting,), timeout=_KILLED_S)
            if not waiting.done():
                raise RuntimeFailure(
                    FailureClass.OTHER,
                    f"cannot stop instance {instance_id}: it has not ended within {_KILLED_S:g} s "
                    "of being killed",
                )
            await waiting
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    async def delete(self, instance_id: InstanceId) -> bool:
        """Whatever state it is in. False: there is none. Raises RuntimeFailure, of which ShimSilent
        is one."""
        try:
            return await self._deleted(instance_id)
        except Unavailable as error:
            raise await self._apart(f"remove instance {instance_id}", error) from error

    async def _deleted(self, instance_id: InstanceId) -> bool:
        request = tasks.DeleteTaskRequest(container_id=instance_id)
        try:
            await self._client.call(methods.TASKS_DELETE, request, timeout_s=DELETE_S)
        except NotThere:
            return False
        except Refused:
            await self._kill_and_delete(instance_id, request)
        return True

    async def _kill_and_delete(
        self, instance_id: InstanceId, request: tasks.DeleteTaskRequest
    ) -> None:
        """It runs still; so may what was made and never started."""
        await self._signal(instance_id, signal.SIGKILL, everything=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(_KILLED_S):
                await self._ended(instance_id, _KILLED_S + CALL_TIMEOUT_S)
        try:
            await self._client.call(methods.TASKS_DELETE, request)
        except NotThere:
            return
        except Refused as error:
            raise failures.of_call(f"remove instance {instance_id}", error) from error

    async def _ended(self, instance_id: InstanceId, within_s: float) -> None:
        with suppress(NotThere):
            try:
                await self._client.call(
                    methods.TASKS_WAIT,
                    tasks.WaitRequest(container_id=instance_id),
                    timeout_s=min(within_s, LONGEST_GRACE_S + CALL_TIMEOUT_S),
                )
            except Refused as error:
                raise failures.of_call(f"wait for instance {instance_id}", error) from error

    async def _signal(
        self, instance_id: InstanceId, number: int, *, everything: bool = False
    ) -> None:
        """What ended meanwhile needs none."""
        request = tasks.KillRequest(container_id=instance_id, signal=number, all=everything)
        try:
            await self._client.call(methods.TASKS_KILL, request)
        except NotThere:
            return
        except Refused as error:
            if "process already finished" not in error.message:
                raise failures.of_call(f"stop instance {instance_id}", error) from error


def is_live(task: task_types.Process | None) -> bool:
    return task is not None and task.status in _LIVE
