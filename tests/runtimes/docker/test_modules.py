from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.runtimes.docker.connection import Connection, parse_host
from ring.runtimes.docker.modules import Modules
from tests.runtimes.docker import scripted
from tests.runtimes.docker.scripted import answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.runtimes.docker.scripted import Script

pytestmark = pytest.mark.anyio

APPARMOR, SELINUX = "security.apparmor", "security.selinux"


@pytest.fixture
async def script(tmp_path: Path) -> AsyncIterator[Script]:
    async with scripted.engine(tmp_path) as one:
        yield one


@pytest.fixture
async def connection(script: Script) -> AsyncIterator[Connection]:
    one = Connection(parse_host(script.host))
    yield one
    await one.close()


@pytest.mark.parametrize(
    ("told", "honoured"),
    [
        (["name=apparmor", "name=seccomp,profile=default"], {APPARMOR}),
        (["name=selinux", "name=cgroupns"], {SELINUX}),
        (["name=seccomp,profile=default"], set()),
        (None, set()),
    ],
)
async def test_the_engine_tells(
    script: Script, connection: Connection, told: object, honoured: set[str]
) -> None:
    script.say("GET /v1.41/info", answer({"SecurityOptions": told}))
    modules = Modules(connection, is_remote=True)
    assert modules.options == set()
    await modules.learn()
    await modules.learn()
    assert modules.options == honoured
    assert script.asked.count("GET /v1.41/info") == 1


async def test_a_refusal_promises_nothing(script: Script, connection: Connection) -> None:
    script.say("GET /v1.41/info", answer({"message": "forbidden"}, 403))
    modules = Modules(connection, is_remote=True)
    await modules.learn()
    assert modules.options == set()


async def test_a_kernel_of_here_without_either_is_not_asked_about(
    script: Script, connection: Connection, tmp_path: Path
) -> None:
    script.say("GET /v1.41/info", answer({"SecurityOptions": ["name=apparmor"]}))
    without = Modules(connection, is_remote=False, system=tmp_path)
    await without.learn()
    assert without.options == set()
    assert script.asked == []
    (tmp_path / "module" / "apparmor").mkdir(parents=True)
    having = Modules(connection, is_remote=False, system=tmp_path)
    await having.learn()
    assert having.options == {APPARMOR}
