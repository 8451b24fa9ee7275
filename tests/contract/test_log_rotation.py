"""An engine that begins logs anew leads whoever reads them slowly past lines, and says nothing."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.core.model.logs import LogGap, LogRecord
from ring.core.model.observed import Instance, State
from ring.engine.reading.backlog import Backlog
from ring.engine.reading.instances import Reading
from ring.engine.reading.logs import Wanted
from ring.runtimes.base import Logs
from tests.contract.outside import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.contract.outside import DockerOutside

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

LINES = 40_000
WRITER = (
    f"awk 'BEGIN {{ while (n < {LINES}) {{ "
    r'printf "%05d the quick brown fox jumps over the lazy dog\n", n++; '
    'if (n % 1000 == 0) { fflush(); system("usleep 50000") } } }\'; touch /done; exec sleep 600'
)
KEPT = {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "3"}}
"""Half of the lines."""


@pytest.fixture
async def writer(docker: DockerOutside) -> AsyncIterator[Instance]:
    body = {
        "Image": docker.image,
        "Cmd": ["sh", "-c", f"while ! [ -e /go ]; do usleep 50000; done; {WRITER}"],
        "HostConfig": {"NetworkMode": "none", "LogConfig": KEPT},
    }
    status, text = await docker.ask("POST", "/containers/create", body=body)
    assert status == 201, text
    made = InstanceId(json.loads(text)["Id"])
    await docker.runtime.start(made)
    name = InstanceName("writer")
    yield Instance(made, name, DeploymentId("d"), "", State.RUNNING, datetime.now(UTC))
    await docker.ask("DELETE", f"/containers/{made}", {"force": "1"})


async def test_a_reader_that_is_late_is_told_where_lines_are_missing(
    docker: DockerOutside, writer: Instance
) -> None:
    runtime, backlog = docker.runtime, Backlog()
    assert isinstance(runtime, Logs)
    reading = Reading(runtime, writer, Wanted(), backlog)
    reading.begin(lambda: None)
    assert (await docker.run(writer.id, "touch", "/go"))[0] == 0
    seen = [*await backlog.take()]

    async def has_written() -> bool:
        return (await docker.run(writer.id, "test", "-e", "/done"))[0] == 0

    await eventually(has_written, 40)
    async with asyncio.timeout(40):
        while number(seen[-1]) != LINES - 1:
            seen += await backlog.take()
    assert reading.task is not None
    reading.task.cancel()
    await asyncio.wait({reading.task})

    previous, is_told, jumps = -1, False, 0
    for entry in seen:
        if isinstance(entry, LogGap):
            assert (entry.instance, entry.stream) == ("writer", "stdout")
            assert entry.after < entry.before
            is_told = True
            continue
        if number(entry) != previous + 1:
            assert is_told
            assert number(entry) > previous
            jumps += 1
        previous, is_told = number(entry), False
    assert jumps == 1


def number(entry: LogRecord | LogGap) -> int:
    return int(entry.message[:5]) if isinstance(entry, LogRecord) else -1
