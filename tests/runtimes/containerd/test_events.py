"""What containerd tells, as what happened to Ring's instances."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.timestamp_pb2 import Timestamp

from ring.core.model import labels
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.runtimes.base import CameUp, Destroyed, Died, OutOfMemory, Paused, Resync, Unavailable
from ring.runtimes.containerd import events, shortage
from ring.runtimes.containerd.api import events_pb2 as wire
from ring.runtimes.containerd.api import payloads_pb2 as payloads
from ring.runtimes.containerd.api import task_pb2 as task_types
from ring.runtimes.containerd.client import Client
from tests.runtimes.containerd import daemon as daemons

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from ring.runtimes.base import RuntimeEvent
    from tests.runtimes.containerd.daemon import Daemon

pytestmark = pytest.mark.anyio

ID = "shop_web_1a2b3c4d"
OWN = {labels.DEPLOYMENT: "d1", labels.INSTANCE: ID}
WHO = (InstanceId(ID), InstanceName(ID), DeploymentId("d1"))
TOLD_AT = Timestamp(seconds=1_700_000_000, nanos=123_456_789)
ENDED_AT = Timestamp(seconds=1_699_999_999, nanos=1_000)
AT = datetime.fromtimestamp(1_700_000_000, UTC).replace(microsecond=123_456)
END = datetime.fromtimestamp(1_699_999_999, UTC).replace(microsecond=1)


def envelope(topic: str, event: Any, namespace: str = daemons.NAMESPACE) -> wire.Envelope:
    packed = Packed(type_url="containerd.events.X", value=event.SerializeToString())
    return wire.Envelope(timestamp=TOLD_AT, namespace=namespace, topic=topic, event=packed)


def exited(code: int, exec_id: str = ID) -> wire.Envelope:
    return envelope(
        "/tasks/exit",
        payloads.TaskExit(
            container_id=ID, id=exec_id, pid=os.getpid(), exit_status=code, exited_at=ENDED_AT
        ),
    )


def started(container_id: str = ID) -> wire.Envelope:
    return envelope("/tasks/start", payloads.TaskStart(container_id=container_id, pid=os.getpid()))


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with daemons.serving(tmp_path) as one:
        yield one


@pytest.fixture
async def stream(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AsyncGenerator[RuntimeEvent, None]]:
    monkeypatch.setattr(events, "SUBSCRIBED_S", 0.01)
    daemon.run(ID, labels=OWN)
    client = Client(daemon.socket, daemons.NAMESPACE)
    async with contextlib.aclosing(events.follow(client)) as one:
        assert isinstance(await anext(one), Resync)
        yield one
    await client.close()


async def test_what_is_asked_for(
    daemon: Daemon, stream: AsyncGenerator[RuntimeEvent, None]
) -> None:
    assert sorted(daemon.asked) == ["List", "ListStream", "Subscribe"]
    (wanted,) = daemon.subscribed
    assert wanted.startswith('namespace=="ring",topic~="^/')


async def test_what_is_told_at_once_comes_after_the_first_listing(daemon: Daemon) -> None:
    daemon.run(ID, labels=OWN)
    daemon.told.put_nowait(started())
    client = Client(daemon.socket, daemons.NAMESPACE)
    async with contextlib.aclosing(events.follow(client)) as one:
        assert isinstance(await anext(one), Resync)
        assert await anext(one) == CameUp(*WHO, AT)
    await client.close()


@pytest.mark.parametrize(
    ("topic", "event", "meant"),
    [
        ("/tasks/start", payloads.TaskStart(container_id=ID, pid=7), CameUp(*WHO, AT)),
        ("/tasks/resumed", payloads.TaskResumed(container_id=ID), CameUp(*WHO, AT)),
        ("/tasks/paused", payloads.TaskPaused(container_id=ID), Paused(*WHO, AT)),
        ("/tasks/oom", payloads.TaskOOM(container_id=ID), OutOfMemory(*WHO, AT)),
        ("/containers/delete", payloads.ContainerDelete(id=ID), Destroyed(*WHO, AT)),
    ],
)
async def test_what_happens(
    daemon: Daemon,
    stream: AsyncGenerator[RuntimeEvent, None],
    topic: str,
    event: Any,
    meant: RuntimeEvent,
) -> None:
    daemon.told.put_nowait(envelope(topic, event))
    assert await anext(stream) == meant


async def test_a_death_is_that_of_the_first_process(
    daemon: Daemon, stream: AsyncGenerator[RuntimeEvent, None]
) -> None:
    daemon.told.put_nowait(exited(1, "some-command"))
    daemon.told.put_nowait(exited(137))
    assert await anext(stream) == Died(*WHO, END, 137)


def begun(pid: int) -> wire.Envelope:
    return envelope("/tasks/create", payloads.TaskCreate(container_id=ID, pid=pid))


def exit_of(pid: int, code: int) -> wire.Envelope:
    ended = payloads.TaskExit(container_id=ID, id=ID, pid=pid, exit_status=code, exited_at=ENDED_AT)
    return envelope("/tasks/exit", ended)


async def test_what_is_taken_away_before_it_ran_has_not_died(
    daemon: Daemon, stream: AsyncGenerator[RuntimeEvent, None]
) -> None:
    running = envelope("/tasks/start", payloads.TaskStart(container_id=ID, pid=8))
    for one in (begun(7), exit_of(7, 137), begun(8), running, exit_of(8, 3)):
        daemon.told.put_nowait(one)
    assert await anext(stream) == CameUp(*WHO, AT)
    assert await anext(stream) == Died(*WHO, END, 3)


async def test_nor_has_what_a_former_server_has_begun(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SUBSCRIBED_S", 0.01)
    daemon.run(ID, labels=OWN)
    daemon.statuses[ID] = task_types.CREATED
    client = Client(daemon.socket, daemons.NAMESPACE)
    async with contextlib.aclosing(events.follow(client)) as stream:
        assert isinstance(await anext(stream), Resync)
        daemon.told.put_nowait(exit_of(os.getpid(), 137))
        daemon.told.put_nowait(started())
        assert await anext(stream) == CameUp(*WHO, AT)
    await client.close()


async def test_nor_is_it_certain_of_what_was_made_while_nobody_listened(
    daemon: Daemon, stream: AsyncGenerator[RuntimeEvent, None]
) -> None:
    daemon.told.put_nowait(exit_of(9, 137))
    assert isinstance(await anext(stream), Resync)


@pytest.mark.parametrize(("code", "is_told"), [(137, True), (1, False)])
async def test_a_kill_for_want_of_memory_is_told_before_the_end_it_brought(
    daemon: Daemon,
    stream: AsyncGenerator[RuntimeEvent, None],
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    *,
    is_told: bool,
) -> None:
    monkeypatch.setattr(shortage, "ran_out", lambda _: True)
    daemon.told.put_nowait(exited(code))
    daemon.told.put_nowait(envelope("/tasks/oom", payloads.TaskOOM(container_id=ID)))
    if is_told:
        assert await anext(stream) == OutOfMemory(*WHO, END)
    assert await anext(stream) == Died(*WHO, END, code)
    assert await anext(stream) == OutOfMemory(*WHO, AT)


async def test_what_is_no_business_of_ring(
    daemon: Daemon, stream: AsyncGenerator[RuntimeEvent, None]
) -> None:
    daemon.run("somebodys", labels={})
    for one in (
        started("somebodys"),
        envelope("/containers/delete", payloads.ContainerDelete(id="somebodys")),
        envelope("/tasks/start", payloads.TaskStart(container_id=ID), namespace="k8s.io"),
        envelope("/tasks/exec-added", payloads.TaskExecAdded(container_id=ID, exec_id="e")),
        started("gone_before_it_was_asked_for"),
        exited(3),
    ):
        daemon.told.put_nowait(one)
    assert await anext(stream) == Died(*WHO, END, 3)


async def test_who_it_was_is_known_after_its_end(
    daemon: Daemon, stream: AsyncGenerator[RuntimeEvent, None]
) -> None:
    daemon.run("new", labels={labels.DEPLOYMENT: "d2", labels.INSTANCE: "the whole name"})
    daemon.told.put_nowait(envelope("/containers/create", payloads.ContainerCreate(id="new")))
    daemon.told.put_nowait(started())
    assert await anext(stream) == CameUp(*WHO, AT)
    daemon.containers.clear()
    daemon.told.put_nowait(exited(0))
    daemon.told.put_nowait(envelope("/containers/delete", payloads.ContainerDelete(id="new")))
    assert await anext(stream) == Died(*WHO, END, 0)
    who = (InstanceId("new"), InstanceName("the whole name"), DeploymentId("d2"))
    assert await anext(stream) == Destroyed(*who, AT)


async def test_what_nobody_knew_is_looked_for(
    daemon: Daemon, stream: AsyncGenerator[RuntimeEvent, None]
) -> None:
    daemon.told.put_nowait(envelope("/containers/delete", payloads.ContainerDelete(id="other")))
    assert isinstance(await anext(stream), Resync)


@pytest.mark.parametrize(
    "odd",
    [
        wire.Envelope(namespace="ring", topic="/tasks/exit", event=Packed(value=b"\xff\xff")),
        wire.Envelope(namespace="ring", topic="/tasks/oom", timestamp=Timestamp(seconds=2**60)),
    ],
)
async def test_what_cannot_be_read_makes_a_listing(
    daemon: Daemon, stream: AsyncGenerator[RuntimeEvent, None], odd: wire.Envelope
) -> None:
    daemon.told.put_nowait(odd)
    assert isinstance(await anext(stream), Resync)
    daemon.told.put_nowait(exited(0))
    assert isinstance(await anext(stream), Died)


async def test_the_end_of_the_stream(
    daemon: Daemon, stream: AsyncGenerator[RuntimeEvent, None]
) -> None:
    daemon.told.put_nowait(None)
    with pytest.raises(Unavailable, match="ended its event stream"):
        await anext(stream)


async def test_nobody_there(tmp_path: Path) -> None:
    client = Client(tmp_path / "nobody.sock", daemons.NAMESPACE)
    with pytest.raises(Unavailable):
        await anext(events.follow(client))
    await client.close()
