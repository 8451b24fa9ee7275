"""The kernel's small files: read anew every time, whether they are opened for it or not."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.engine.sampling import texts
from ring.engine.sampling.texts import Kept, Room

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = "".join(f"{number:063}\n" for number in range(3000))
"""Longer than any piece."""


def is_open(file: Path) -> bool:
    links = Path("/proc/self/fd").iterdir()
    return any(link.is_symlink() and link.readlink() == file for link in links)


@pytest.fixture(params=["once", "kept", "kept without room"])
def read(request: pytest.FixtureRequest) -> Callable[[str], str]:
    ways = {
        "once": texts.text,
        "kept": Kept(Room(10)).text,
        "kept without room": Kept(Room(0)).text,
    }
    return ways[request.param]


def test_what_a_file_says_now(tmp_path: Path, read: Callable[[str], str]) -> None:
    file = tmp_path / "pids.current"
    for told in ("3\n", "12\n", "", LONG, "5\n"):
        file.write_text(told)
        assert read(f"{file}") == told


def test_a_file_that_is_told_a_page_at_a_time(read: Callable[[str], str]) -> None:
    told = read("/proc/self/smaps")
    assert len(told) > 2 * resource.getpagesize()
    assert told.endswith("\n")
    assert "[stack]" in told


def test_what_cannot_be_read_says_nothing(tmp_path: Path, read: Callable[[str], str]) -> None:
    assert read(f"{tmp_path}/missing") == ""
    assert read(f"{tmp_path}") == "", "a directory"


def test_a_file_is_open_for_as_long_as_it_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "memory.current"
    file.write_text("1\n")
    room = Room(1)
    kept = Kept(room)

    kept.text(f"{file}")
    assert is_open(file)
    assert not room.take()

    del kept
    assert not is_open(file)
    assert room.take()


def test_without_room_nothing_is_kept(tmp_path: Path) -> None:
    files = [tmp_path / "one", tmp_path / "other"]
    kept = Kept(Room(1))
    for file in files:
        file.write_text("7\n")
        assert kept.text(f"{file}") == "7\n"

    assert [is_open(file) for file in files] == [True, False]


def test_what_is_missing_takes_no_room(tmp_path: Path) -> None:
    room = Room(1)
    Kept(room).text(f"{tmp_path}/missing")
    assert room.take()


def test_of_a_file_that_two_have_opened_one_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "io.stat"
    file.write_text("8:0 rbytes=1\n")
    room = Room(2)
    kept = Kept(room)
    kept.text(f"{file}")
    assert room.take()
    second = os.open(file, os.O_RDONLY)

    assert kept._settled(f"{file}", second) != second

    assert room.take()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(second)


@pytest.mark.parametrize(
    ("limit", "kept"),
    [(1024, 0), (4096, 0), (20_000, 3976), (1 << 20, 4096), (resource.RLIM_INFINITY, 4096)],
)
def test_how_many_are_kept(monkeypatch: pytest.MonkeyPatch, limit: int, kept: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert texts.most_kept() == kept
