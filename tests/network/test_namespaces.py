from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from ring.network.namespaces import Namespaces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

SERVE = "ip link set lo up; ip addr add 10.9.8.7/32 dev lo; echo there; exec sleep 60"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def namespaces() -> AsyncIterator[Namespaces]:
    one = Namespaces()
    yield one
    await one.close()


def _other(*more: str) -> Iterator[int]:
    """A process in a network of its own, which has an address that this one has not."""
    argv = ["unshare", *more, "--net", "sh", "-c", SERVE]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        if said != b"there\n":
            process.kill()
            pytest.skip(f"no namespaces here: {said.decode()}")
        yield process.pid
        process.kill()


other = pytest.fixture(_other)


@pytest.fixture
def owned() -> Iterator[int]:
    """In a user namespace of its own, too."""
    yield from _other("--user", "--map-root-user")


async def _is_there(made: socket.socket) -> bool:
    """Whether the socket is where the address is."""
    with made, contextlib.suppress(OSError):
        made.bind(("10.9.8.7", 0))
        return True
    return False


async def test_a_socket_is_in_the_network_of_the_process(
    namespaces: Namespaces, other: int
) -> None:
    assert await _is_there(await namespaces.open(other, socket.AF_INET))
    assert not await _is_there(await namespaces.open(os.getpid(), socket.AF_INET))
    made = await namespaces.open(other, socket.AF_INET6)
    with made:
        assert (made.family, made.type) == (socket.AF_INET6, socket.SOCK_STREAM)
        assert (made.getblocking(), made.get_inheritable()) == (False, False)


async def test_into_a_user_namespace_as_well(namespaces: Namespaces, owned: int) -> None:
    assert await _is_there(await namespaces.open(owned, socket.AF_INET))


async def test_into_nobody_elses(namespaces: Namespaces, other: int, owned: int) -> None:
    us = os.getuid()
    for pid, owner in ((owned, us + 1), (other, us), (os.getpid(), us)):
        with pytest.raises(PermissionError):
            await namespaces.open(pid, socket.AF_INET, owner)
    assert await _is_there(await namespaces.open(owned, socket.AF_INET, us))


async def test_no_file_stays_open(namespaces: Namespaces, other: int, owned: int) -> None:
    us = os.getuid()
    counts = set()
    for pid, owner in [(owned, us + 1), (other, us)] * 3:
        (await namespaces.open(owned, socket.AF_INET, us)).close()
        with pytest.raises(PermissionError):
            await namespaces.open(pid, socket.AF_INET, owner)
        opener = namespaces._opener
        assert opener is not None
        # What was handed over before is closed by the time it answers again.
        counts.add(len(os.listdir(f"/proc/{opener.process.pid}/fd")))  # noqa: PTH208 - a count
    assert len(counts) == 1


async def test_many_at_once(namespaces: Namespaces, other: int) -> None:
    asked = [namespaces.open(pid, socket.AF_INET) for pid in (other, os.getpid()) * 20]
    made = await asyncio.gather(*asked)
    assert [await _is_there(one) for one in made] == [True, False] * 20


async def test_no_such_process(namespaces: Namespaces, other: int) -> None:
    with pytest.raises(FileNotFoundError):
        await namespaces.open(2**22 + 1, socket.AF_INET)
    assert await _is_there(await namespaces.open(other, socket.AF_INET))


async def test_whoever_gives_up_leaves_nothing_to_the_next(
    namespaces: Namespaces, other: int
) -> None:
    (await namespaces.open(other, socket.AF_INET)).close()
    asked = asyncio.ensure_future(namespaces.open(os.getpid(), socket.AF_INET))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await _is_there(await namespaces.open(other, socket.AF_INET))


async def test_the_program_is_started_again(namespaces: Namespaces, other: int) -> None:
    (await namespaces.open(other, socket.AF_INET)).close()
    opener = namespaces._opener
    assert opener is not None
    os.kill(opener.process.pid, signal.SIGKILL)
    await opener.process.wait()
    assert await _is_there(await namespaces.open(other, socket.AF_INET))


async def test_a_program_that_does_nothing(other: int, tmp_path: Path) -> None:
    program = tmp_path / "nothing.py"
    program.write_text("")
    namespaces = Namespaces(program)
    with pytest.raises(OSError, match="has ended"):
        await namespaces.open(other, socket.AF_INET)
    await namespaces.close()


async def test_it_ends_with_whoever_started_it(namespaces: Namespaces, other: int) -> None:
    (await namespaces.open(other, socket.AF_INET)).close()
    opener = namespaces._opener
    assert opener is not None
    opener.link.close()
    assert await asyncio.wait_for(opener.process.wait(), 10) == 0
