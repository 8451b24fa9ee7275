"""Commands inside containers, which end when they are given up.

An engine has no call that ends a command: what was begun goes on after its client is gone. So
everything that belongs to one carries a mark in its environment, by which it is found again: on
this machine where the engine runs here, with its children, and from inside the container where it
does not. Nothing that a process cannot shed is a command's alone: the control group is all of the
container's.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.model.commands import MARK
from ring.core.model.failures import FailureClass
from ring.runtimes.base import (
    KEPT_OUTPUT_BYTES,
    Executed,
    Gone,
    RuntimeFailure,
    Unavailable,
    kept_output,
)
from ring.runtimes.docker import failures, payload
from ring.runtimes.marked import end_marked, end_ownerless, owner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from ring.core.model.ids import InstanceId
    from ring.runtimes.docker.connection import Answer, Connection
    from ring.runtimes.docker.dialect import Dialect
    from ring.runtimes.docker.payload import Payload

log = logging.getLogger(__name__)

ENDING_S = 5.0
"""Longest that a caller waits for the end of what it gave up; mostly it is milliseconds."""
_LOOK_AGAIN_S = 0.02
_LATE_S = 60.0
"""Longest that what did not end in that time is looked for: an engine may start it late."""
_LOOK_LATE_S = 0.5
_LATE_LOOKS = 20
"""For what may begin after its end was told: ten seconds."""
_FREE_BYTES = 1024 * 1024
_PACE_S = 0.01
"""Between two pieces of an output beyond _FREE_BYTES: one loud command is not to keep us busy."""
_HEADER_BYTES = 8
_SWEEP = (
    "for e in /proc/[0-9]*/environ; do "
    f'if grep -q "{MARK}=$0" "$e"; then p=${{e#/proc/}}; kill -9 "${{p%/environ}}"; fi; '
    "done 2>/dev/null"
)
"""For a shell inside the container; $0 is the mark."""


class Commands:
    """On one engine."""

    def __init__(self, connection: Connection, dialect: Dialect, *, is_here: bool) -> None:
        """is_here: the engine's processes are this machine's."""
        self._connection = connection
        self._dialect = dialect
        self._is_here = is_here
        self._pool: ThreadPoolExecutor | None = None
        self._late: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        for task in self._late:
            task.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(self, instance_id: InstanceId, argv: Sequence[str], timeout_s: float) -> Executed:
        """See ring.runtimes.base.Execs."""
        async with asyncio.timeout(timeout_s), self.begun(instance_id, argv, {}) as created:
            output = await self._output(created)
            code = await self.code(created)
        return Executed(code, kept_output(output))

    @asynccontextmanager
    async def begun(
        self, instance_id: InstanceId, argv: Sequence[str], how: Payload
    ) -> AsyncIterator[str]:
        """A command that is about to be started: its id. Left with an error it is ended."""
        mark = f"{owner()}-{secrets.token_hex(16)}"
        created = ""
        is_over = False
        given = how.get("Env")
        environment = [*(given if isinstance(given, list) else ()), f"{MARK}={mark}"]
        try:
            created = await self._create(instance_id, argv, {**how, "Env": environment})
            yield created
            is_over = True
        finally:
            if created and not is_over:
                await self._end(instance_id, created, mark)

    async def end_ownerless(self) -> None:
        """What servers that were killed have begun and left running."""
        if self._is_here:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._threads(), end_ownerless, MARK.encode())
            if found:
                log.info("ended %d process(es) of commands that a server had left behind", found)

    def refusal(self, answer: Answer, created: str) -> Exception:
        """Why it was not started."""
        try:
            _expect(answer, HTTPStatus.OK, created)
        except (Gone, RuntimeFailure) as error:
            return error
        return RuntimeFailure(FailureClass.OTHER, "the engine keeps the command to itself")

    async def _create(self, instance_id: InstanceId, argv: Sequence[str], how: Payload) -> str:
        """Nothing runs yet."""
        answer = await self._connection.call(
            "POST",
            f"/containers/{instance_id}/exec",
            body={"AttachStdout": True, "AttachStderr": True, "Cmd": list(argv), **how},
        )
        _expect(answer, HTTPStatus.CREATED, instance_id)
        return payload.text(payload.as_payload(answer.json()), "Id")

    async def _output(self, created: str) -> bytes:
        """Runs it, and drains what it writes to the end, of which the last is kept."""
        tail = Tail()
        path, how = f"/exec/{created}/start", {"Detach": False, "Tty": False}
        async with self._connection.stream("POST", path, body=how, idle_s=None) as stream:
            if stream.status != HTTPStatus.OK:
                _expect(await stream.rest(), HTTPStatus.OK, created)
            async for chunk in stream.chunks():
                tail.feed(chunk)
                if tail.seen_bytes > _FREE_BYTES:
                    await asyncio.sleep(_PACE_S)
        return tail.kept

    async def code(self, created: str) -> int:
        """Waits for its end. The output may be at its own a moment before the engine knows how it
        went."""
        while True:
            told = await self._told(created)
            if told.get("Running") is not True:
                return payload.number(told, "ExitCode")
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _told(self, created: str) -> Payload:
        answer = await self._connection.call("GET", f"/exec/{created}/json")
        _expect(answer, HTTPStatus.OK, created)
        return payload.as_payload(answer.json())

    async def _end(self, instance_id: InstanceId, created: str, mark: str) -> None:
        """Ends everything that the command is and has started; returns once it has ended."""
        try:
            async with asyncio.timeout(ENDING_S):
                if self._is_here:  # before the engine is asked, which may hang
                    await self._end_here(mark, 0, instance_id)
                while not await self._has_ended(instance_id, created, mark):  # noqa: ASYNC110 - another process's state: nothing signals it
                    await asyncio.sleep(_LOOK_AGAIN_S)
        except (TimeoutError, RuntimeFailure) as error:
            log.warning(
                "a command that was given up in instance %s may still run: %s",
                instance_id[:12],
                str(error) or f"it has not ended within {ENDING_S:g} s",
            )
            self._go_on(self._end_late(instance_id, created, mark))
        else:
            if self._is_here and self._dialect.begins_late:
                self._go_on(self._end_unsaid(instance_id, mark))

    def _go_on(self, ending: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(ending)
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _end_unsaid(self, instance_id: InstanceId, mark: str) -> None:
        """What begins after the engine has said that it ended."""
        for _ in range(_LATE_LOOKS):
            await asyncio.sleep(_LOOK_LATE_S)
            await self._end_here(mark, 0, instance_id)

    async def _end_late(self, instance_id: InstanceId, created: str, mark: str) -> None:
        """Nobody waits for this."""
        with suppress(TimeoutError, RuntimeFailure):
            async with asyncio.timeout(_LATE_S):
                while not await self._has_ended(instance_id, created, mark):  # noqa: ASYNC110 - another process's state: nothing signals it
                    await asyncio.sleep(_LOOK_LATE_S)

    async def _has_ended(self, instance_id: InstanceId, created: str, mark: str) -> bool:
        """Ends what is found of it; True: nothing was, and the engine says that it has ended."""
        pid, is_over, away = 0, True, None
        try:
            told = await self._told(created)
            is_over = self._dialect.has_ended(told)
            pid = 0 if is_over else payload.number(told, "Pid")
        except Gone:
            pass
        except Unavailable as error:
            away = error  # what is on this machine is ended all the same
        found = await self._end_here(mark, pid, instance_id) if self._is_here else 0
        if found:
            return False
        if away is not None:
            raise away
        if pid:
            await self._end_inside(instance_id, mark)
        return is_over

    async def _end_here(self, mark: str, pid: int, instance_id: InstanceId) -> int:
        """How many were found."""
        loop = asyncio.get_running_loop()
        entry = f"{MARK}={mark}".encode()
        return await loop.run_in_executor(self._threads(), end_marked, entry, pid, instance_id)

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ring-execs")
        return self._pool

    async def _end_inside(self, instance_id: InstanceId, mark: str) -> None:
        """Where the process is not to be seen from here. Without a shell in the image it stays."""
        with suppress(Gone):
            argv = ("/bin/sh", "-c", _SWEEP, mark)
            await self._output(await self._create(instance_id, argv, {"User": "0"}))


class Tail:
    """The end of an output that comes in frames of both streams, in pieces of any size."""

    def __init__(self) -> None:
        self.kept = b""
        self.seen_bytes = 0
        self._header = b""
        self._left = 0
        """Bytes of the frame that are still to come."""

    def feed(self, chunk: bytes) -> None:
        self.seen_bytes += len(chunk)
        position = 0
        while position < len(chunk):
            if self._left == 0:
                taken = chunk[position : position + _HEADER_BYTES - len(self._header)]
                self._header += taken
                position += len(taken)
                if len(self._header) == _HEADER_BYTES:
                    self._left = int.from_bytes(self._header[4:], "big")
                    self._header = b""
                continue
            part = chunk[position : position + self._left]
            position += len(part)
            self._left -= len(part)
            self.kept = (self.kept + part[-KEPT_OUTPUT_BYTES:])[-KEPT_OUTPUT_BYTES:]


def _expect(answer: Answer, status: HTTPStatus, about: str) -> None:
    if answer.status == HTTPStatus.NOT_FOUND:
        raise Gone(answer.message)
    if answer.status == HTTPStatus.CONFLICT:  # it does not run, or is paused
        raise RuntimeFailure(FailureClass.OTHER, answer.message)
    if answer.status != status:
        raise failures.refused(f"run a command in instance {about[:12]}", answer)
