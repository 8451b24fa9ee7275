from __future__ import annotations

import fcntl
import os
import threading
from contextlib import contextmanager
from stat import S_IMODE
from typing import TYPE_CHECKING

import pytest

from ring.network import locks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def held(path: Path) -> Iterator[None]:
    other = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(other)


def test_one_at_a_time(tmp_path: Path) -> None:
    directory = tmp_path / "made" / "for it"
    with locks.alone_in(directory):
        with pytest.raises(BlockingIOError), held(directory / locks.FILE):
            pass
        with pytest.raises(TimeoutError), locks.alone_in(directory, 0.02):
            pass
    with locks.alone_in(directory, 0):
        pass


def test_the_next_one_goes_on_once_it_is_left(tmp_path: Path) -> None:
    told: list[str] = []

    def follow() -> None:
        begun.set()
        with locks.alone_in(tmp_path):
            told.append("second")

    begun = threading.Event()
    following = threading.Thread(target=follow)
    with locks.alone_in(tmp_path):
        following.start()
        begun.wait()
        told.append("first")
    following.join()
    assert told == ["first", "second"]


def test_whoever_may_only_read_the_directory_keeps_nobody_out(tmp_path: Path) -> None:
    with held(tmp_path), locks.alone_in(tmp_path, 0):
        assert S_IMODE((tmp_path / locks.FILE).stat().st_mode) == 0o600


def test_a_wait_ends_and_says_what_it_was_for(tmp_path: Path) -> None:
    path = tmp_path / locks.FILE
    path.touch()
    said = f"another process has held the lock of {path} for 0.02 s: lslocks shows which one"
    with held(path), pytest.raises(TimeoutError) as caught, locks.alone_in(tmp_path, 0.02):
        pass
    assert str(caught.value) == said


def test_a_file_that_was_deleted_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that wait for one that is deleted before it is theirs are not both alone."""
    path = tmp_path / locks.FILE
    looked: list[int] = []

    def is_taken(descriptor: int, within_s: float) -> bool:
        if not looked:
            path.unlink()
        looked.append(descriptor)
        return real(descriptor, within_s)

    real = locks.is_taken
    monkeypatch.setattr(locks, "is_taken", is_taken)
    with locks.alone_in(tmp_path), pytest.raises(BlockingIOError), held(path):
        pass
    assert len(looked) == 2


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / locks.FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), locks.alone_in(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_it_is_no_configuration_of_a_network(tmp_path: Path) -> None:
    assert (tmp_path / locks.FILE).suffix not in {".conf", ".conflist", ".json"}
