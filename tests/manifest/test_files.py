"""Files that people name: whatever stands at the path, the answer is there at once and bounded."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ring.manifest import Unreadable, files
from ring.manifest.errors import Mark


def refused(path: Path) -> str:
    with pytest.raises(Unreadable) as caught:
        files.read(path)
    return caught.value.message


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 100_000)
    assert files.read(path) == b"x" * 100_000


def test_what_is_no_file(tmp_path: Path) -> None:
    assert refused(tmp_path) == "is a directory"
    assert refused(tmp_path / "gone") == "no such file or directory"
    assert refused(tmp_path / "a\0b") == "no such file or directory"
    assert refused(tmp_path / ("n" * 300)) == "file name too long"


def test_a_pipe_that_nobody_writes_to_is_empty(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert files.read(pipe) == b""


def test_a_pipe_with_a_writer_is_read_to_its_end() -> None:
    reader, writer = os.pipe()
    written = b"y" * 300_000  # more than a pipe holds
    thread = threading.Thread(target=_write, args=(writer, written))
    thread.start()
    assert files.read(Path(f"/dev/fd/{reader}")) == written
    thread.join()
    os.close(reader)


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def test_no_more_is_read_than_a_manifest_has(tmp_path: Path) -> None:
    assert refused(Path("/dev/zero")) == "larger than 8 MiB"
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    assert refused(path) == "larger than 8 MiB"


def test_text() -> None:
    assert files.text("é\r\n".encode()) == "é\r\n"
    assert files.text(files.without_mark(b"\xef\xbb\xbfa")) == "a"
    for raw, mark in (
        (b"\xff", Mark(1, 1)),
        (b"a\nb\xc3\xa9\xc3", Mark(2, 3)),
        ("a".encode("utf-16"), Mark(1, 1)),
    ):
        with pytest.raises(Unreadable, match="not UTF-8 text") as caught:
            files.text(raw)
        assert caught.value.mark == mark
