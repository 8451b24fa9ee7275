"""The keeper as a process, and the server's side of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.network.keeper import Keeper, KeeperProblem, PortTaken, Relay, Zone
from ring.network.keeper.link import SOCKET, connect
from ring.network.keeper.options import Options
from ring.network.keeper.program import LOCK, LOG
from tests.network.keeper.loopback import ask, found, free_port, query, subnet, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class _Place:
    """A directory, a network, and an instance that greets."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.net = subnet()
        self.gateway, self.client = f"{self.net}.1", f"{self.net}.20"
        self.instance = f"{self.net}.2"
        self.target = free_port(self.instance)
        self.published = (f"{self.net}.3", free_port(f"{self.net}.3"))
        file = directory.parent / "resolv.conf"
        file.write_text("")
        self.options = Options(
            dns_port=free_port(self.gateway), host_servers=(file, file), linger_s=60.0
        )
        self.zone = Zone((self.gateway,), (f"{self.net}.0/24",), {"web": (self.instance,)})
        self.relays = [Relay(*self.published, "tcp", self.instance, self.target)]
        self._keepers: list[Keeper] = []

    def keeper(self, **changes: object) -> Keeper:
        options = replace(self.options, **changes)  # type: ignore[arg-type]  # of the test's own
        one = Keeper(self.directory, options)
        self._keepers.append(one)
        return one

    async def full(self) -> Keeper:
        """One that has the network and the instance."""
        one = self.keeper()
        await one.zone("ring_a", self.zone)
        await one.publish("web_1", self.relays)
        return one

    def pid(self) -> int:
        """Who listens; 0: nobody."""
        with socket.socket(socket.AF_UNIX) as made:
            try:
                descriptor = os.open(self.directory, os.O_PATH)
            except FileNotFoundError:
                return 0
            try:
                made.connect(f"/proc/self/fd/{descriptor}/{SOCKET}")
            except OSError:
                return 0
            finally:
                os.close(descriptor)
            told = made.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            return int.from_bytes(told[:4], sys.byteorder)

    async def resolved(self) -> list[str]:
        return found(await ask(query("web"), self.gateway, self.options.dns_port, self.client))

    async def greeting(self) -> bytes:
        reader, writer = await asyncio.open_connection(*self.published)
        try:
            async with asyncio.timeout(10):
                return await reader.read()
        finally:
            writer.close()

    async def works(self) -> bool:
        return await self.resolved() == [self.instance] and await self.greeting() == b"here"

    async def comes_to_work(self) -> None:
        """A moment after another has begun to take over, nobody answers."""
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    if await self.works():
                        return
                await asyncio.sleep(0)

    async def __aenter__(self) -> _Place:
        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"here")
            writer.close()

        self._server = await asyncio.start_server(greet, self.instance, self.target)
        return self

    async def __aexit__(self, *_: object) -> None:
        for keeper in self._keepers:
            await keeper.close()
        self._server.close()
        if (pid := self.pid()) != 0:
            os.kill(pid, signal.SIGTERM)
            await until(lambda: not _is_alive(pid))


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def _opened(pid: int) -> list[Path]:
    """It may close one while they are read: that one is not told."""
    found = []
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(one.readlink())
    return found


def _running(directory: Path) -> list[int]:
    """Those that were started for it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if os.fsencode(directory) in words and _is_alive(int(process.name)):
                found.append(int(process.name))
    return found


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[_Place]:
    async with _Place(tmp_path / "network") as one:
        yield one


async def _until_works(place: _Place) -> None:
    """Refusals are of the moment in which nobody is there."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(ConnectionError):
                if await place.works():
                    return
            await asyncio.sleep(0)


async def _refused(call: Callable[[], object]) -> bool:
    try:
        await call()  # type: ignore[misc]  # of the test's own
    except ConnectionRefusedError:
        return True
    return False


async def test_names_and_ports(place: _Place) -> None:
    keeper = await place.full()
    assert await place.works()
    assert await keeper.networks() == ("ring_a",)
    assert await keeper.holders() == ("web_1",)
    await keeper.unpublish("web_1")
    await keeper.forget("ring_a")
    assert await _refused(place.resolved)
    assert await _refused(place.greeting)
    assert await keeper.networks() == await keeper.holders() == ()


