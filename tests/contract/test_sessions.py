"""A runtime lets somebody work inside its instances, and ends what they leave behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ring.core.model.commands import Command, Size
from ring.core.model.ids import InstanceId
from ring.runtimes.base import Gone, RuntimeFailure, Session, Sessions, Unavailable
from tests.contract.outside import eventually

if TYPE_CHECKING:
    from ring.runtimes.base import Runtime
    from tests.contract.outside import DockerOutside, Outside
    from tests.contract.space import Space

pytestmark = pytest.mark.anyio

NOBODY = InstanceId("f" * 64)
CONTENT = bytes(range(256)) * 4096  # 1 MiB


def sessions_of(runtime: Runtime) -> Sessions:
    assert isinstance(runtime, Sessions)
    return runtime


async def written(session: Session) -> tuple[bytes, bytes]:
    """All of stdout and of stderr."""
    found = {"stdout": b"", "stderr": b""}
    async with asyncio.timeout(20):
        while (piece := await session.read()) is not None:
            found[piece.stream] += piece.content
    return found["stdout"], found["stderr"]


@pytest.mark.parametrize("code", [0, 3])
async def test_a_command_writes_and_ends(space: Space, outside: Outside, code: int) -> None:
    instance = await space.running()
    command = Command(outside.command(code, "well\n"))
    async with sessions_of(space.runtime).session(instance.id, command) as session:
        assert await written(session) == (b"well\n", b"")
        assert await session.code() == code


async def test_it_reads_all_that_is_written_to_it(space: Space, outside: Outside) -> None:
    instance = await space.running()

    async def give(session: Session) -> None:
        await session.write(CONTENT)
        await session.end_input()

    async with sessions_of(space.runtime).session(instance.id, Command(outside.echoing)) as session:
        giving = asyncio.ensure_future(give(session))
        assert await written(session) == (CONTENT, b"")
        await giving
        assert await session.code() == 0


async def test_what_cannot_be_run_is_told_by_a_code(space: Space, outside: Outside) -> None:
    instance = await space.running()
    async with sessions_of(space.runtime).session(instance.id, Command(outside.missing)) as session:
        await written(session)
        assert await session.code() in {126, 127}


@pytest.mark.parametrize("how", ["left", "failed"])
@pytest.mark.parametrize("has_terminal", [False, True])
async def test_what_is_left_is_ended(
    space: Space, outside: Outside, how: str, *, has_terminal: bool
) -> None:
    instance = await space.running()
    command = Command(outside.endless, has_terminal=has_terminal, size=Size(24, 80))

    async def is_there() -> bool:
        return await outside.commands(instance.id) == outside.endless_processes

    async def enter() -> None:
        async with sessions_of(space.runtime).session(instance.id, command):
            await eventually(is_there)
            if how == "failed":
                raise KeyError(how)

    if how == "failed":
        with pytest.raises(KeyError):
            await enter()
    else:
        await enter()
    assert await outside.commands(instance.id) == 0


async def test_only_in_what_runs(space: Space, outside: Outside) -> None:
    sessions, command = sessions_of(space.runtime), Command(outside.echoing)
    created = await space.created()
    with pytest.raises(RuntimeFailure):
        async with sessions.session(created.id, command):
            pass
    with pytest.raises(Gone):
        async with sessions.session(NOBODY, command):
            pass


async def test_an_engine_that_is_away(outside: Outside) -> None:
    runtime = outside.away()
    try:
        with pytest.raises(Unavailable):
            async with sessions_of(runtime).session(NOBODY, Command(outside.echoing)):
                pass
    finally:
        await runtime.close()


@pytest.mark.engine
async def test_its_streams_its_user_and_its_terminal(
    docker_space: Space, docker: DockerOutside
) -> None:
    instance = await docker_space.running()
    sessions = sessions_of(docker.runtime)
    shown = ("sh", "-c", "echo $A $(pwd) $(id -u); echo oops >&2; tty; stty size")
    command = Command(shown, user="65534", directory="/etc", environment={"A": "b=c"})
    async with sessions.session(instance.id, command) as session:
        out, err = await written(session)
        assert out == b"b=c /etc 65534\nnot a tty\n"
        assert err.startswith(b"oops\n")

    waiting = ("sh", "-c", "until stty size 2>&1 | grep -q '^31 '; do :; done; stty size")
    command = Command(waiting, has_terminal=True, size=Size(31, 97))
    async with sessions.session(instance.id, command) as session:
        assert await written(session) == (b"31 97\r\n", b"")
        assert await session.code() == 0
