"""An instance's FIFOs, read into its log; the test is the shim."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from ring.runtimes.containerd.logkeeper import instances
from ring.runtimes.containerd.logkeeper.fifos import LARGEST_BYTES
from ring.runtimes.containerd.logkeeper.files import Limits
from ring.runtimes.containerd.logkeeper.hub import Hub
from ring.runtimes.containerd.logkeeper.instances import READ_BYTES, Instance
from ring.runtimes.containerd.logkeeper.records import HEAD_BYTES
from tests.runtimes.containerd.logkeeper.disks import full_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OUT, OUT_PIECE, ERR = "stdout F ", "stdout P ", "stderr F "


class Box:
    """One instance, and its writers."""

    def __init__(self, root: Path, hub: Hub, name: str = "id") -> None:
        self.hub = hub
        self.directory = root / "run" / name
        self.directory.mkdir(parents=True)
        for stream in ("stdout", "stderr"):
            os.mkfifo(self.directory / stream)
        self.log = root / "log" / f"{name}.log"
        self.limits = Limits(str(root / "log"), 1 << 24, 5)
        self.instance = self.keeper()

    def keeper(self) -> Instance:
        return Instance(str(self.directory), self.limits, self.hub, lambda: LARGEST_BYTES)

    def writer(self, stream: str = "stdout") -> int:
        """As a shim has it: it reads as well, so that it never fails for want of a reader."""
        return os.open(self.directory / stream, os.O_RDWR | os.O_NONBLOCK)

    def read(self) -> None:
        """All that is there."""
        while self.hub.wait(0):
            pass

    def kept(self) -> list[str]:
        """The log's records without their times."""
        lines = self.log.read_bytes().splitlines() if self.log.exists() else []
        return [line[HEAD_BYTES - len(OUT) :].decode() for line in lines]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path, Hub())
    yield made
    made.instance.close()


