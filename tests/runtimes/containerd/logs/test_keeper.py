"""The log keeper as a process: started, killed, replaced, and left alone; the test is the shim."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceId
from ring.core.model.logs import LogLine, LogQuery
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.logs import LogKeeper, keeper, log_dir, read, starting
from ring.runtimes.containerd.logs.channel import Refused, connect
from ring.runtimes.containerd.settings import Settings
from tests.contract.outside import eventually

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Awaitable,
        Callable,
        Iterator,
        Sequence,
    )

    from ring.runtimes.containerd.logs import Stdio

pytestmark = pytest.mark.anyio

ID = InstanceId("ns_web_1")
PATIENCE_S = 20.0


class Shim:
    """Has both ends of a task's FIFOs, as containerd's does; of a file, those that append."""

    def __init__(self, stdio: Stdio) -> None:
        mode = os.O_WRONLY | os.O_APPEND if file_of(stdio) else os.O_RDWR
        self._fds = [os.open(path, mode) for path in (stdio.stdout, stdio.stderr)]

    def writes(self, said: str, *, to_stderr: bool = False) -> None:
        os.write(self._fds[to_stderr], said.encode())

    def ends(self) -> None:
        while self._fds:
            os.close(self._fds.pop())


def file_of(stdio: Stdio) -> Path | None:
    """Which the task is to write to; None: it is given FIFOs."""
    path = Path(stdio.stdout)
    return path if path.is_file() else None


class Machine:
    """What servers that come and go share."""

    def __init__(self, root: Path) -> None:
        self.run = root / "run"
        self.logs = root / "logs"
        self.socket = self.run / "containerd" / "logs.sock"
        self._servers: list[LogKeeper] = []
        self._shims: list[Shim] = []

    def server(self, max_bytes: int = 1 << 24, max_files: int = 5) -> LogKeeper:
        self._servers.append(LogKeeper(self.run, self.logs, max_bytes, max_files))
        return self._servers[-1]

    def shim(self, stdio: Stdio) -> Shim:
        self._shims.append(Shim(stdio))
        return self._shims[-1]

    def spoil(self) -> None:
        """No keeper can be started from now on."""
        (self.run / "containerd").mkdir(parents=True, exist_ok=True)
        self._lock.unlink(missing_ok=True)
        self._lock.mkdir()

    def mend(self) -> None:
        self._lock.rmdir()

    @property
    def _lock(self) -> Path:
        return self.socket.with_name("logs.lock")

    async def has_fifos(self, instances: int) -> bool:
        return len([*self.run.glob("containerd/*/stderr")]) >= instances

    async def told(self, **query: object) -> list[LogLine]:
        """The log of an instance that has ended."""

        async def is_over() -> bool:
            return True

        asked = LogQuery(**query)  # type: ignore[arg-type]  # named by the tests
        return [line async for batch in read(self.logs, ID, asked, is_over) for line in batch]

    def follow(self, instance_id: InstanceId = ID) -> AsyncGenerator[Sequence[LogLine], None]:
        async def goes_on() -> bool:
            return False

        return read(self.logs, instance_id, LogQuery(follow=True), goes_on)

    async def kept(self, last: str, instance_id: InstanceId = ID) -> list[str]:
        """The log, once it has that line."""
        found: list[str] = []
        async with (
            asyncio.timeout(PATIENCE_S),
            contextlib.aclosing(self.follow(instance_id)) as new,
        ):
            while last not in found:
                found += [line.message for line in await anext(new)]
        return found

    async def pid(self) -> int:
        channel = await connect(self.socket)
        try:
            return int((await channel.ask("hello")).split()[1])
        finally:
            channel.close()
            await channel.ended.wait()

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Returns once the keeper has gone."""
        channel = await connect(self.socket)
        pid = int((await channel.ask("hello")).split()[1])
        os.kill(pid, number)
        async with asyncio.timeout(PATIENCE_S):
            await channel.ended.wait()

    async def clear(self) -> None:
        for shim in self._shims:
            shim.ends()
        for server in self._servers:
            await server.close()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, ConnectionError):
            await self.kill()


@contextlib.contextmanager
def process(pid: int) -> Iterator[asyncio.Event]:
    """Set once it has ended."""
    has_ended = asyncio.Event()
    fd = os.pidfd_open(pid)
    asyncio.get_running_loop().add_reader(fd, has_ended.set)
    try:
        yield has_ended
    finally:
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    made = Machine(tmp_path)
    yield made
    await made.clear()


