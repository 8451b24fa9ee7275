"""How the output of a command is read, and what an engine's answers to one mean."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.core.model.ids import InstanceId
from ring.runtimes.base import KEPT_OUTPUT_BYTES, Gone, RuntimeFailure, Unavailable
from ring.runtimes.docker import execs
from ring.runtimes.docker.connection import Connection, parse_host
from ring.runtimes.docker.dialect import DOCKER
from ring.runtimes.docker.execs import Commands, Tail
from ring.runtimes.podman.dialect import PODMAN
from tests.contract.outside import eventually
from tests.runtimes.docker import scripted
from tests.runtimes.docker.scripted import answer, opening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.runtimes.docker.scripted import Script

pytestmark = pytest.mark.anyio

INSTANCE = InstanceId("a" * 64)
GIVEN_UP_S = 0.5
"""Enough for a busy machine to ask for a command and for its start."""
CREATE, START, TOLD = (
    f"POST /v1.41/containers/{INSTANCE}/exec",
    "POST /v1.41/exec/e1/start",
    "GET /v1.41/exec/e1/json",
)
ENDED = {"Running": False, "ExitCode": 0, "Pid": 0}


def frame(content: bytes, stream: int = 1) -> bytes:
    return bytes((stream, 0, 0, 0)) + len(content).to_bytes(4, "big") + content


@given(st.lists(st.binary(max_size=1500), max_size=5), st.integers(1, 4000))
def test_the_end_of_an_output_in_pieces_of_any_size(written: list[bytes], size: int) -> None:
    whole = b"".join(frame(part, 1 + index % 2) for index, part in enumerate(written))
    tail = Tail()
    for at in range(0, len(whole), size):
        tail.feed(whole[at : at + size])
    assert tail.kept == b"".join(written)[-KEPT_OUTPUT_BYTES:]
    assert tail.seen_bytes == len(whole)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Script]:
    async with scripted.engine(tmp_path) as script:
        yield script


@pytest.fixture
async def commands(engine: Script) -> AsyncIterator[Commands]:
    engine.say(CREATE, answer({"Id": "e1"}, 201))
    engine.say(START, opening(frame(b"well")))
    engine.say(TOLD, answer(ENDED))
    connection = Connection(parse_host(engine.host))
    one = Commands(connection, DOCKER, is_here=True)
    yield one
    one.close()
    await connection.close()


async def test_what_is_asked_of_the_engine(engine: Script, commands: Commands) -> None:
    assert await commands.run(INSTANCE, ("test", "-f", "/a b"), 5)
    order, how = map(json.loads, engine.bodies)
    assert order.pop("Env")[0].startswith("RING_EXEC=")
    assert order == {"AttachStdout": True, "AttachStderr": True, "Cmd": ["test", "-f", "/a b"]}
    assert how == {"Detach": False, "Tty": False}


async def test_the_code_may_come_after_the_output(engine: Script, commands: Commands) -> None:
    running = {"Running": True, "ExitCode": None, "Pid": 2**22 + 1}
    engine.say(TOLD, answer(running), answer(running), answer({**ENDED, "ExitCode": 4}))
    assert (await commands.run(INSTANCE, ("a",), 5)).code == 4


@pytest.mark.parametrize(
    ("status", "error"), [(404, Gone), (409, RuntimeFailure), (500, RuntimeFailure)]
)
async def test_a_refusal(
    engine: Script, commands: Commands, status: int, error: type[Exception]
) -> None:
    engine.say(CREATE, answer({"message": "it is not so"}, status))
    with pytest.raises(error, match="it is not so"):
        await commands.run(INSTANCE, ("a",), 5)
    assert not any(asked.startswith("POST /v1.41/exec") for asked in engine.asked)


async def test_a_start_that_is_under_way_is_waited_for(engine: Script, commands: Commands) -> None:
    """It may not run yet when it is given up: only its exit code says that it is over."""
    engine.say(START, opening(), hangs=True)
    early = {"Running": False, "ExitCode": None, "Pid": 0}
    engine.say(TOLD, answer(early), answer(early), answer({**ENDED, "ExitCode": 137}))
    with pytest.raises(TimeoutError):
        await commands.run(INSTANCE, ("a",), GIVEN_UP_S)
    assert sum(asked.startswith(TOLD) for asked in engine.asked) == 3


async def test_podman_tells_a_code_of_what_has_not_begun(engine: Script) -> None:
    engine.say(CREATE, answer({"Id": "e1"}, 201))
    engine.say(START, opening(), hangs=True)
    early = {"Running": False, "ExitCode": 0, "Pid": 0, "CanRemove": False}
    engine.say(TOLD, answer(early), answer(early), answer({**early, "CanRemove": True}))
    connection = Connection(parse_host(engine.host))
    commands = Commands(connection, PODMAN, is_here=True)
    with pytest.raises(TimeoutError):
        await commands.run(INSTANCE, ("a",), GIVEN_UP_S)
    assert sum(asked.startswith(TOLD) for asked in engine.asked) == 3
    commands.close()
    await connection.close()


async def test_one_that_does_not_end_is_told(
    engine: Script,
    commands: Commands,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(execs, "ENDING_S", 0.1)
    engine.say(START, opening(), hangs=True)
    engine.say(TOLD, answer({"Running": False, "ExitCode": None, "Pid": 0}))
    with pytest.raises(TimeoutError):
        await commands.run(INSTANCE, ("a",), GIVEN_UP_S)
    assert "a command that was given up in instance aaaaaaaaaaaa may still run" in caplog.text


async def test_what_an_engine_starts_late_is_ended_all_the_same(
    engine: Script, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execs, "ENDING_S", 0.1)
    engine.say(START, opening(), hangs=True)
    engine.say(TOLD, answer({"Running": False, "ExitCode": None, "Pid": 0}))
    with pytest.raises(TimeoutError):
        await commands.run(INSTANCE, ("a",), GIVEN_UP_S)
    name, _, mark = json.loads(engine.bodies[0])["Env"][0].partition("=")
    process = await asyncio.create_subprocess_exec("sleep", "1001", env={name: mark})
    assert await process.wait() == -signal.SIGKILL


async def test_what_podman_begins_after_it_said_that_it_ended_is_ended(
    engine: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execs, "_LOOK_LATE_S", 0.05)
    engine.say(CREATE, answer({"Id": "e1"}, 201))
    engine.say(START, opening(), hangs=True)
    engine.say(TOLD, answer({"Running": False, "ExitCode": 0, "Pid": 0, "CanRemove": True}))
    connection = Connection(parse_host(engine.host))
    commands = Commands(connection, PODMAN, is_here=True)
    with pytest.raises(TimeoutError):
        await commands.run(INSTANCE, ("a",), GIVEN_UP_S)
    name, _, mark = json.loads(engine.bodies[0])["Env"][0].partition("=")
    process = await asyncio.create_subprocess_exec("sleep", "1001", env={name: mark})
    assert await process.wait() == -signal.SIGKILL
    commands.close()
    await connection.close()


async def test_what_is_here_is_ended_whether_the_engine_answers_or_not(
    engine: Script, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of this test stands for the command's: it has its mark."""
    monkeypatch.setattr(execs, "ENDING_S", 0.5)
    engine.say(START, opening(), hangs=True)
    engine.say(TOLD, opening(), hangs=True)
    running = asyncio.ensure_future(commands.run(INSTANCE, ("a",), 30))

    async def is_started() -> bool:
        return any(asked.startswith(START) for asked in engine.asked)

    await eventually(is_started)
    name, _, mark = json.loads(engine.bodies[0])["Env"][0].partition("=")
    process = await asyncio.create_subprocess_exec("sleep", "1001", env={name: mark})
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await process.wait() == -signal.SIGKILL


async def test_an_engine_that_goes_away(engine: Script, commands: Commands) -> None:
    engine.say(TOLD, b"")
    with pytest.raises(Unavailable):
        await commands.run(INSTANCE, ("a",), 5)


async def test_giving_up_before_anything_runs_asks_for_nothing(
    engine: Script, commands: Commands
) -> None:
    engine.say(CREATE, b"", hangs=True)
    with pytest.raises((TimeoutError, Unavailable)):
        async with asyncio.timeout(0.1):
            await commands.run(INSTANCE, ("a",), 5)
    assert not any("/exec/e1" in asked for asked in engine.asked)
