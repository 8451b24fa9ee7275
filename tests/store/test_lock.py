"""Two servers on one database."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ring.core.errors import HostError
from ring.store.lock import DatabaseLock
from ring.store.store import Store
from tests.store.builders import ManualClock, done

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_server_is_told_who_has_the_database(tmp_path: Path) -> None:
    path = tmp_path / "ring.db"
    first = Store.open(path, ManualClock(), inline=True)
    with pytest.raises(HostError) as refused:
        Store.open(path, ManualClock())
    assert str(path) in refused.value.message
    assert f"pid {os.getpid()} " in refused.value.message
    done(first.close())
    done(Store.open(path, ManualClock(), inline=True).close())


def test_another_name_of_the_same_file_is_the_same_database(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "ring.db")
    lock = DatabaseLock(tmp_path / "ring.db")
    with pytest.raises(HostError, match=r"link\.db"):
        DatabaseLock(tmp_path / "link.db")
    lock.release()
    lock.release()
    DatabaseLock(tmp_path / "link.db").release()


def test_the_lock_of_a_killed_server_is_free(tmp_path: Path) -> None:
    path = tmp_path / "ring.db"
    program = (
        "import pathlib, sys, time\n"
        "from ring.store.lock import DatabaseLock\n"
        "lock = DatabaseLock(pathlib.Path(sys.argv[1]))\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "locked\n"
        with pytest.raises(HostError, match=f"pid {server.pid} "):
            DatabaseLock(path)
        server.kill()
    lock = DatabaseLock(path)
    assert (tmp_path / "ring.db.lock").read_text() == f"{os.getpid()}\n"
    lock.release()


HOLDER = """
import pathlib, sys
from ring.store.store import Store
from tests.store.builders import ManualClock
store = Store.open(pathlib.Path(sys.argv[1]), ManualClock(), inline=True)
print("open", flush=True)
sys.stdin.read()
"""


def test_a_hard_link_is_the_same_database_and_free_once_its_server_is_killed(
    tmp_path: Path,
) -> None:
    path, link = tmp_path / "ring.db", tmp_path / "elsewhere" / "other.db"
    link.parent.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "open\n"
        link.hardlink_to(path)
        with pytest.raises(
            HostError, match=r"other\.db: another program holds a lock on it .*; stop it"
        ):
            DatabaseLock(link)
        server.kill()
    DatabaseLock(link).release()
    done(Store.open(path, ManualClock(), inline=True).close())


def test_a_disk_without_room_for_the_pid_still_gives_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        lock = DatabaseLock(tmp_path / "ring.db")
    with pytest.raises(HostError, match="pid unknown is using it"):
        DatabaseLock(tmp_path / "ring.db")
    lock.release()
