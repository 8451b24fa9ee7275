"""Commands inside containers, which end when they are given up.

containerd kills no more of a command than its first process. So everything that belongs to one
carries a mark in its environment, by which it is found again on this machine, with its children.
The mark is the command's exec id, too, and so in the names of its FIFOs: what a server that was
killed has left is told by them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from ring.core.model.commands import MARK, Command
from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.runtimes.base import KEPT_OUTPUT_BYTES, Executed, Gone, RuntimeFailure, kept_output
from ring.runtimes.containerd import hanging, methods, pipes, processes
from ring.runtimes.containerd.api import containers_pb2 as containers
from ring.runtimes.containerd.api import task_pb2 as task_types
from ring.runtimes.containerd.api import tasks_pb2 as tasks
from ring.runtimes.containerd.client import NotThere, Refused
from ring.runtimes.containerd.oci import users
from ring.runtimes.containerd.rootfs import Root
from ring.runtimes.containerd.running import CannotRun, Running, Unrunnable
from ring.runtimes.marked import end_marked, end_ownerless, is_ownerless, owner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
    from pathlib import Path
    from typing import TypeVar

    from google.protobuf.any_pb2 import Any as Packed

    from ring.runtimes.base import Session
    from ring.runtimes.containerd.client import Client
    from ring.runtimes.containerd.oci.users import ResolvedUser
    from ring.runtimes.containerd.pipes import Pipes

    _T = TypeVar("_T")

log = logging.getLogger(__name__)

ENDING_S: Final = 5.0
"""Longest that a caller waits for the end of what it gave up; mostly it is milliseconds."""
LATE_S: Final = 60.0
"""Longest that what did not end in that time is looked for."""
LOOKUP_S: Final = 10.0
"""Longest that a user is looked for in the files of an instance."""
MOST_LOOKUPS: Final = 4
"""In one instance at once: each of them may hang for as long as the instance is there."""
_LOOK_AGAIN_S: Final = 0.02
_LOOK_LATE_S: Final = 0.5
_LATE_LOOKS: Final = 20
_FREE_BYTES: Final = 1024 * 1024
_PACE_S: Final = 0.01
"""Between two pieces of an output beyond _FREE_BYTES: one loud command is not to keep us busy."""
_FOLDER: Final = "containerd"


class Commands:
    """In one namespace of one containerd."""

    def __init__(self, client: Client, run_dir: Path) -> None:
        """run_dir: the FIFOs are in `containerd/<instance>` there."""
        self._client = client
        self._folder = run_dir / _FOLDER
        self._pool: ThreadPoolExecutor | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._places: WeakValueDictionary[InstanceId, asyncio.Semaphore] = WeakValueDictionary()
        """For lookups, by instance."""

    def close(self) -> None:
        for task in self._closing:
            task.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(self, instance_id: InstanceId, argv: Sequence[str], timeout_s: float) -> Executed:
        """See ring.runtimes.base.Execs."""
        command = Command(tuple(argv), takes_input=False)
        async with asyncio.timeout(timeout_s) as limit, self.session(instance_id, command) as begun:
            written = await _end_of_output(begun)
            code = await begun.code()
            limit.reschedule(None)
            return Executed(code, kept_output(written))

    async def environment(self, instance_id: InstanceId) -> Mapping[str, str]:
        """See ring.runtimes.base.Execs."""
        return processes.environment(await self._own_process(instance_id))

    @asynccontextmanager
    async def session(self, instance_id: InstanceId, command: Command) -> AsyncIterator[Session]:
        """See ring.runtimes.base.Sessions."""
        mark = f"{owner()}-{secrets.token_hex(8)}"
        process = await self._process(instance_id, command, mark)
        running = self._made(instance_id, command, mark)
        is_over = False
        try:
            try:
                await running.start(process)
            except CannotRun as error:
                yield Unrunnable(error, has_terminal=command.has_terminal)
                is_over = True
            else:
                yield running
                is_over = running.has_ended
        finally:
            await self._closed(running, is_over=is_over)

    async def end_ownerless(self) -> None:
        """What servers that were killed have begun and left running, and the FIFOs of it."""
        found = await self._threaded(lambda: end_ownerless(MARK.encode()))
        if found:
            log.info("ended %d process(es) of commands that a server had left behind", found)
        for instance_id, exec_id, left in await self._threaded(self._left_behind):
            await self._let_go(instance_id, exec_id, left)

    # what a command is begun with
    async def _process(self, instance_id: InstanceId, command: Command, mark: str) -> Packed:
        own = await self._own_process(instance_id)
        pid = await self._pid(instance_id)
        user = await self._user(instance_id, pid, command.user) if command.user else None
        return processes.of_command(own, command, mark, user)

    async def _user(self, instance_id: InstanceId, pid: int, user: str) -> ResolvedUser:
        """The instance may have its files on a share, and that may hang: nobody else's command,
        and no end of one, waits for that."""
        places = self._places.setdefault(instance_id, asyncio.Semaphore(MOST_LOOKUPS))
        try:
            async with asyncio.timeout(LOOKUP_S):
                await places.acquire()
                return await hanging.apart(
                    lambda: _resolved(pid, user), "ring-users", ended=places.release
                )
        except TimeoutError as error:
            why = f"cannot tell who '{user}' is: reading {users.PASSWD} of instance {instance_id}"
            raise RuntimeFailure(
                FailureClass.OTHER, f"{why} takes more than {LOOKUP_S:g} s"
            ) from error

    async def _own_process(self, instance_id: InstanceId) -> Mapping[str, object]:
        try:
            found = await self._client.call(
                methods.CONTAINERS_GET, containers.GetContainerRequest(id=instance_id)
            )
        except NotThere as error:
            raise Gone(str(error)) from error
        except Refused as error:
            raise RuntimeFailure(FailureClass.OTHER, str(error)) from error
        return processes.own_process(found.container.spec.value)

    async def _pid(self, instance_id: InstanceId) -> int:
        """Of what runs. Raises RuntimeFailure where nothing does."""
        try:
            found = await self._client.call(
                methods.TASKS_GET, tasks.GetRequest(container_id=instance_id)
            )
        except (NotThere, Refused) as error:
            raise _not_running(instance_id, "does not run") from error
        match found.process.status:
            case task_types.RUNNING:
                return found.process.pid
            case task_types.PAUSED | task_types.PAUSING:
                raise _not_running(instance_id, "is paused")
        raise _not_running(instance_id, "does not run")

    def _made(self, instance_id: InstanceId, command: Command, exec_id: str) -> Running:
        """On a file system in memory: as quick as a thread is to ask."""
        folder = self._folder / instance_id
        made = pipes.pipes(
            folder, exec_id, takes_input=command.takes_input, has_terminal=command.has_terminal
        )
        try:
            folder.mkdir(0o700, parents=True, exist_ok=True)
            made.make()
            return Running(self._client, instance_id, exec_id, made, command)
        except OSError as error:
            made.remove()
            why = f"the pipes of a command could not be made: {error}"
            raise RuntimeFailure(FailureClass.FILE_SYSTEM, why) from error

    # its end
    async def _closed(self, running: Running, *, is_over: bool) -> None:
        """Returns once it has ended and nothing is left of it, or after a while."""
        closing = self._go_on(running.remove() if is_over else self._ended(running))
        if is_over and running.has_ended and not running.is_read:
            return  # something that it left behind has its streams: the shim waits for that
        await asyncio.wait({closing}, timeout=ENDING_S)
        if not closing.done():
            log.warning(
                "a command that was given up in instance %s may still run: it has not ended "
                "within %g s",
                running.instance_id,
                ENDING_S,
            )

    def _go_on(self, ending: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(ending)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task

    async def _ended(self, running: Running) -> None:
        """Ends everything that the command is and has started."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LATE_S):
                    while not await self._is_over(running):  # noqa: ASYNC110 - another process's state: nothing signals it
                        await asyncio.sleep(_LOOK_AGAIN_S)
            if running.may_begin:
                self._go_on(self._end_unsaid(running))
        finally:
            await running.remove()

    async def _is_over(self, running: Running) -> bool:
        """Ends what is found of it; True: nothing was, and nothing can have begun since."""
        is_settled = running.is_settled
        return not await self._killed(running) and is_settled

    async def _end_unsaid(self, running: Running) -> None:
        """What begins after nobody could tell whether it would."""
        for _ in range(_LATE_LOOKS):
            await asyncio.sleep(_LOOK_LATE_S)
            await self._killed(running)

    async def _killed(self, running: Running) -> int:
        """How many were found."""
        entry = f"{MARK}={running.exec_id}".encode()
        leader = 0 if running.is_settled else running.pid
        return await self._threaded(lambda: end_marked(entry, leader, running.instance_id))

    # what others left
    def _left_behind(self) -> list[tuple[InstanceId, str, Pipes]]:
        try:
            folders = [one for one in self._folder.iterdir() if one.is_dir()]
        except OSError:
            return []
        return [
            (InstanceId(folder.name), exec_id, left)
            for folder in folders
            for exec_id, left in pipes.left_behind(folder).items()
            if is_ownerless(exec_id.encode())
        ]

    async def _let_go(self, instance_id: InstanceId, exec_id: str, left: Pipes) -> None:
        try:
            running = Running(self._client, instance_id, exec_id, left, Command(()))
        except OSError:
            left.remove()
        else:
            await running.remove()

    async def _threaded(self, work: Callable[[], _T]) -> _T:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ring-execs")
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


async def _end_of_output(session: Session) -> bytes:
    """Drains what it writes to the end, of which the last is kept."""
    kept, seen_bytes = b"", 0
    while (piece := await session.read()) is not None:
        kept = (kept + piece.content[-KEPT_OUTPUT_BYTES:])[-KEPT_OUTPUT_BYTES:]
        seen_bytes += len(piece.content)
        if seen_bytes > _FREE_BYTES:
            await asyncio.sleep(_PACE_S)
    return kept


def _not_running(instance_id: InstanceId, how: str) -> RuntimeFailure:
    return RuntimeFailure(FailureClass.OTHER, f"instance {instance_id} {how}")


def _resolved(pid: int, user: str) -> ResolvedUser:
    """As the container's own files name it."""
    try:
        number = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        raise RuntimeFailure(FailureClass.OTHER, f"the instance is not there: {error}") from error
    try:
        return users.resolve(None, user, Root(number))
    finally:
        os.close(number)