async def test_what_a_task_writes_is_kept(machine: Machine) -> None:
    server = machine.server()
    stdio = await server.open(ID)
    for path in (Path(stdio.stdout), Path(stdio.stderr)):
        assert stat.S_ISFIFO(path.stat().st_mode)
        assert path.stat().st_mode & 0o777 == 0o600
    shim = machine.shim(stdio)
    shim.writes("one\n\n  \ntwo\r\n")
    shim.writes("three\n", to_stderr=True)
    found: list[LogLine] = []
    async with asyncio.timeout(PATIENCE_S), contextlib.aclosing(machine.follow()) as batches:
        while len(found) < 3:
            found += await anext(batches)
    assert {(line.stream, line.message) for line in found} == {
        ("stdout", "one"),
        ("stdout", "two"),
        ("stderr", "three"),
    }
    assert machine.socket.stat().st_mode & 0o077 == 0


async def test_it_is_drained_once_its_last_words_are_kept(machine: Machine) -> None:
    server = machine.server()
    shim = machine.shim(await server.open(ID))
    shim.writes("".join(f"{number:06}\n" for number in range(5000)) + "last words")
    shim.ends()
    await server.drained(ID, PATIENCE_S)
    found = await machine.told()
    assert len(found) == 5001
    assert found[-1].message == "last words"


async def test_waiting_for_one_that_goes_on_has_an_end(machine: Machine) -> None:
    server = machine.server()
    machine.shim(await server.open(ID))
    await server.drained(ID, 0.01)
    await server.drained(InstanceId("unknown"), PATIENCE_S)


async def test_asking_before_it_runs_does_not_keep_it_from_running(machine: Machine) -> None:
    server = machine.server()
    stdio = await server.open(ID)
    await server.drained(ID, PATIENCE_S)
    for path in (stdio.stdout, stdio.stderr):
        # A shim would wait for ever where nobody reads; this fails.
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


async def test_a_killed_keeper_is_started_again(machine: Machine) -> None:
    server = machine.server()
    shim = machine.shim(await server.open(ID))
    shim.writes("before\npar")
    assert await machine.kept("before") == ["before"]
    first = await machine.pid()
    os.kill(first, signal.SIGSTOP)
    shim.writes("tial\nmeanwhile\n")
    os.kill(first, signal.SIGKILL)
    assert await machine.kept("meanwhile") == ["before", "partial", "meanwhile"]
    shim.writes("after\n")
    assert await machine.kept("after") == ["before", "partial", "meanwhile", "after"]
    assert await machine.pid() != first


async def test_it_goes_on_without_a_server(machine: Machine) -> None:
    server = machine.server()
    shim = machine.shim(await server.open(ID))
    await server.close()
    shim.writes("meanwhile\n")
    assert await machine.kept("meanwhile") == ["meanwhile"]

    next_server = machine.server()
    pid = await machine.pid()
    await next_server.open(InstanceId("ns_web_2"))
    assert await machine.pid() == pid
    shim.writes("after\n")
    assert await machine.kept("after") == ["meanwhile", "after"]


async def test_what_was_written_without_any_keeper_is_kept_by_the_next(machine: Machine) -> None:
    server = machine.server()
    shim = machine.shim(await server.open(ID))
    await server.close()
    await machine.kill()
    shim.writes("meanwhile\n")

    await machine.server().sweep(known(ID))
    assert await machine.kept("meanwhile") == ["meanwhile"]


async def test_one_that_is_asked_to_end_reads_what_is_left(machine: Machine) -> None:
    server = machine.server()
    shim = machine.shim(await server.open(ID))
    await server.close()
    os.kill(pid := await machine.pid(), signal.SIGSTOP)
    shim.writes("last words\n")
    shim.ends()
    os.kill(pid, signal.SIGTERM)
    channel = await connect(machine.socket)
    os.kill(pid, signal.SIGCONT)
    async with asyncio.timeout(PATIENCE_S):
        await channel.ended.wait()
    assert not machine.socket.exists()
    assert "last words" in (machine.logs / f"{ID}.log").read_text()


