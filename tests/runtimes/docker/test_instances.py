"""Whose ports have to be free before it starts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.docker.connection import Connection, parse_host
from ring.runtimes.docker.dialect import DOCKER
from ring.runtimes.docker.instances import Instances
from tests.runtimes.docker import scripted
from tests.runtimes.docker.scripted import answer

if TYPE_CHECKING:
    from pathlib import Path

    from ring.runtimes.docker.networks import Networks

pytestmark = pytest.mark.anyio

ONE = InstanceId("a" * 64)
START = f"POST /v1.41/containers/{ONE}/start"
REMOVE = f"DELETE /v1.41/containers/{ONE}?v=1"


class QuietNetworks:
    async def keep_bridges(self) -> None: ...


async def test_ports_are_looked_at_until_a_start_has_succeeded(tmp_path: Path) -> None:
    looks: list[InstanceId] = []

    async def await_ports(_: Connection, instance_id: InstanceId) -> None:
        looks.append(instance_id)
        if len(looks) == 1:
            raise RuntimeFailure(FailureClass.PORT_IN_USE, "port 80 is already allocated")

    dialect = replace(DOCKER, await_ports=await_ports)
    async with scripted.engine(tmp_path) as script:
        script.say(START, answer(None, 204))
        script.say(REMOVE, answer(None, 204))
        connection = Connection(parse_host(script.host, "docker"))
        instances = Instances(connection, cast("Networks", QuietNetworks()), dialect)
        instances._publishing.add(ONE)
        with pytest.raises(RuntimeFailure, match="port 80"):
            await instances.start(ONE)
        await instances.start(ONE)
        await instances.start(ONE)
        assert looks == [ONE, ONE]

        instances._publishing.add(ONE)
        await instances.remove(ONE)
        assert instances._publishing == set()
        await connection.close()
