"""Commands in a container of a real containerd: what they are told, and what is left of them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from ring.core.model.commands import Command, Size
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.execs import Commands
from tests.contract.bare_containers import Bare
from tests.contract.outside import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ring.core.model.ids import InstanceId
    from ring.runtimes.base import Session

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

LIMIT_S = 30.0
CONTENT = bytes(range(256)) * 4096  # 1 MiB
BUSY = (
    "sh",
    "-c",
    "sleep 1001 & (sleep 1002 &); env -i setsid sleep 1003 & env -i sleep 1004",
)
BUSY_PROCESSES = 4


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Bare]:
    one = Bare(tmp_path)
    await one.prepare()
    yield one
    await one.close()


@pytest.fixture
async def commands(bare: Bare, tmp_path: Path) -> AsyncIterator[Commands]:
    one = Commands(bare.client, tmp_path)
    yield one
    one.close()


async def written(session: Session) -> tuple[bytes, bytes]:
    """All of stdout and of stderr."""
    found = {"stdout": b"", "stderr": b""}
    while (piece := await session.read()) is not None:
        found[piece.stream] += piece.content
    return found["stdout"], found["stderr"]


async def are_there(bare: Bare, instance_id: InstanceId, count: int) -> None:
    async def is_so() -> bool:
        return await bare.processes(instance_id) == count

    await eventually(is_so, 30)


@pytest.mark.parametrize("how", ["too long", "given up", "left", "left with a terminal"])
async def test_everything_of_it_is_ended(bare: Bare, commands: Commands, how: str) -> None:
    instance_id = await bare.run()
    if how == "too long":
        with pytest.raises(TimeoutError):
            await commands.run(instance_id, BUSY, 1)
    elif how == "given up":
        task = asyncio.ensure_future(commands.run(instance_id, BUSY, LIMIT_S))
        await are_there(bare, instance_id, 1 + BUSY_PROCESSES)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        command = Command(BUSY, has_terminal="terminal" in how)
        async with commands.session(instance_id, command):
            await are_there(bare, instance_id, 1 + BUSY_PROCESSES)
    assert await bare.processes(instance_id) == 1


async def test_what_cannot_be_run(bare: Bare, commands: Commands) -> None:
    instance_id = await bare.run()
    (bare.root / "text").touch(0o644)
    codes = [
        (await commands.run(instance_id, (program,), LIMIT_S)).code
        for program in ("nothing", "/no/such/command", "/text", "/etc")
    ]
    assert codes == [127, 127, 126, 126]
    async with commands.session(instance_id, Command(("true",), directory="/nowhere")) as session:
        out, err = await written(session)
        assert out == b""
        assert b"/nowhere" in err
        assert await session.code() == 126


async def test_it_is_who_and_where_it_was_told_to_be(bare: Bare, commands: Commands) -> None:
    (bare.root / "passwd").write_text("he:x:1001:1002::/home/he:/bin/sh\n")
    (bare.root / "etc" / "passwd").symlink_to("/passwd")  # not this machine's
    (bare.root / "etc" / "group").write_text("those:x:77:he\n")
    instance_id = await bare.run()
    shown = (
        "sh",
        "-c",
        "echo $A $HOME $(pwd) $(id -u) $(id -g) $(id -G); grep CapEff /proc/self/status",
    )
    command = Command(shown, user="he", directory="/etc", environment={"A": "b=c"})
    async with commands.session(instance_id, command) as session:
        out, _ = await written(session)
    assert out == b"b=c /home/he /etc 1001 1002 1002 77\nCapEff:\t0000000000000000\n"
    with pytest.raises(RuntimeFailure, match="she"):
        async with commands.session(instance_id, Command(("id",), user="she")):
            pass


async def test_its_terminal(bare: Bare, commands: Commands) -> None:
    instance_id = await bare.run()
    script = "stty size; until stty size | grep -q '^31 '; do :; done; read x; echo got $x; exit 5"
    command = Command(("sh", "-c", script), has_terminal=True, size=Size(24, 80))
    async with commands.session(instance_id, command) as session:
        first = await session.read()
        assert first is not None
        assert first.content.startswith(b"24 80\r\n")
        await session.resize(Size(31, 97))
        await session.write(b"this\n")
        out, err = await written(session)
        assert out.endswith(b"got this\r\n")
        assert err == b""
        assert await session.code() == 5


async def test_both_ways_at_their_own_speed(bare: Bare, commands: Commands) -> None:
    """Neither who reads slowly nor a command that does loses anything."""
    instance_id = await bare.run()
    command = Command(("sh", "-c", "sleep 0.3; cat; echo end >&2"))
    async with commands.session(instance_id, command) as session:

        async def give() -> None:
            await session.write(CONTENT)
            await session.end_input()

        giving = asyncio.ensure_future(give())
        await asyncio.wait({giving}, timeout=0.5)
        assert not giving.done()  # nobody reads: there is no room for all of it on the way
        assert await written(session) == (CONTENT, b"end\n")
        await giving
        assert await session.code() == 0


async def test_input_that_nobody_reads(bare: Bare, commands: Commands) -> None:
    instance_id = await bare.run()
    async with commands.session(
        instance_id, Command(("sh", "-c", "exec <&-; sleep 0.3"))
    ) as session:
        await session.write(CONTENT)
        await session.end_input()
        assert await written(session) == (b"", b"")
        assert await session.code() == 0


async def test_the_end_of_the_container_ends_it(bare: Bare, commands: Commands) -> None:
    instance_id = await bare.run()
    task = asyncio.ensure_future(commands.run(instance_id, BUSY, LIMIT_S))
    await are_there(bare, instance_id, 1 + BUSY_PROCESSES)
    await bare.ctr("tasks", "kill", "--signal", "SIGKILL", instance_id)
    (ended,) = await asyncio.gather(task, return_exceptions=True)
    # It may have begun everything before its beginning is told.
    assert isinstance(ended, RuntimeFailure) or getattr(ended, "code", None) == 137
    with pytest.raises(RuntimeFailure, match="does not run"):
        await commands.run(instance_id, BUSY, LIMIT_S)


async def test_nothing_is_left_of_many(bare: Bare, commands: Commands, tmp_path: Path) -> None:
    instance_id = await bare.run()

    async def some(count: int) -> None:
        for _ in range(count):
            assert (await commands.run(instance_id, ("true",), LIMIT_S)).code == 0
            with pytest.raises(TimeoutError):
                await commands.run(instance_id, ("sleep", "1001"), 0.05)

    await some(1)
    files, shim_files = own_files(), await bare.shim_files(instance_id)
    rounds = int(os.environ.get("RING_TEST_EXECS", "20")) // 10
    await asyncio.gather(*(some(5) for _ in range(rounds)))

    async def nothing_is_left() -> bool:
        left = list((tmp_path / "containerd" / instance_id).iterdir())
        return not left and await bare.processes(instance_id) == 1 and own_files() <= files

    await eventually(nothing_is_left, 30)
    assert await bare.shim_files(instance_id) <= shim_files


def own_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no objects


_SERVER = """
import asyncio, sys
from pathlib import Path
from ring.core.model.commands import Command
from ring.runtimes.containerd.client import Client
from ring.runtimes.containerd.execs import Commands

async def main(socket, namespace, run_dir, instance_id):
    commands = Commands(Client(Path(socket), namespace), Path(run_dir))
    loud = Command(("sh", "-c", "sleep 1001 & yes"))
    async with commands.session(instance_id, loud) as session:
        await session.read()
        print("begun", flush=True)
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_a_killed_server_left_is_ended(
    bare: Bare, commands: Commands, tmp_path: Path
) -> None:
    instance_id = await bare.run()
    shim_files = await bare.shim_files(instance_id)
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVER, str(bare.socket), bare.namespace, str(tmp_path), instance_id,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert server.stdout is not None
    assert await server.stdout.readline() == b"begun\n"
    server.send_signal(signal.SIGKILL)
    await server.wait()
    assert await bare.processes(instance_id) == 3
    folder = tmp_path / "containerd" / instance_id
    assert len(list(folder.iterdir())) == 3

    await commands.end_ownerless()

    assert await bare.processes(instance_id) == 1
    assert list(folder.iterdir()) == []

    async def has_let_go() -> bool:
        return await bare.shim_files(instance_id) <= shim_files

    await eventually(has_let_go)
