"""A containerd on a socket of this process: what a test wrote down is there, and commands in its
containers are processes of this machine, read and written over FIFOs as a shim does it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.empty_pb2 import Empty

from ring.runtimes.containerd import methods
from ring.runtimes.containerd.api import containers_pb2 as containers
from ring.runtimes.containerd.api import events_pb2 as events
from ring.runtimes.containerd.api import task_pb2 as task_types
from ring.runtimes.containerd.api import tasks_pb2 as tasks
from tests.runtimes.containerd import scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from tests.runtimes.containerd.scripted import Server

NAMESPACE = "ring"
MISSING = "OCI runtime exec failed: exec failed: unable to start container process: "


@dataclass
class Command:
    request: tasks.ExecProcessRequest
    process: subprocess.Popen[bytes] | None = None
    stdin: int | None = None
    """The shim's own end of its input, which keeps it open."""

    def close_input(self) -> None:
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None

    @property
    def spec(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.request.spec.value)
        return found


@dataclass
class Daemon:
    server: Server
    containers: dict[str, containers.Container] = field(default_factory=dict)
    statuses: dict[str, task_types.Status] = field(default_factory=dict)
    """Of the tasks that there are."""
    commands: dict[str, Command] = field(default_factory=dict)
    """By exec id; those that were deleted are not among them."""
    subscribed: list[str] = field(default_factory=list)
    told: asyncio.Queue[events.Envelope | None] = field(default_factory=asyncio.Queue)
    """Events; None ends the stream."""
    refusal: str = ""
    """Why nothing is started."""
    begin: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing is started before it is set."""

    @property
    def socket(self) -> Path:
        return self.server.socket

    @property
    def asked(self) -> list[str]:
        """Names of the calls."""
        return [path.rpartition("/")[2] for path, _ in self.server.asked]

    def run(
        self,
        container_id: str,
        process: dict[str, object] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """A container whose task runs."""
        spec = json.dumps({"process": process or {"env": ["PATH=/usr/bin:/bin"], "cwd": "/"}})
        self.containers[container_id] = containers.Container(
            id=container_id, labels=labels or {}, spec=Packed(value=spec.encode())
        )
        self.statuses[container_id] = task_types.RUNNING

    def close(self) -> None:
        for command in self.commands.values():
            if command.process is not None:
                command.process.kill()
                command.process.wait()

    async def containers_get(self, asked: Any, call: Any) -> Any:
        if asked.id not in self.containers:
            await call.abort(grpc.StatusCode.NOT_FOUND, f"container {asked.id}: not found")
        return containers.GetContainerResponse(container=self.containers[asked.id])

    async def containers_list_stream(self, _asked: Any, _call: Any) -> AsyncIterator[Any]:
        for container in list(self.containers.values()):
            yield containers.ListContainerMessage(container=container)

    async def tasks_list(self, _asked: Any, _call: Any) -> Any:
        found = [
            task_types.Process(id=name, pid=os.getpid(), status=status)
            for name, status in self.statuses.items()
        ]
        return tasks.ListTasksResponse(tasks=found)

    async def tasks_get(self, asked: Any, call: Any) -> Any:
        status = self.statuses.get(asked.container_id)
        if status is None:
            await call.abort(grpc.StatusCode.NOT_FOUND, "no running task found")
        process = task_types.Process(id=asked.container_id, pid=os.getpid(), status=status)
        return tasks.GetResponse(process=process)

    async def tasks_exec(self, asked: Any, _call: Any) -> Any:
        self.commands[asked.exec_id] = Command(asked)
        return Empty()

    async def tasks_start(self, asked: Any, call: Any) -> Any:
        await self.begin.wait()
        if self.refusal:
            await call.abort(grpc.StatusCode.UNKNOWN, self.refusal)
        command = self.commands[asked.exec_id]
        request, spec = command.request, command.spec
        with contextlib.ExitStack() as stack:

            def opened(path: str, flags: int) -> int:
                number = os.open(path, flags) if path else subprocess.DEVNULL
                if path:
                    stack.callback(os.close, number)
                    os.set_blocking(number, True)
                return number

            if request.stdin:
                command.stdin = os.open(request.stdin, os.O_RDWR)
            env = dict(one.split("=", 1) for one in spec["env"])
            try:
                command.process = subprocess.Popen(  # noqa: ASYNC220 - as quick as a fork
                    spec["args"],
                    env=env,
                    stdin=opened(request.stdin, os.O_RDONLY | os.O_NONBLOCK),
                    stdout=opened(request.stdout, os.O_WRONLY),
                    stderr=opened(request.stderr, os.O_WRONLY),
                    start_new_session=True,
                )
            except OSError as error:
                why = f'{MISSING}exec: "{spec["args"][0]}": {os.strerror(error.errno or 0).lower()}'
                await call.abort(grpc.StatusCode.UNKNOWN, why)
            else:
                return tasks.StartResponse(pid=command.process.pid)

    async def tasks_wait(self, asked: Any, _call: Any) -> Any:
        process = self.commands[asked.exec_id].process
        assert process is not None
        code = await asyncio.to_thread(process.wait)
        return tasks.WaitResponse(exit_status=code if code >= 0 else 128 - code)

    async def tasks_delete_process(self, asked: Any, call: Any) -> Any:
        if asked.exec_id not in self.commands:
            await call.abort(grpc.StatusCode.NOT_FOUND, "process not found")
        self.commands.pop(asked.exec_id).close_input()
        return tasks.DeleteResponse()

    async def tasks_close_io(self, asked: Any, _call: Any) -> Any:
        self.commands[asked.exec_id].close_input()
        return Empty()

    async def events_subscribe(self, asked: Any, _call: Any) -> AsyncIterator[Any]:
        self.subscribed += asked.filters
        while (envelope := await self.told.get()) is not None:
            yield envelope


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Daemon]:
    async with scripted.serving(folder / "containerd.sock") as server:
        daemon = Daemon(server)
        daemon.begin.set()
        server.answers(methods.CONTAINERS_GET, daemon.containers_get)
        server.answers(methods.TASKS_GET, daemon.tasks_get)
        server.answers(methods.TASKS_LIST, daemon.tasks_list)
        server.answers(methods.TASKS_EXEC, daemon.tasks_exec)
        server.answers(methods.TASKS_START, daemon.tasks_start)
        server.answers(methods.TASKS_WAIT, daemon.tasks_wait)
        server.answers(methods.TASKS_DELETE_PROCESS, daemon.tasks_delete_process)
        server.answers(methods.TASKS_CLOSE_IO, daemon.tasks_close_io)
        server.streams(methods.CONTAINERS_LIST_STREAM, daemon.containers_list_stream)
        server.streams(methods.EVENTS_SUBSCRIBE, daemon.events_subscribe)
        try:
            yield daemon
        finally:
            daemon.begin.set()
            daemon.close()