async def test_nothing_is_nothing_published(place: _Place) -> None:
    keeper = await place.full()
    await keeper.publish("web_1", [])
    assert await keeper.holders() == ()
    assert await _refused(place.greeting)


async def test_a_port_that_is_taken_is_told_with_who_has_it(place: _Place) -> None:
    keeper = await place.full()
    with pytest.raises(PortTaken) as raised:
        await keeper.publish("web_2", place.relays)
    assert raised.value.holder == "web_1"
    assert (raised.value.port, raised.value.protocol) == (place.published[1], "tcp")
    assert await keeper.holders() == ("web_1",)
    with pytest.raises(KeeperProblem, match=r"192\.0\.2\.99"):
        await keeper.publish("web_2", [Relay("192.0.2.99", 8080, "tcp", "", 80)])
    with pytest.raises(KeeperProblem, match="protocol"):
        await keeper.publish("web_2", [Relay(None, 8080, "sctp", "", 80)])


async def test_more_ports_than_one_may_hold_are_refused(place: _Place) -> None:
    keeper = await place.full()
    many = [Relay(None, 10_000 + n, "tcp", "", 80) for n in range(4097)]
    with pytest.raises(KeeperProblem, match=r"need 8194 sockets, .* may have \d+: publish fewer"):
        await keeper.publish("web_2", many)
    assert await keeper.holders() == ("web_1",)
    assert await place.works()


async def test_a_resolver_that_cannot_be_where_it_should_will_be(place: _Place) -> None:
    keeper = place.keeper()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((place.gateway, place.options.dns_port))
        with pytest.raises(KeeperProblem, match="in use"):
            await keeper.zone("ring_a", place.zone)
    await keeper.zone("ring_a", place.zone)
    assert await place.resolved() == [place.instance]


async def test_an_unchanged_zone_is_not_told_again(place: _Place) -> None:
    keeper = await place.full()
    file = place.directory / "zones" / "ring_a.json"
    before = file.stat().st_ino
    await keeper.zone("ring_a", place.zone)
    assert file.stat().st_ino == before
    await keeper.zone("ring_a", replace(place.zone, records={"web": ("10.0.0.9",)}))
    assert await place.resolved() == ["10.0.0.9"]


async def test_many_at_once(place: _Place) -> None:
    keeper = place.keeper()
    zones = [replace(place.zone, gateways=(f"{place.net}.{n}",)) for n in range(100, 130)]
    await asyncio.gather(*(keeper.zone(f"ring_{n}", zone) for n, zone in enumerate(zones)))
    assert len(await keeper.networks()) == 30


async def test_it_goes_on_without_the_server(place: _Place) -> None:
    """The server is killed: its child runs in a session and a directory of its own, and has none of
    its files, though uvloop would leave them."""
    told = f"""
import os, signal, uvloop
from pathlib import Path
from ring.network.keeper import Keeper, Relay, Zone
from ring.network.keeper.options import Options
async def main():
    keeper = Keeper(Path({str(place.directory)!r}), Options.from_text({place.options.to_text()!r}))
    await keeper.zone("ring_a", {place.zone!r})
    await keeper.publish("web_1", {place.relays!r})
    os.kill(os.getpid(), signal.SIGKILL)
uvloop.run(main())
"""
    path = os.pathsep.join(filter(None, sys.path))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", told), env={"PYTHONPATH": path}, start_new_session=True
    )
    assert await process.wait() == -signal.SIGKILL
    assert await place.works()
    pid = place.pid()
    assert os.getsid(pid) != process.pid
    assert not [one for one in _opened(pid) if "pipe:" in str(one)]
    assert (place.directory / f"/proc/{pid}/cwd").readlink() == Path("/")
    assert await place.keeper().holders() == ("web_1",)
    assert place.pid() == pid


