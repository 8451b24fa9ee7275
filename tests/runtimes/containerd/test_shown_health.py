"""The label that shows an instance's health, and what becomes of the answers."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from ring.core.model import labels
from ring.core.model.health import Health
from ring.core.model.ids import InstanceId
from ring.network.pools import Pools
from ring.runtimes.base import Gone, RuntimeFailure, Unavailable
from ring.runtimes.containerd import creating, methods
from ring.runtimes.containerd.adapter import ContainerdRuntime
from ring.runtimes.containerd.api import containers_pb2 as containers
from ring.runtimes.containerd.settings import TABLE, Settings
from ring.runtimes.logins.host import host_files
from ring.runtimes.shown_health import ShowsHealth
from tests.runtimes.containerd import scripted
from tests.runtimes.containerd.orders import NAME, order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

READY = {
    "type": "command",
    "command": "true",
    "interval": "1s",
    "timeout": "1s",
    "on_failure": "alert",
    "readiness": True,
}


class Containerd:
    def __init__(self, refusal: tuple[grpc.StatusCode, str] | None = None) -> None:
        self.refusal = refusal
        self.asked: list[containers.UpdateContainerRequest] = []

    async def update(self, asked: Any, call: Any) -> Any:
        self.asked.append(asked)
        if self.refusal is not None:
            await call.abort(*self.refusal)
        return containers.UpdateContainerResponse(container=asked.container)


@asynccontextmanager
async def runtime(folder: Path, containerd: Containerd) -> AsyncIterator[ContainerdRuntime]:
    settings = Settings(
        socket=folder / "containerd.sock", state_dir=folder / "state", run_dir=folder / "run"
    )
    async with scripted.serving(settings.socket) as server:
        server.answers(methods.CONTAINERS_UPDATE, containerd.update)
        one = ContainerdRuntime(settings, host_files(TABLE, {}), server_id="s-1", pools=Pools())
        yield one
        await one.close()


async def test_one_label_is_written_and_no_other(tmp_path: Path) -> None:
    containerd = Containerd()
    async with runtime(tmp_path, containerd) as one:
        assert isinstance(one, ShowsHealth)
        await one.show_health(InstanceId(NAME), Health.UNHEALTHY)
    (asked,) = containerd.asked
    assert asked.container == containers.Container(id=NAME, labels={"ring.health": "unhealthy"})
    assert list(asked.update_mask.paths) == ["labels.ring.health"]


@pytest.mark.parametrize(
    ("code", "raised", "words"),
    [
        (grpc.StatusCode.NOT_FOUND, Gone, f"there is no instance '{NAME}'"),
        (grpc.StatusCode.UNAVAILABLE, Unavailable, "not available: no"),
        (grpc.StatusCode.INTERNAL, RuntimeFailure, f"cannot label instance {NAME}: no"),
    ],
)
async def test_refusals(
    tmp_path: Path, code: grpc.StatusCode, raised: type[Exception], words: str
) -> None:
    async with runtime(tmp_path, Containerd((code, "no"))) as one:
        with pytest.raises(raised, match=words):
            await one.show_health(InstanceId(NAME), Health.HEALTHY)


async def test_what_is_no_id_of_containerds_is_not_asked_for(tmp_path: Path) -> None:
    containerd = Containerd()
    async with runtime(tmp_path, containerd) as one:
        with pytest.raises(Gone):
            await one.show_health(InstanceId("no such/id"), Health.HEALTHY)
    assert containerd.asked == []


def test_only_what_has_a_readiness_command_is_born_with_it() -> None:
    theirs = {"labels": {labels.HEALTH: "healthy", "team": "a"}}
    born = creating._labels(order({"health_checks": [READY], **theirs}))
    assert (born[labels.HEALTH], born["team"]) == ("starting", "a")
    unready = {**READY, "readiness": False}
    without = creating._labels(order({"health_checks": [unready], **theirs}))
    assert labels.HEALTH not in without
    assert without.keys() | {labels.HEALTH} == born.keys()
