"""How commands are begun, read and ended; those of a container are processes of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.model.commands import Command, Piece
from ring.core.model.ids import InstanceId
from ring.runtimes.base import Gone, RuntimeFailure, Unavailable
from ring.runtimes.containerd import execs
from ring.runtimes.containerd.api import task_pb2 as task_types
from ring.runtimes.containerd.client import Client
from ring.runtimes.containerd.execs import Commands
from ring.runtimes.containerd.oci.users import ResolvedUser
from ring.runtimes.marked import owner
from tests.contract.outside import eventually
from tests.runtimes.containerd import daemon as daemons

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.runtimes.containerd.daemon import Daemon

pytestmark = pytest.mark.anyio

ID = InstanceId("shop_web_1a2b3c4d")
LIMIT_S = 20.0
BUSY = ("sh", "-c", "sleep 1001 & sleep 1002")


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with daemons.serving(tmp_path) as one:
        one.run(ID)
        yield one


@pytest.fixture
async def commands(daemon: Daemon, tmp_path: Path) -> AsyncIterator[Commands]:
    client = Client(daemon.socket, daemons.NAMESPACE)
    one = Commands(client, tmp_path)
    yield one

    async def nothing_is_left() -> bool:
        return not (pipes_of(tmp_path) or daemon.commands or running())

    await eventually(nothing_is_left)
    one.close()
    await client.close()


def running() -> list[int]:
    """What was begun here and goes on."""
    mark = f"RING_EXEC={owner()}-".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def pipes_of(run_dir: Path) -> list[str]:
    return sorted(path.name for path in run_dir.glob("containerd/*/*"))


async def test_it_runs_to_its_end(commands: Commands, daemon: Daemon) -> None:
    executed = await commands.run(ID, ("sh", "-c", "echo out; echo err >&2; exit 3"), LIMIT_S)
    assert (executed.code, sorted(executed.output.split())) == (3, ["err", "out"])
    assert [one for one in daemon.asked if one != "Wait"] == [
        "Get", "Get", "Exec", "Start", "DeleteProcess"
    ]  # fmt: skip


async def test_of_a_long_output_the_end_is_kept(commands: Commands) -> None:
    script = "head -c 2000000 /dev/zero | tr '\\0' x; printf end"
    executed = await commands.run(ID, ("sh", "-c", script), LIMIT_S)
    assert executed.output == "x" * 1021 + "end"


async def test_what_is_told_to_the_engine(commands: Commands, daemon: Daemon) -> None:
    command = Command(("cat",), directory="/", environment={"A": "b"})
    async with commands.session(ID, command) as session:
        ((exec_id, begun),) = daemon.commands.items()
        assert exec_id.startswith(f"{owner()}-")
        assert begun.request.container_id == ID
        assert begun.request.stdin.endswith(f"/containerd/{ID}/exec-{exec_id}-in")
        assert begun.spec["env"] == ["PATH=/usr/bin:/bin", "A=b", f"RING_EXEC={exec_id}"]
        assert (begun.spec["args"], begun.request.terminal) == (["cat"], False)
        await session.end_input()
        assert await session.read() is None
        assert await session.code() == 0
    assert "CloseIO" in daemon.asked


@pytest.mark.parametrize(
    ("argv", "code", "why"),
    [(("/nowhere",), 127, "no such file"), (("/etc/passwd",), 126, "permission denied")],
)
async def test_what_cannot_be_run(
    commands: Commands, argv: tuple[str, ...], code: int, why: str
) -> None:
    executed = await commands.run(ID, argv, LIMIT_S)
    assert executed.code == code
    assert why in executed.output
    async with commands.session(ID, Command(argv)) as session:
        await session.write(b"nobody reads this")
        await session.end_input()
        said = await session.read()
        assert said == Piece("stderr", executed.output.encode())
        assert await session.read() is None
        assert await session.code() == code


@pytest.mark.parametrize(
    "said",
    [
        "OCI runtime exec failed: open /run/shim/pid: no such file or directory",
        "cannot exec in a paused state",
    ],
)
async def test_what_fails_for_another_reason(commands: Commands, daemon: Daemon, said: str) -> None:
    daemon.refusal = said
    with pytest.raises(RuntimeFailure, match=said):
        await commands.run(ID, ("sh",), LIMIT_S)


@pytest.mark.parametrize(
    "said",
    [
        "cannot exec in a stopped state",
        "OCI runtime exec failed: exec failed: cannot exec in a stopped container: unknown",
    ],
)
async def test_what_ends_before_it_is_begun(commands: Commands, daemon: Daemon, said: str) -> None:
    """As the shim says it, and as runc does where it gets that far."""
    daemon.refusal = said
    with pytest.raises(RuntimeFailure, match=f"instance {ID} does not run: .*cannot exec"):
        await commands.run(ID, ("sh",), LIMIT_S)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (None, "does not run"),
        (task_types.CREATED, "does not run"),
        (task_types.STOPPED, "does not run"),
        (task_types.PAUSED, "is paused"),
    ],
)
async def test_only_in_what_runs(
    commands: Commands, daemon: Daemon, status: task_types.Status | None, why: str
) -> None:
    if status is None:
        del daemon.statuses[ID]
    else:
        daemon.statuses[ID] = status
    with pytest.raises(RuntimeFailure, match=f"{ID} {why}"):
        await commands.run(ID, ("true",), LIMIT_S)
    assert "Exec" not in daemon.asked


async def test_a_user_by_the_files_of_the_instance(commands: Commands, daemon: Daemon) -> None:
    async with commands.session(ID, Command(("true",), user="root")) as session:
        (begun,) = daemon.commands.values()
        assert begun.spec["user"]["uid"] == 0
        assert await session.code() == 0
    with pytest.raises(RuntimeFailure, match="no user 'nowhere-known'"):
        async with commands.session(ID, Command(("true",), user="nowhere-known")):
            pass


async def test_files_that_hang_hold_only_who_asks_for_them(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, begun = threading.Event(), list[str]()

    def hanging(_pid: int, user: str) -> ResolvedUser:
        begun.append(user)
        held.wait()
        return ResolvedUser()

    async def refused(user: str) -> None:
        with pytest.raises(RuntimeFailure, match=f"who '{user}' is: reading /etc/passwd of .*{ID}"):
            async with commands.session(ID, Command(("true",), user=user)):
                pass

    monkeypatch.setattr(execs, "LOOKUP_S", 0.1)
    monkeypatch.setattr(execs, "MOST_LOOKUPS", 2)
    with monkeypatch.context() as patched:
        patched.setattr(execs, "_resolved", hanging)
        await asyncio.gather(refused("one"), refused("two"))
        await refused("three")
        assert sorted(begun) == ["one", "two"], "each would hang as well"
        await commands.end_ownerless()
        with pytest.raises(TimeoutError):
            await commands.run(ID, BUSY, 0.5)
        assert running() == []
    held.set()

    async def is_looked_for_again() -> bool:
        return not commands._places

    await eventually(is_looked_for_again)
    async with commands.session(ID, Command(("true",), user="root")) as session:
        assert await session.code() == 0


async def test_nowhere(commands: Commands, tmp_path: Path) -> None:
    with pytest.raises(Gone):
        await commands.run(InstanceId("other"), ("true",), LIMIT_S)
    with pytest.raises(Gone):
        await commands.environment(InstanceId("other"))
    client = Client(tmp_path / "nobody.sock", daemons.NAMESPACE)
    with pytest.raises(Unavailable):
        await Commands(client, tmp_path).run(ID, ("true",), LIMIT_S)
    await client.close()


async def test_the_environment(commands: Commands, daemon: Daemon) -> None:
    daemon.run(ID, {"env": ["A=1", "B=x=y"]})
    assert await commands.environment(ID) == {"A": "1", "B": "x=y"}


async def test_what_takes_too_long_is_ended_with_its_children(commands: Commands) -> None:
    begun = asyncio.ensure_future(commands.run(ID, BUSY, 1))

    async def are_there() -> bool:
        return len(running()) >= 2

    await eventually(are_there)
    with pytest.raises(TimeoutError):
        await begun
    assert running() == []


async def test_what_is_given_up_before_it_has_begun_is_ended(
    commands: Commands, daemon: Daemon
) -> None:
    daemon.begin.clear()
    begun = asyncio.ensure_future(commands.run(ID, BUSY, LIMIT_S))

    async def is_asked() -> bool:
        return "Start" in daemon.asked

    await eventually(is_asked)
    begun.cancel()
    asyncio.get_running_loop().call_later(0.1, daemon.begin.set)
    with pytest.raises(asyncio.CancelledError):
        await begun
    assert running() == []


async def test_a_session_that_is_left_is_ended(commands: Commands) -> None:
    async with commands.session(ID, Command(BUSY)):
        pass
    assert running() == []


async def test_what_ended_by_itself_leaves_its_children_alone(
    commands: Commands, daemon: Daemon, tmp_path: Path
) -> None:
    script = "sleep 1001 >/dev/null 2>&1 & echo $!"
    executed = await commands.run(ID, ("sh", "-c", script), LIMIT_S)
    os.kill(int(executed.output), signal.SIGKILL)
    assert executed.code == 0


async def test_one_that_does_not_end_is_told(
    commands: Commands,
    daemon: Daemon,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(execs, "ENDING_S", 0.1)
    daemon.begin.clear()
    with pytest.raises(TimeoutError):
        await commands.run(ID, BUSY, 0.2)
    assert f"a command that was given up in instance {ID} may still run" in caplog.text
    daemon.begin.set()  # and now it begins

    async def nothing_is_left() -> bool:
        return not daemon.commands

    await eventually(nothing_is_left)
    assert running() == []


async def test_pipes_that_a_killed_server_left_are_removed(
    commands: Commands, tmp_path: Path
) -> None:
    space, _, _ = owner().split("-")
    folder = tmp_path / "containerd" / "some_instance_1"
    folder.mkdir(parents=True)
    for exec_id in (f"{space}-{2**22 + 1}-1-f00d", f"{owner()}-f00d", "odd"):
        for stream in ("in", "out", "err"):
            os.mkfifo(folder / f"exec-{exec_id}-{stream}")
    (folder / "stdout").touch()

    await commands.end_ownerless()

    assert not any("-1-f00d-" in name for name in pipes_of(tmp_path))
    assert len(pipes_of(tmp_path)) == 7
    for path in folder.iterdir():
        path.unlink()


async def test_nothing_is_left_open(commands: Commands) -> None:
    async def some() -> None:
        for _ in range(5):
            assert (await commands.run(ID, ("true",), LIMIT_S)).code == 0
            with pytest.raises(TimeoutError):
                await commands.run(ID, ("sleep", "1001"), 0.1)

    await some()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no objects
    await asyncio.gather(some(), some())

    async def nothing_is_open() -> bool:
        return len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208 - no objects

    await eventually(nothing_is_open)
