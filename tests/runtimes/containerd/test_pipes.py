"""What is read from, and written to, a command's FIFOs, whoever else has them open."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.channels import PIECE_BYTES
from ring.core.model.commands import Piece
from ring.runtimes.containerd import pipes
from ring.runtimes.containerd.pipes import Input, Output, Pipes

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

ENOUGH_BYTES = 300_000
"""More than a pipe takes."""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Pipes]:
    one = pipes.pipes(tmp_path, "e1", takes_input=True, has_terminal=False)
    one.make()
    yield one
    one.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def output(made: Pipes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Output]:
    monkeypatch.setattr(pipes, "LEFT_OPEN_S", 0.05)
    one = Output(made)
    yield one
    one.close()


def shim(path: str) -> int:
    return os.open(path, os.O_WRONLY)


async def reading(output: Output) -> asyncio.Task[Piece | None]:
    """It waits for what comes."""
    task = asyncio.create_task(output.read())
    await asyncio.sleep(0)
    assert not task.done()
    return task


def test_they_are_nobody_elses(made: Pipes) -> None:
    for path in (made.stdin, made.stdout, made.stderr):
        told = Path(path).stat()
        assert stat.S_ISFIFO(told.st_mode)
        assert stat.S_IMODE(told.st_mode) == 0o600


def test_a_terminal_has_one_output(tmp_path: Path) -> None:
    one = pipes.pipes(tmp_path, "e1", takes_input=False, has_terminal=True)
    assert one == Pipes("", f"{tmp_path}/exec-e1-out", "")


def test_those_that_are_there_are_found_again(made: Pipes, tmp_path: Path) -> None:
    other = pipes.pipes(tmp_path, "1-2-3-f", takes_input=False, has_terminal=True)
    other.make()
    assert pipes.left_behind(tmp_path) == {"e1": made, "1-2-3-f": other}
    other.remove()
    other.remove()


async def test_before_anybody_writes_there_is_no_end(made: Pipes, output: Output) -> None:
    task = await reading(output)
    out, err = shim(made.stdout), shim(made.stderr)
    os.write(err, b"oops")
    assert await task == Piece("stderr", b"oops")
    os.write(out, b"well")
    assert await output.read() == Piece("stdout", b"well")
    task = await reading(output)
    os.close(out)
    os.close(err)
    assert await task is None
    assert output.has_ended


async def test_a_loud_stream_does_not_hide_the_other(made: Pipes, output: Output) -> None:
    out, err = shim(made.stdout), shim(made.stderr)
    os.write(out, b"x" * PIECE_BYTES * 2)
    os.write(err, b"oops")
    told = [piece.stream for _ in range(3) if (piece := await output.read())]
    assert told == ["stdout", "stderr", "stdout"]
    os.close(out)
    os.close(err)


async def test_what_is_not_read_stays_in_the_pipe(made: Pipes, output: Output) -> None:
    out = os.open(made.stdout, os.O_WRONLY | os.O_NONBLOCK)
    os.write(out, b"x" * ENOUGH_BYTES)
    with pytest.raises(BlockingIOError):
        os.write(out, b"x")
    assert await output.read() == Piece("stdout", b"x" * PIECE_BYTES)
    os.close(out)


@pytest.mark.parametrize("is_late", [False, True])
async def test_who_keeps_a_stream_open_after_the_end_is_not_waited_for(
    made: Pipes, output: Output, *, is_late: bool
) -> None:
    other = shim(made.stdout)
    os.write(other, b"the last word")
    if is_late:
        assert await output.read() == Piece("stdout", b"the last word")
        task = await reading(output)
        output.command_ended()
    else:
        output.command_ended()
        assert await output.read() == Piece("stdout", b"the last word")
        task = await reading(output)
    assert await task is None
    assert not output.has_ended
    os.close(other)


async def test_what_was_written_before_the_end_is_read_however_slowly(
    made: Pipes, output: Output
) -> None:
    out = os.open(made.stdout, os.O_WRONLY | os.O_NONBLOCK)
    count = os.write(out, b"x" * ENOUGH_BYTES)
    os.close(out)
    output.command_ended()
    seen = 0
    while piece := await output.read():
        seen += len(piece.content)
    assert seen == count


async def test_input_waits_for_room(made: Pipes) -> None:
    one = Input(made.stdin)
    reader = os.open(made.stdin, os.O_RDONLY | os.O_NONBLOCK)
    task = asyncio.create_task(one.write(b"x" * ENOUGH_BYTES))
    seen = 0
    while not task.done():
        await asyncio.sleep(0)
        with contextlib.suppress(BlockingIOError):
            seen += len(os.read(reader, ENOUGH_BYTES))
    await task
    one.close()
    while content := os.read(reader, ENOUGH_BYTES):
        seen += len(content)
    assert seen == ENOUGH_BYTES
    os.close(reader)


async def test_input_waits_for_the_shim(made: Pipes) -> None:
    one = Input(made.stdin)
    task = asyncio.create_task(one.write(b"well"))
    await asyncio.sleep(0)
    assert not task.done()
    reader = os.open(made.stdin, os.O_RDONLY | os.O_NONBLOCK)
    await task
    assert os.read(reader, 10) == b"well"
    one.close()
    assert os.read(reader, 10) == b""
    os.close(reader)


async def test_input_that_nobody_reads_any_more_is_dropped(made: Pipes) -> None:
    one = Input(made.stdin)
    reader = os.open(made.stdin, os.O_RDONLY | os.O_NONBLOCK)
    task = asyncio.create_task(one.write(b"x" * ENOUGH_BYTES))
    await asyncio.sleep(0)
    os.close(reader)
    await task
    await one.write(b"more")
    assert not await one.open()


@pytest.mark.parametrize("is_read", [False, True])
async def test_whoever_writes_to_what_has_ended_is_let_go(made: Pipes, *, is_read: bool) -> None:
    one = Input(made.stdin)
    reader = os.open(made.stdin, os.O_RDONLY | os.O_NONBLOCK) if is_read else None
    task = asyncio.create_task(one.write(b"x" * ENOUGH_BYTES))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()
    one.close()
    await task
    if reader is not None:
        os.close(reader)


async def test_what_has_no_input_takes_none() -> None:
    one = Input("")
    await one.write(b"x")
    assert not await one.open()
    one.close()
