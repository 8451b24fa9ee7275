"""One command inside a container, from its start to its end."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from ring.core.errors import EngineError
from ring.core.model.commands import Piece
from ring.core.model.failures import FailureClass
from ring.runtimes.base import Gone, RuntimeFailure, Unavailable
from ring.runtimes.containerd import methods
from ring.runtimes.containerd.api import tasks_pb2 as tasks
from ring.runtimes.containerd.client import NotThere, Refused
from ring.runtimes.containerd.pipes import Input, Output

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any as Packed

    from ring.core.model.commands import Command, Size
    from ring.core.model.ids import InstanceId
    from ring.runtimes.containerd.client import Client
    from ring.runtimes.containerd.pipes import Pipes

_T = TypeVar("_T")
_A = TypeVar("_A")
_FOR_EVER_S: Final = 365 * 86400.0
"""gRPC must be told some time."""
NOT_RUNNABLE: Final = 126
NOT_FOUND: Final = 127
_CODES: Final = (
    (re.compile(r"executable file .*not found|no such file", re.IGNORECASE), NOT_FOUND),
    (re.compile(r"permission denied|is a directory|not a directory", re.IGNORECASE), NOT_RUNNABLE),
)
_HAS_ENDED: Final = re.compile(r"cannot exec in a (stopped|deleted) (state|container)")


class CannotRun(EngineError):
    """The container runs, and what it was told to begin is nothing that can be."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Running:
    """See ring.runtimes.base.Session."""

    def __init__(
        self, client: Client, instance_id: InstanceId, exec_id: str, pipes: Pipes, command: Command
    ) -> None:
        """The FIFOs must be there. Raises OSError."""
        self.instance_id = instance_id
        self.exec_id = exec_id
        self._client = client
        self._pipes = pipes
        self._command = command
        self._output = Output(pipes)
        self._input = Input(pipes.stdin)
        self._starting: asyncio.Task[None] | None = None
        self._exit: asyncio.Task[int] | None = None
        self.pid = 0
        """Of its first process, as this machine numbers it; 0: not known."""

    @property
    def has_ended(self) -> bool:
        return self._exit is not None and self._exit.done() and _failure(self._exit) is None

    @property
    def is_settled(self) -> bool:
        """All of it that there will be can be found: it has ended, or was begun and nobody will
        tell any more when it ends."""
        if self._exit is not None:
            return self._exit.done()
        return self._starting is None or self._starting.done()

    @property
    def may_begin(self) -> bool:
        """Nobody has told whether it was begun."""
        failure = self._starting and self._starting.done() and _failure(self._starting)
        return isinstance(failure, Unavailable)

    @property
    def is_read(self) -> bool:
        """To the end."""
        return self._output.has_ended

    async def start(self, process: Packed) -> None:
        """Raises CannotRun, Gone, Unavailable, RuntimeFailure.

        An engine goes on with what nobody waits for: it may begin also after this was cancelled.
        """
        self._starting = asyncio.create_task(self._start(process))
        await asyncio.shield(self._starting)

    async def _start(self, process: Packed) -> None:
        try:
            await self._client.call(
                methods.TASKS_EXEC,
                tasks.ExecProcessRequest(
                    container_id=self.instance_id,
                    exec_id=self.exec_id,
                    stdin=self._pipes.stdin,
                    stdout=self._pipes.stdout,
                    stderr=self._pipes.stderr,
                    terminal=self._command.has_terminal,
                    spec=process,
                ),
            )
            started = await self._client.call(
                methods.TASKS_START,
                tasks.StartRequest(container_id=self.instance_id, exec_id=self.exec_id),
            )
        except (NotThere, Refused) as error:
            raise self._refusal(error) from error
        self.pid = started.pid
        self._exit = asyncio.create_task(self._waited())
        self._exit.add_done_callback(self._ended)
        if self._command.size is not None:
            await self.resize(self._command.size)

    def _refusal(self, error: EngineError) -> EngineError:
        """By its words: containerd has one class for everything that the OCI runtime says."""
        text = str(error)
        if "OCI runtime exec failed" in text:
            if "chdir" in text:
                return CannotRun(text, NOT_RUNNABLE)
            code = next((code for words, code in _CODES if words.search(text)), None)
            if code is not None and self._is_named(text):
                return CannotRun(text, code)
        if _HAS_ENDED.search(text):  # since it was looked at
            return RuntimeFailure(
                FailureClass.OTHER, f"instance {self.instance_id} does not run: {text}"
            )
        return RuntimeFailure(FailureClass.OTHER, f"the command was not begun: {text}")

    def _is_named(self, text: str) -> bool:
        """The program, in quotes: it is what cannot be run, and not the OCI runtime at a loss."""
        program = self._command.argv[0]
        return any(f"{quote}{program}{quote}" in text for quote in "\"'`")

    async def _waited(self) -> int:
        try:
            ended = await self._client.call(
                methods.TASKS_WAIT,
                tasks.WaitRequest(container_id=self.instance_id, exec_id=self.exec_id),
                timeout_s=_FOR_EVER_S,
            )
        except NotThere as error:
            raise Gone(str(error)) from error
        except Refused as error:
            raise RuntimeFailure(FailureClass.OTHER, str(error)) from error
        return ended.exit_status

    def _ended(self, exit_: asyncio.Task[int]) -> None:
        _failure(exit_)  # whoever asks for the code is told it
        self._output.command_ended()
        self._input.close()

    async def read(self) -> Piece | None:
        return await self._output.read()

    async def write(self, content: bytes) -> None:
        await self._input.write(content)

    async def end_input(self) -> None:
        if await self._input.open():  # not before the shim's end is: it would miss it
            await self._asked(
                methods.TASKS_CLOSE_IO,
                tasks.CloseIORequest(
                    container_id=self.instance_id, exec_id=self.exec_id, stdin=True
                ),
            )
            self._input.close()

    async def resize(self, size: Size) -> None:
        if self._command.has_terminal:
            await self._asked(
                methods.TASKS_RESIZE_PTY,
                tasks.ResizePtyRequest(
                    container_id=self.instance_id,
                    exec_id=self.exec_id,
                    width=size.columns,
                    height=size.rows,
                ),
            )

    async def _asked(self, method: methods.Method[_T, _A], request: _T) -> None:
        """Of one that may have ended: then it is of no interest."""
        with suppress(NotThere, Refused, Unavailable):
            await self._client.call(method, request)

    async def code(self) -> int:
        if self._exit is None:
            raise RuntimeFailure(FailureClass.OTHER, "the command was not begun")
        return await asyncio.shield(self._exit)

    async def remove(self) -> None:
        """Once it has ended, or was never begun: nothing of it is left. Never raises."""
        try:
            await self._released()
        finally:
            for task in (self._starting, self._exit):
                if task is not None:
                    task.cancel()
            self._input.close()
            self._output.close()
            self._pipes.remove()

    async def _released(self) -> None:
        self._input.close()
        self._output.command_ended()
        draining = asyncio.create_task(self._output.drain())
        try:
            await self._asked(
                methods.TASKS_DELETE_PROCESS,
                tasks.DeleteProcessRequest(container_id=self.instance_id, exec_id=self.exec_id),
            )
        finally:
            draining.cancel()
            await asyncio.gather(draining, return_exceptions=True)


class Unrunnable:
    """What is nothing that can be run, as a command that said so and ended. See base.Session."""

    def __init__(self, error: CannotRun, *, has_terminal: bool) -> None:
        end = "\r\n" if has_terminal else "\n"
        said = f"{error}{end}".encode()
        self._said: Piece | None = Piece("stdout" if has_terminal else "stderr", said)
        self._code = error.code

    async def read(self) -> Piece | None:
        said, self._said = self._said, None
        return said

    async def write(self, content: bytes) -> None:
        """Nobody reads it."""

    async def end_input(self) -> None:
        """Nobody reads it."""

    async def resize(self, size: Size) -> None:
        """It has no terminal."""

    async def code(self) -> int:
        return self._code


def _failure(task: asyncio.Task[_T]) -> BaseException | None:
    """Of one that is over."""
    return asyncio.CancelledError() if task.cancelled() else task.exception()