async def test_another_version_is_replaced(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = machine.server()
    shim = machine.shim(await server.open(ID))
    await server.close()
    shim.writes("one\n")
    first = await machine.pid()
    monkeypatch.setattr(starting, "version", lambda: "another")
    await machine.server().open(InstanceId("ns_web_2"))
    assert await machine.pid() != first
    shim.writes("two\n")
    assert await machine.kept("two") == ["one", "two"]


async def test_settings_hold_for_all(machine: Machine) -> None:
    server = machine.server()
    shim = machine.shim(await server.open(ID))
    await server.close()
    await machine.server(max_bytes=4096, max_files=2).open(InstanceId("ns_web_2"))
    shim.writes("".join(f"{number:06}\n" for number in range(100)) + "last\n")
    assert len(await machine.kept("last")) == 101
    files = {path.name: path.stat().st_size for path in machine.logs.iterdir()}
    assert files.keys() == {f"{ID}.log", f"{ID}.log.1"}
    assert max(files.values()) <= 4096


async def test_one_without_work_ends(machine: Machine) -> None:
    directory = machine.run / "containerd"
    await asyncio.to_thread(starting.start, directory, machine.logs, 4096, 2, idle_s=2.0)
    server = machine.server()
    shim = machine.shim(await server.open(ID))
    pid = await machine.pid()
    with process(pid) as has_ended:
        shim.ends()
        await server.close()
        async with asyncio.timeout(PATIENCE_S):
            await has_ended.wait()
    assert not machine.socket.exists()


async def test_one_whose_directory_was_made_again_leaves_its_successor_alone(
    machine: Machine,
) -> None:
    await machine.server().open(ID)
    first = await machine.pid()
    shutil.rmtree(machine.run)
    await machine.server().open(ID)
    second = await machine.pid()
    with process(first) as has_ended:
        os.kill(first, signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await has_ended.wait()
    assert await machine.pid() == second != first


async def test_one_whose_socket_was_removed_is_named(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    server = machine.server()
    await server.open(ID)
    pid = await machine.pid()
    with process(pid) as has_ended:
        machine.socket.unlink()
        assert file_of(await machine.server().open(ID))
        assert re.search(r"removed its socket .*`fuser -v .*logs.lock`", caplog.text)
        os.kill(pid, signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await has_ended.wait()
    await server.open(ID)
    assert await machine.pid() != pid


async def test_there_is_one_for_a_directory(machine: Machine) -> None:
    await machine.server().open(ID)
    first = await machine.pid()
    directory = machine.run / "containerd"
    await asyncio.to_thread(starting.start, directory, machine.logs, 4096, 2)
    assert await machine.pid() == first


async def test_many_at_once_start_one(machine: Machine) -> None:
    server = machine.server()
    ids = [InstanceId(f"ns_web_{number}") for number in range(20)]
    opened = await asyncio.gather(*(server.open(each) for each in ids))
    assert len({stdio.stdout for stdio in opened}) == 20


async def test_a_directory_with_a_long_name(tmp_path: Path) -> None:
    machine = Machine(tmp_path / ("x" * 120))
    try:
        shim = machine.shim(await machine.server().open(ID))
        shim.writes("one\n")
        assert await machine.kept("one") == ["one"]
    finally:
        await machine.clear()


async def test_nothing_is_left_of_what_is_removed(machine: Machine) -> None:
    server = machine.server(max_bytes=4096)
    shim = machine.shim(await server.open(ID))
    await server.open(InstanceId("ns_web_10"))
    shim.writes("".join(f"{number:06}\n" for number in range(200)) + "last\n")
    await machine.kept("last")
    shim.ends()
    for _ in range(2):
        await server.remove(ID)
    left = {path.name for path in (machine.run / "containerd").iterdir() if path.is_dir()}
    assert left == {"ns_web_10"}
    assert [*machine.logs.iterdir()] == []


async def test_removing_needs_no_keeper(machine: Machine) -> None:
    await machine.server().remove(ID)
    machine.logs.mkdir()
    (machine.logs / f"{ID}.log.1").touch()
    await machine.server().remove(ID)
    assert [*machine.logs.iterdir()] == []
    assert not machine.socket.exists()


def known(*instances: InstanceId) -> Callable[[], Awaitable[tuple[InstanceId, ...]]]:
    async def tell() -> tuple[InstanceId, ...]:
        return instances

    return tell


async def test_what_comes_while_a_sweep_asks_is_no_leftover(machine: Machine) -> None:
    """Another server has made it, after this one began to look."""
    server, other = machine.server(), machine.server()

    async def tell() -> tuple[InstanceId, ...]:
        await other.open(ID)
        return ()

    await server.sweep(tell)
    assert {path.name for path in (machine.run / "containerd").iterdir() if path.is_dir()} == {ID}


async def test_a_sweep_leaves_what_is_known_and_what_is_new(machine: Machine) -> None:
    old = machine.server()
    for name in ("known", "gone"):
        machine.shim(await old.open(InstanceId(name))).writes("one\n")
        await machine.kept("one", InstanceId(name))
    await old.close()
    (machine.logs / "long-gone.log").touch()
    (machine.logs / "long-gone.log.12").touch()
    (machine.logs / "notes.txt").touch()
    (machine.run / "containerd" / "something").mkdir()

    server = machine.server()
    await server.open(InstanceId("new"))
    await server.sweep(known(InstanceId("known")))
    kept = {path.name for path in (machine.run / "containerd").iterdir() if path.is_dir()}
    assert kept == {"known", "new", "something"}
    assert {path.name for path in machine.logs.iterdir()} == {"known.log", "notes.txt"}


async def test_a_sweep_of_nothing_starts_nothing(machine: Machine) -> None:
    await machine.server().sweep(known())
    assert not machine.socket.exists()


async def test_what_stands_in_the_way_is_told(machine: Machine) -> None:
    directory = machine.run / "containerd" / ID
    directory.mkdir(parents=True)
    (directory / "stdout").touch()
    with pytest.raises(
        RuntimeFailure, match=r"cannot keep the logs of instance ns_web_1: .* in the way"
    ):
        await machine.server().open(ID)


async def test_without_a_keeper_the_shim_writes_the_log(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.spoil()
    server = machine.server()
    stdio = await server.open(ID)
    path = machine.logs / f"{ID}.log"
    assert file_of(stdio) == path == Path(stdio.stderr)
    assert stdio.stderr != stdio.stdout, "the shim would close it at the end of the first stream"
    assert path.stat().st_mode & 0o777 == 0o600
    shim = machine.shim(stdio)
    shim.writes("one\n\nPassword: ")
    assert await machine.kept("one") == ["one"]
    shim.writes("hidden\n", to_stderr=True)
    assert await machine.kept("Password: hidden") == ["one", "Password: hidden"]
    assert await machine.told(tail=1) == [LogLine("stdout", "Password: hidden", None)]

    await server.open(InstanceId("ns_web_2"))
    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "cannot start the log keeper: IsADirectoryError" in warnings[0]


async def test_a_directory_that_cannot_be_made_is_no_obstacle(machine: Machine) -> None:
    machine.run.mkdir()
    (machine.run / "containerd").touch()
    server = machine.server()
    assert file_of(await server.open(ID))
    await server.sweep(known(ID))
    assert (machine.logs / f"{ID}.log").exists()
    await server.remove(ID)
    assert [*machine.logs.iterdir()] == []


async def test_a_log_that_cannot_be_written_either_is_a_failure(machine: Machine) -> None:
    machine.spoil()
    machine.logs.mkdir()
    (machine.logs / f"{ID}.log").symlink_to("/dev/null")
    with pytest.raises(RuntimeFailure, match=r"cannot keep the logs of instance ns_web_1: .*links"):
        await machine.server().open(ID)


async def test_a_log_goes_on_whoever_writes_it(machine: Machine) -> None:
    server = machine.server()
    shim = machine.shim(await server.open(ID))
    shim.writes("one\npar")
    await machine.kept("one")
    await server.drained(ID, 0.01)
    machine.spoil()
    await machine.kill()
    shim.ends()

    shim = machine.shim(stdio := await server.open(ID))
    assert file_of(stdio)
    assert not (machine.run / "containerd" / ID).exists()
    shim.writes("two\nPassword: ")
    assert await machine.kept("two") == ["one", "par", "two"]
    shim.ends()

    machine.mend()
    shim = machine.shim(stdio := await server.open(ID))
    assert not file_of(stdio)
    shim.writes("three\n")
    shim.ends()
    await server.drained(ID, PATIENCE_S)
    found = await machine.told()
    assert [line.message for line in found] == ["one", "par", "two", "Password: ", "three"]
    assert [line.at is None for line in found] == [False, False, True, True, False]


async def test_an_outage_is_told_once_and_so_is_its_end(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server = machine.server()
    for _ in range(2):
        machine.spoil()
        with contextlib.suppress(FileNotFoundError):
            await machine.kill()
        for number in range(3):
            assert file_of(await server.open(InstanceId(f"ns_web_{number}")))
        machine.mend()
        assert not file_of(await server.open(ID))
    told = [each.getMessage()[:12] for each in caplog.records if each.name == keeper.__name__]
    assert told == ["cannot start", "There is a l"] * 2


async def test_who_reads_waits_for_the_shim(machine: Machine) -> None:
    machine.spoil()
    server = machine.server()
    shim = machine.shim(await server.open(ID))
    waiting = asyncio.create_task(server.drained(ID, PATIENCE_S))
    await server.drained(ID, 0.05)
    assert not waiting.done()
    shim.writes("last words")
    shim.ends()
    async with asyncio.timeout(PATIENCE_S / 2):
        await waiting
    assert [line.message for line in await machine.told()] == ["last words"]


async def test_one_that_is_slow_is_waited_for(machine: Machine) -> None:
    server = machine.server()
    await server.open(InstanceId("ns_web_2"))
    os.kill(pid := await machine.pid(), signal.SIGSTOP)
    opening = asyncio.create_task(server.open(ID))
    await eventually(lambda: machine.has_fifos(2))
    os.kill(pid, signal.SIGCONT)
    assert not file_of(await opening)
    assert await machine.pid() == pid


@pytest.mark.parametrize("is_connected", [True, False])
async def test_one_that_does_not_answer_is_not_waited_for_for_ever(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    is_connected: bool,
) -> None:
    server = machine.server()
    await server.open(InstanceId("ns_web_2"))
    os.kill(pid := await machine.pid(), signal.SIGSTOP)
    if not is_connected:
        await server.close()
        server = machine.server()
    with monkeypatch.context() as patched:
        patched.setattr(keeper, "_ANSWER_S", 0.05)
        shim = machine.shim(stdio := await server.open(ID))
    assert file_of(stdio)
    assert "keeper: it does not answer; until there is one" in caplog.text
    os.kill(pid, signal.SIGCONT)
    assert not file_of(await server.open(InstanceId("ns_web_3")))
    shim.writes("one\n")
    shim.ends()
    assert await machine.told() == [LogLine("stdout", "one", None)]
    assert await machine.pid() == pid


async def test_one_that_was_just_killed_is_started_again_for_the_next(machine: Machine) -> None:
    server = machine.server()
    await server.open(InstanceId("ns_web_2"))
    await machine.kill()
    assert not file_of(await server.open(ID))


async def test_many_that_wait_for_one_attempt_share_its_failure(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, tries = tmp_path / "gate", tmp_path / "tries"
    os.mkfifo(gate)
    held = os.open(gate, os.O_RDWR)
    program = tmp_path / "program"
    program.mkdir()
    (program / "__main__.py").write_text(
        f"import os\nopen({str(tries)!r}, 'a').write('.')\n"
        f"os.read(os.open({str(gate)!r}, os.O_RDONLY), 1)\nraise OSError('no')\n"
    )
    monkeypatch.setattr(starting, "_PROGRAM", program)
    server = machine.server()
    ids = [InstanceId(f"ns_web_{number}") for number in range(20)]
    opening = [asyncio.create_task(server.open(each)) for each in ids]
    await eventually(lambda: machine.has_fifos(len(ids)))
    os.write(held, b"." * len(ids))
    async with asyncio.timeout(PATIENCE_S):
        assert all(map(file_of, await asyncio.gather(*opening)))
    os.close(held)
    assert len(tries.read_text()) < len(ids)


async def test_nothing_is_left_of_one_that_wrote_by_itself(machine: Machine) -> None:
    machine.spoil()
    server = machine.server()
    machine.shim(await server.open(ID)).writes("one\n")
    await server.close()

    server = machine.server()
    await server.sweep(known(ID))
    assert await machine.kept("one") == ["one"]
    await server.remove(ID)
    assert [*machine.logs.iterdir()] == []
    assert not (machine.run / "containerd" / ID).exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b"])
async def test_what_is_no_id_is_refused(machine: Machine, name: str) -> None:
    await machine.server().open(ID)
    channel = await connect(machine.socket)
    with pytest.raises(Refused, match="no id"):
        await channel.ask("open", name)
    with pytest.raises(Refused, match="unknown request"):
        await channel.ask("sing")
    channel.close()


async def test_the_keeper_knows_no_secret_of_its_server(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RING_SECRET_KEY", "abc")
    await machine.server().open(ID)
    pid = await machine.pid()
    assert await asyncio.to_thread(Path(f"/proc/{pid}/environ").read_bytes) == b""
    assert os.getsid(pid) != os.getsid(0)


def test_where_logs_are() -> None:
    assert log_dir(Settings()) == Path("/var/log/ring/containerd")
    own = Settings(state_dir=Path("/srv/ring"))
    assert log_dir(own) == Path("/srv/ring/logs/containerd")