def fill(fd: int) -> int:
    """Writes until it would block: how many bytes."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            count += os.write(fd, b"x" * 63 + b"\n")
    return count


def test_both_streams_are_kept(box: Box) -> None:
    box.instance.open()
    out, err = box.writer(), box.writer("stderr")
    os.write(out, b"one\ntwo\npar")
    box.read()
    os.write(err, b"what\n")
    box.read()
    os.write(out, b"tial\n")
    box.read()
    kept = [f"{OUT}one", f"{OUT}two", f"{OUT_PIECE}par", f"{ERR}what", f"{OUT}tial"]
    assert box.kept() == kept
    os.close(out)
    os.close(err)


def test_it_is_drained_when_its_writers_have_left(box: Box) -> None:
    box.instance.open()
    out, err = box.writer(), box.writer("stderr")
    os.write(out, b"last words")
    os.close(out)
    box.read()
    assert not box.instance.is_drained()
    os.close(err)
    assert box.instance.is_drained()
    box.read()
    assert box.instance.is_drained()
    assert box.kept() == [f"{OUT_PIECE}last words", OUT]


def test_one_that_nobody_has_written_to_waits_for_its_writer(box: Box) -> None:
    box.instance.open()
    box.read()
    assert box.instance.is_drained()
    assert not box.instance.has_writer()
    # As the shim comes: this fails where nobody reads.
    os.close(os.open(box.directory / "stdout", os.O_WRONLY | os.O_NONBLOCK))
    box.instance.open()
    out = box.writer()
    assert not box.instance.is_drained()
    assert box.instance.has_writer()
    os.close(out)
    assert not box.instance.has_writer()


def test_there_is_a_reader_whenever_a_writer_comes(box: Box) -> None:
    """A start that was given up has its writers, and the next start is on its way already."""
    box.instance.open()
    for _ in range(3):
        for stream in ("stdout", "stderr"):
            os.close(box.writer(stream))
        box.read()
        assert not box.hub.wait(0)
        for stream in ("stdout", "stderr"):
            os.close(os.open(box.directory / stream, os.O_WRONLY | os.O_NONBLOCK))
    box.read()
    assert box.instance.is_drained()
    assert not box.instance.has_writer()


def test_one_that_is_removed_is_left(box: Box) -> None:
    box.instance.open()
    out, err = box.writer(), box.writer("stderr")
    os.write(out, b"last words")
    shutil.rmtree(box.directory)
    os.close(out)
    os.close(err)
    box.read()
    assert not box.hub.wait(0)
    assert box.kept() == [f"{OUT_PIECE}last words", OUT]


def test_it_may_run_again(box: Box) -> None:
    for word in ("one", "two"):
        box.instance.open()
        out, err = box.writer(), box.writer("stderr")
        # Only now is it seen that the writers before have left.
        box.read()
        os.write(out, word.encode() + b"\n")
        os.close(out)
        os.close(err)
    box.read()
    assert box.instance.is_drained()
    assert box.kept() == [f"{OUT}one", f"{OUT}two"]


def test_another_keeper_goes_on_within_a_line(box: Box) -> None:
    box.instance.open()
    out = box.writer()
    os.write(out, b"par")
    box.read()
    box.instance.close()
    os.write(out, b"tial\nnext")

    box.instance = box.keeper()
    box.instance.open()
    box.read()
    assert box.kept() == [f"{OUT_PIECE}par", f"{OUT}tial", f"{OUT_PIECE}next"]
    os.close(out)
    box.read()
    assert box.kept()[-1] == OUT


def test_another_keeper_ends_a_line_whose_writer_has_left(box: Box) -> None:
    box.instance.open()
    out = box.writer()
    os.write(out, b"par")
    box.read()
    box.instance.close()
    os.close(out)

    box.instance = box.keeper()
    box.instance.open()
    assert box.kept() == [f"{OUT_PIECE}par", OUT]


def test_a_loud_one_does_not_keep_others_waiting(tmp_path: Path) -> None:
    hub = Hub()
    loud, quiet = Box(tmp_path, hub, "loud"), Box(tmp_path, hub, "quiet")
    for each in (loud, quiet):
        each.instance.open()
    shouting, speaking = loud.writer(), quiet.writer()
    assert fill(shouting) > READ_BYTES
    os.write(speaking, b"here\n")
    hub.wait(0)
    assert quiet.kept() == [f"{OUT}here"]
    assert 0 < len(loud.kept()) <= READ_BYTES // 64
    for each in (loud, quiet):
        each.instance.close()
    os.close(shouting)
    os.close(speaking)


def test_what_is_no_fifo_is_refused(box: Box) -> None:
    (box.directory / "stderr").unlink()
    (box.directory / "stderr").touch()
    with pytest.raises(OSError, match="is no FIFO"):
        box.instance.open()


def test_a_full_disk_keeps_the_writer_waiting(box: Box) -> None:
    box.instance.open()
    out = box.writer()
    with full_at(0):
        os.write(out, b"one\n")
        box.read()
        written = fill(out)
        assert written > 0
        box.read()
        assert fill(out) == 0
        assert box.instance.retry_at
        assert box.instance.has_writer()
    box.instance.retry()
    assert not box.instance.retry_at
    box.read()
    assert len(box.kept()) == 1 + written // 64
    os.close(out)


def test_a_disk_that_stays_full_loses_lines_and_says_so(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "PATIENCE_S", 0.0)
    box.instance.open()
    out = box.writer()
    with full_at(0):
        os.write(out, b"one\ntwo\n")
        box.read()
        box.instance.retry()
        os.write(out, b"three\n")
        box.read()
        assert box.kept() == []
    box.instance.retry()
    os.write(out, b"four\n")
    box.read()
    assert box.kept() == [
        f"{ERR}3 lines were lost: the log could not be written: File too large",
        f"{OUT}four",
    ]
    os.close(out)
