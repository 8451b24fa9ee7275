"""Into whose networks an engine may lead."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceId
from ring.network.bridges import NETWORK_COOKIE
from ring.runtimes.base import Process, RuntimeFailure
from ring.runtimes.docker.rootless import Insides, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

ONE = InstanceId("one")


class Engine:
    """Says of every instance that it is this process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    async def find(self, _: InstanceId) -> Process | None:
        return Process(self.pid)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    """What this user listens at."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(where := f"{tmp_path}/engine.sock")
        listening.listen()
        yield where


@pytest.fixture
def theirs() -> Iterator[subprocess.Popen[bytes]]:
    """A process in namespaces of this user."""
    argv = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", "echo there; read end"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        if (said := process.stdout.readline()) != b"there\n":
            process.kill()
            pytest.skip(f"no namespaces here: {said.decode()}")
        yield process
        process.kill()


@pytest.fixture
async def insides(path: str, theirs: subprocess.Popen[bytes]) -> AsyncIterator[Insides]:
    one = Insides(Engine(theirs.pid).find, path)
    yield one
    await one.close()


async def test_into_its_users(insides: Insides) -> None:
    (await insides.open(ONE, socket.AF_INET)).close()


async def test_not_into_this_machines_own(path: str) -> None:
    """As an engine says that lies, or that was told too late that its process has ended."""
    insides = Insides(Engine(os.getpid()).find, path)
    try:
        with pytest.raises(RuntimeFailure, match="no way leads into its network"):
            await insides.open(ONE, socket.AF_INET)
    finally:
        await insides.close()


async def test_of_who_ends_meanwhile_nothing_is_given(
    insides: Insides, theirs: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = insides._namespaces.open
    made: list[socket.socket] = []

    async def late(pid: int, family: socket.AddressFamily, owner: int | None) -> socket.socket:
        made.append(await asked(pid, family, owner))
        theirs.kill()
        theirs.wait()
        return made[0]

    monkeypatch.setattr(insides._namespaces, "open", late)
    with pytest.raises(RuntimeFailure, match="does not run"):
        await insides.open(ONE, socket.AF_INET)
    assert made[0].fileno() == -1


@pytest.fixture
def names(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program `ring-names` in a network of this user."""
    program = tmp_path / "ring-names"
    program.symlink_to("/bin/cat")
    argv = ["unshare", "--user", "--map-root-user", "--net", str(program)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"there\n")
        process.stdin.flush()
        if process.stdout.readline() != b"there\n":
            pytest.skip("no namespaces here")
        yield process


async def test_the_homes_of_bridges_are_where_a_program_of_the_user_runs(
    path: str, names: subprocess.Popen[bytes]
) -> None:
    insides = Insides(Engine(1).find, path)
    (home,) = await insides.homes("ring-names")
    with home, socket.socket() as here:
        assert cookie(home) != cookie(here)
    assert await insides.homes("ring-other") == []
    names.kill()
    names.wait()
    assert await insides.homes("ring-names") == []
    await insides.close()


def cookie(one: socket.socket) -> bytes:
    return one.getsockopt(socket.SOL_SOCKET, NETWORK_COOKIE, 8)


def process(processes: Path, pid: int, comm: bytes, *inside: int) -> None:
    """As the kernel tells of one, with its numbers in the process namespaces further inside."""
    (entry := processes / str(pid)).mkdir()
    (entry / "comm").write_bytes(comm + b"\n")
    numbers = b"\t".join(b"%d" % number for number in (pid, *inside))
    (entry / "status").write_bytes(b"Name:\t" + comm + b"\nNSpid:\t" + numbers + b"\nUid:\t0\n")


def test_a_name_that_is_no_text_hides_no_other_process(tmp_path: Path) -> None:
    """An instance names its processes as it likes, and they are of the engine's user."""
    process(tmp_path, 3, b"\xff\xfe", 1)
    process(tmp_path, 4, b"ring-names")
    assert running("ring-names", os.getuid(), tmp_path) == [4]
    assert running("ring-names", os.getuid() + 1, tmp_path) == []


def test_what_takes_the_name_inside_instances_does_not_crowd_out_the_engines_own(
    tmp_path: Path,
) -> None:
    for number in range(100, 120):
        process(tmp_path, number, b"ring-names", 1)
    process(tmp_path, 4000, b"ring-names")
    assert running("ring-names", os.getuid(), tmp_path)[0] == 4000
