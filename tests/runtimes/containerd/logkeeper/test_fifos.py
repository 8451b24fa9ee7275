from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from ring.runtimes.containerd.logkeeper.fifos import (
    LARGEST_BYTES,
    USUAL_BYTES,
    opened,
    size_bytes,
)

if TYPE_CHECKING:
    from pathlib import Path

USUAL_PAGES = 64 * 1024 * 1024 // os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("instances", "expected"),
    [(1, LARGEST_BYTES), (8, LARGEST_BYTES), (9, 512 << 10), (17, 256 << 10), (33, 128 << 10)],
)
def test_many_leave_room_for_what_programs_open(
    tmp_path: Path, instances: int, expected: int
) -> None:
    limit = tmp_path / "limit"
    limit.write_text(f"{USUAL_PAGES}\n")
    assert size_bytes(instances, str(limit)) == expected


def test_it_is_never_less_than_usual(tmp_path: Path) -> None:
    limit = tmp_path / "limit"
    for text in (f"{USUAL_PAGES}\n", "1\n"):
        limit.write_text(text)
        assert size_bytes(10_000, str(limit)) == USUAL_BYTES
    assert size_bytes(1, str(tmp_path / "none")) == USUAL_BYTES


def test_without_a_limit_all_are_large(tmp_path: Path) -> None:
    limit = tmp_path / "limit"
    limit.write_text("0\n")
    assert size_bytes(10_000, str(limit)) == LARGEST_BYTES


def test_one_that_is_opened_again_takes_the_size_of_then(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    fds = [opened(str(path), size) for size in (LARGEST_BYTES, USUAL_BYTES)]
    try:
        assert fcntl.fcntl(fds[0], fcntl.F_GETPIPE_SZ) == USUAL_BYTES
    finally:
        for fd in fds:
            os.close(fd)


def test_what_is_no_fifo_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="is no FIFO"):
        opened(str(tmp_path / "file"), USUAL_BYTES)