async def test_what_it_has_open_is_its_own(place: _Place) -> None:
    with socket.create_server((f"{place.net}.9", 0)) as made:
        made.set_inheritable(True)
        await place.full()
        links = _opened(place.pid())
        assert f"socket:[{os.fstat(made.fileno()).st_ino}]" not in map(str, links)
    files = {str(link) for link in links if link.is_absolute()}
    assert files == {"/dev/null", str(place.directory / LOG), str(place.directory / LOCK)}
    assert (place.directory / SOCKET).stat().st_mode & 0o777 == 0o600
    assert place.directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})])
async def test_it_starts_below_the_loop_of_the_server(place: _Place) -> None:
    await place.full()
    assert await place.works()


async def test_one_that_is_killed_is_started_again_with_all_it_had(place: _Place) -> None:
    await place.full()
    pid = place.pid()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: place.pid() not in (0, pid))
    assert await place.works()


def _hang_up(listening: socket.socket) -> None:
    listening.accept()[0].close()


async def test_one_that_is_just_ending_does_not_pass_for_another(place: _Place) -> None:
    """Its connections are closed one after the other, and where it listens is the last of them."""
    await place.full()
    pid = place.pid()
    (place.directory / SOCKET).unlink()
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as ending:
        ending.bind(os.fspath(place.directory / SOCKET))
        ending.listen()
        ending.setblocking(False)
        loop.add_reader(ending, _hang_up, ending)
        try:
            os.kill(pid, signal.SIGKILL)
            await until(lambda: place.pid() not in (0, pid, os.getpid()))
        finally:
            loop.remove_reader(ending)
    assert await place.works()


async def test_one_whose_directory_was_made_again_leaves_its_successor_alone(
    place: _Place,
) -> None:
    await (await place.full()).close()
    first = place.pid()
    os.kill(first, signal.SIGSTOP)
    shutil.rmtree(place.directory)
    try:
        # On another address: the one before has not let go of its own.
        zone = replace(place.zone, gateways=(f"{place.net}.7",))
        await place.keeper().zone("ring_b", zone)
        second = place.pid()
    finally:
        os.kill(first, signal.SIGCONT)
    await until(lambda: not _is_alive(first))
    assert place.pid() == second != first


async def test_one_that_was_killed_is_started_by_the_next_request(place: _Place) -> None:
    first = await place.full()
    await first.close()
    pid = place.pid()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not _is_alive(pid))
    second = place.keeper()
    await second.zone("ring_b", replace(place.zone, gateways=(f"{place.net}.7",)))
    assert await place.works()
    assert await second.networks() == ("ring_a", "ring_b")


async def test_to_look_is_enough_to_have_it_started(place: _Place) -> None:
    first = await place.full()
    await first.close()
    os.kill(pid := place.pid(), signal.SIGKILL)
    await until(lambda: not _is_alive(pid))
    assert await place.keeper().holders() == ("web_1",)
    assert await place.works()


async def test_what_is_published_while_it_is_killed_arrives(place: _Place) -> None:
    keeper = await place.full()
    os.kill(place.pid(), signal.SIGKILL)
    other = (f"{place.net}.8", place.published[1])
    await keeper.publish("web_2", [Relay(*other, "tcp", place.instance, place.target)])
    place.published = other
    assert await place.works()


async def test_a_port_that_is_not_free_when_it_starts_is_had_later(place: _Place) -> None:
    first = await place.full()
    await first.close()
    os.kill(pid := place.pid(), signal.SIGKILL)
    await until(lambda: not _is_alive(pid))
    with socket.create_server(place.published):
        await place.keeper().holders()
        assert await place.resolved() == [place.instance]
    await _until_works(place)


async def test_another_version_takes_over(place: _Place) -> None:
    await place.full()
    pid = place.pid()
    newer = place.keeper(version="99.0")
    assert await newer.holders() == ("web_1",)
    await place.comes_to_work()
    assert place.pid() != pid
    await until(lambda: not _is_alive(pid))


