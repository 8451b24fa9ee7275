"""Named network namespaces, made in a directory of the test's own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.network import netns

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "netns"
    yield directory
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            netns.remove(path.name, directory)
    while subprocess.run(["umount", directory], capture_output=True, check=False).returncode == 0:
        pass


def test_one_is_made_and_removed(directory: Path) -> None:
    here = Path(netns.OWN).stat()
    path = netns.make("web", directory)
    assert netns.is_there(path)
    assert not os.path.samestat(path.stat(), here)
    shown = subprocess.run(
        ["nsenter", f"--net={path}", "ip", "-o", "address"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "127.0.0.1/8" in shown
    assert "eth0" not in shown
    assert os.path.samestat(Path(netns.OWN).stat(), here)
    netns.remove("web", directory)
    netns.remove("web", directory)
    assert not path.exists()
    assert not netns.is_there(path)


def test_one_takes_the_place_of_another(directory: Path) -> None:
    path = netns.make("web", directory)
    before = os.open(path, os.O_RDONLY)
    netns.make("web", directory)
    assert netns.is_there(path)
    assert not os.path.samestat(os.fstat(before), path.stat())
    os.close(before)
    (directory / "file").touch()
    assert not netns.is_there(directory / "file")


@contextlib.contextmanager
def living_in(path: Path) -> Iterator[int]:
    """The process of a program that is in this namespace."""
    ours, theirs = socket.socketpair()
    command = ("nsenter", f"--net={path}", "sh", "-c", "echo; cat")
    living = subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno())
    theirs.close()
    try:
        assert ours.recv(1) == b"\n"
        yield living.pid
    finally:
        ours.close()
        living.wait()


def test_a_name_that_was_taken_away_is_brought_back(directory: Path) -> None:
    path = netns.make("web", directory)
    number = path.stat().st_ino
    with living_in(path) as pid, netns.opened(pid) as namespace:
        assert not netns.bring_back("web", namespace, directory)
        netns.remove("web", directory)
        assert netns.bring_back("web", namespace, directory)
        assert path.stat().st_ino == number
        with living_in(netns.make("db", directory)) as other, netns.opened(other) as its:
            assert netns.bring_back("web", its, directory)
        assert path.stat().st_ino != number


def test_a_namespace_stays_the_one_that_was_opened(directory: Path) -> None:
    path = netns.make("web", directory)
    number = path.stat().st_ino
    with contextlib.ExitStack() as opened:
        with living_in(path) as pid:
            namespace = opened.enter_context(netns.opened(pid))
        netns.remove("web", directory)
        assert netns.bring_back("web", namespace, directory)
    assert path.stat().st_ino == number


def test_no_name_leads_to_the_network_of_the_machine(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = netns.make("web", directory)
    before = path.stat()
    with netns.opened(os.getpid()) as own, pytest.raises(OSError, match="of the machine itself"):
        netns.bring_back("web", own, directory)
    inits = netns.make("init", directory)
    monkeypatch.setattr(netns, "_MACHINES", (*netns._MACHINES, directory / "none", inits))
    said = pytest.raises(OSError, match=f"what {path} is to lead to is the network namespace of")
    with living_in(inits) as pid, netns.opened(pid) as init, said:
        netns.bring_back("web", init, directory)
    assert os.path.samestat(path.stat(), before)


@pytest.mark.parametrize("is_mount", [False, True])
def test_whoever_keeps_the_lock_of_the_directory_is_not_waited_for(
    is_mount: bool,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(netns, "TURN_S", 0.02)
    if is_mount:
        netns.make("first", directory)
    directory.mkdir(exist_ok=True)
    keeping = os.open(directory, os.O_RDONLY)
    fcntl.flock(keeping, fcntl.LOCK_EX)
    try:
        for name in ("web", "db"):
            assert netns.is_there(netns.make(name, directory))
    finally:
        os.close(keeping)
    told = [f"another process keeps the lock of {directory}: not waited for"]
    assert caplog.messages == ([] if is_mount else told)


def test_many_that_begin_at_once_make_the_directory_one_mount(directory: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: netns.make(f"web-{number}", directory), range(8)))
    assert all(netns.is_there(path) for path in made)
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    assert [line.split()[4] for line in mounts].count(str(directory)) == 1


def test_what_cannot_be_leaves_nothing(directory: Path) -> None:
    with pytest.raises(FileNotFoundError), netns.opened(2**22 + 1):
        pass
    directory.mkdir()
    none = os.open(directory, os.O_RDONLY)
    with pytest.raises(NotADirectoryError):
        netns.bring_back("web", none, directory)
    os.close(none)
    assert not (directory / "web").exists()
