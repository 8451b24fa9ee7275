"""Two servers on one database."""

from __future__ import annotations

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
