"""A task is made once what stood in its way is gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed

from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.runtimes.base import RuntimeFailure, Unavailable
from ring.runtimes.containerd import methods
from ring.runtimes.containerd import tasks as ours
from ring.runtimes.containerd.api import task_pb2 as task_types
from ring.runtimes.containerd.api import tasks_pb2 as tasks
from ring.runtimes.containerd.api.version_pb2 import VersionResponse
from ring.runtimes.containerd.client import Client
from ring.runtimes.containerd.logs import Stdio
from ring.runtimes.containerd.tasks import ShimSilent, Tasks
from tests.runtimes.containerd import scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

ID = InstanceId("shop_web_1a2b3c4d")
STDIO = Stdio("/run/out", "/run/err")
UNDOING = f"failed to start shim: mkdir /run/containerd/ring/{ID}: file exists: unknown"


class Containerd:
    """Refuses to make a task with each of these, then makes it."""

    def __init__(self, *refusals: tuple[grpc.StatusCode, str]) -> None:
        self.refusals = list(refusals)
        self.deleted = 0
        self.asked: list[Any] = []

    async def create(self, asked: Any, call: Any) -> Any:
        self.asked.append(asked)
        if self.refusals:
            await call.abort(*self.refusals.pop(0))
        return tasks.CreateTaskResponse(container_id=ID, pid=7)

    async def delete(self, _asked: Any, _call: Any) -> Any:
        self.deleted += 1
        return tasks.DeleteResponse()


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "_LOOK_S", 0.0)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[scripted.Server]:
    async with scripted.serving(tmp_path / "containerd.sock") as server:
        yield server


async def begun(server: scripted.Server, containerd: Containerd) -> int:
    server.answers(methods.TASKS_CREATE, containerd.create)
    server.answers(methods.TASKS_DELETE, containerd.delete)
    client = Client(server.socket, "ring")
    try:
        return await Tasks(client).begin(ID, (), STDIO, Packed())
    finally:
        await client.close()


async def test_it_writes_where_it_is_told_to(place: scripted.Server) -> None:
    containerd = Containerd()
    await begun(place, containerd)
    (asked,) = containerd.asked
    assert (asked.stdin, asked.stdout, asked.stderr) == ("", STDIO.stdout, STDIO.stderr)


async def test_what_a_killed_start_has_left_is_taken_away_first(place: scripted.Server) -> None:
    containerd = Containerd((grpc.StatusCode.ALREADY_EXISTS, "task exists"))
    assert await begun(place, containerd) == 7
    assert containerd.deleted == 1


async def test_what_is_being_taken_back_is_waited_for(place: scripted.Server) -> None:
    containerd = Containerd(*[(grpc.StatusCode.UNKNOWN, UNDOING)] * 3)
    assert await begun(place, containerd) == 7


async def test_not_for_ever(place: scripted.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "_LOOKS", 3)
    with pytest.raises(RuntimeFailure, match="file exists") as caught:
        await begun(place, Containerd(*[(grpc.StatusCode.UNKNOWN, UNDOING)] * 9))
    assert caught.value.failure.kind is FailureClass.OTHER


async def test_what_cannot_be_run_is_refused_at_once(place: scripted.Server) -> None:
    containerd = Containerd((grpc.StatusCode.UNKNOWN, "OCI runtime create failed: no such file"))
    with pytest.raises(RuntimeFailure) as caught:
        await begun(place, containerd)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED


async def test_a_shim_that_does_not_answer_is_no_engine_that_is_away(
    place: scripted.Server,
) -> None:
    async def version(_asked: Any, _call: Any) -> Any:
        return VersionResponse()

    lost = (grpc.StatusCode.UNAVAILABLE, "ttrpc: closed")
    place.answers(methods.VERSION, Containerd(lost).create)
    with pytest.raises(Unavailable, match="ttrpc: closed"):
        await begun(place, Containerd(lost))
    place.answers(methods.VERSION, version)
    with pytest.raises(
        RuntimeFailure, match=r"its shim does not answer: .*ttrpc: closed"
    ) as caught:
        await begun(place, Containerd(lost))
    assert caught.value.failure.kind is FailureClass.OTHER


@pytest.mark.parametrize("is_told", [False, True])
async def test_a_shim_that_does_not_delete_its_task_is_told_apart(
    is_told: bool, place: scripted.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose time is up first, ours or containerd's own for the same call, is anybody's guess."""
    monkeypatch.setattr(ours, "DELETE_S", 0.05)
    forever = asyncio.Event()

    async def delete(_asked: Any, call: Any) -> Any:
        if is_told:
            await call.abort(grpc.StatusCode.UNKNOWN, "context deadline exceeded")
        await forever.wait()

    async def kill(_asked: Any, call: Any) -> Any:
        await call.abort(grpc.StatusCode.UNAVAILABLE, "no answer")

    async def version(_asked: Any, call: Any) -> Any:
        if is_away:
            await call.abort(grpc.StatusCode.UNAVAILABLE, "no")
        return VersionResponse()

    is_away = False
    place.answers(methods.TASKS_DELETE, delete)
    place.answers(methods.TASKS_KILL, kill)
    place.answers(methods.VERSION, version)
    client = Client(place.socket, "ring")
    try:
        with pytest.raises(ShimSilent, match=f"cannot remove instance {ID}: its shim does not"):
            await Tasks(client).delete(ID)
        is_away = True
        with pytest.raises(Unavailable):
            await Tasks(client).delete(ID)
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("status", "pid"),
    [(task_types.RUNNING, 7), (task_types.PAUSED, 7), (task_types.STOPPED, None)],
)
async def test_only_what_runs_has_a_process(
    status: task_types.Status, pid: int | None, place: scripted.Server
) -> None:
    """What has ended still tells its number, which may be another's."""

    async def get(_asked: Any, _call: Any) -> Any:
        return tasks.GetResponse(process=task_types.Process(id=ID, pid=7, status=status))

    place.answers(methods.TASKS_GET, get)
    client = Client(place.socket, "ring")
    try:
        assert await Tasks(client).live_pid(ID) == pid
    finally:
        await client.close()