async def test_connections_outlive_the_version(place: _Place) -> None:
    keeper = await place.full()
    arrived: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.put_nowait((reader, writer))

    target = free_port(f"{place.net}.5")
    async with await asyncio.start_server(take, f"{place.net}.5", target):
        relay = Relay(f"{place.net}.6", place.published[1], "tcp", f"{place.net}.5", target)
        await keeper.publish("db_1", [relay])
        reader, writer = await asyncio.open_connection(f"{place.net}.6", relay.published)
        inner_reader, inner_writer = await arrived.get()
        pid = place.pid()
        await place.keeper(version="99.0").holders()
        assert place.pid() != pid
        writer.write(b"still")
        assert await inner_reader.readexactly(5) == b"still"
        assert _is_alive(pid)
        inner_writer.close()
        assert await reader.read() == b""
        writer.close()
        await until(lambda: not _is_alive(pid))


async def test_two_servers_start_one(place: _Place) -> None:
    keepers = [place.keeper() for _ in range(4)]
    zones = [replace(place.zone, gateways=(f"{place.net}.{n}",)) for n in range(100, 104)]
    await asyncio.gather(
        *(one.zone(f"ring_{n}", zones[n]) for n, one in enumerate(keepers)),
    )
    assert len(await keepers[0].networks()) == 4
    await until(lambda: _running(place.directory) == [place.pid()])


async def test_with_nothing_to_keep_and_nobody_there_it_ends(place: _Place) -> None:
    keeper = place.keeper(linger_s=0.0)
    await keeper.zone("ring_a", place.zone)
    await keeper.forget("ring_a")
    pid = place.pid()
    assert _is_alive(pid)
    await keeper.close()
    await until(lambda: not _is_alive(pid))
    assert not (place.directory / SOCKET).exists()


async def test_without_its_directory_it_ends(place: _Place) -> None:
    keeper = await place.full()
    await keeper.close()
    pid = place.pid()
    place.directory.rename(place.directory.with_name("moved"))
    await until(lambda: not _is_alive(pid))


async def test_a_directory_may_be_deep(place: _Place) -> None:
    place.directory = place.directory / ("d" * 120) / "network"
    await place.full()
    assert await place.works()


async def test_it_says_why_it_cannot_be_started(place: _Place) -> None:
    place.directory.write_text("in the way")
    with pytest.raises(KeeperProblem, match="network"):
        await place.keeper().zone("ring_a", place.zone)
    place.directory.unlink()
    (place.directory / LOCK).mkdir(parents=True)
    with pytest.raises(KeeperProblem, match=r"does not start: .*directory"):
        await place.keeper().zone("ring_a", place.zone)


async def test_after_the_end_nothing_is_asked(place: _Place) -> None:
    keeper = await place.full()
    await keeper.close()
    with pytest.raises(KeeperProblem):
        await keeper.unpublish("web_1")


async def test_other_users_are_refused(place: _Place) -> None:
    if os.geteuid():
        pytest.skip("only root can be somebody else")
    await place.full()
    for directory in (place.directory, *place.directory.parents):
        if directory == Path("/tmp"):  # noqa: S108 - where the test's own directory is below
            break
        directory.chmod(0o711)
    (place.directory / SOCKET).chmod(0o666)
    for user, is_welcome in ((65534, False), (0, True)):
        with socket.socket(socket.AF_UNIX) as made:
            os.seteuid(user)
            try:
                made.connect(os.fspath(place.directory / SOCKET))
            finally:
                os.seteuid(0)
            said = b""
            with contextlib.suppress(ConnectionError):
                made.sendall(b'{"do": "hello"}\n')
                said = await asyncio.to_thread(made.recv, 1000)
            assert bool(said) is is_welcome


async def test_nonsense_ends_the_connection_alone(place: _Place) -> None:
    keeper = await place.full()
    for line in (b"nonsense\n", b"[]\n", b"[" * 100_000 + b"\n"):
        link = await connect(place.directory)
        assert link is not None
        link._writer.write(line)
        async with asyncio.timeout(10):
            await link.follow()
    with pytest.raises(KeeperProblem, match="cannot dance"):
        await keeper._ask({"do": "dance"})
    assert await place.works()
