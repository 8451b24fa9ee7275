"""A log on disk: how it is begun anew, and what a full disk leaves of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.runtimes.containerd.logkeeper.files import Limits, LogFile
from tests.runtimes.containerd.logkeeper.disks import full_at

if TYPE_CHECKING:
    from pathlib import Path

STAMP = b"2027-03-02T08:15:04.120934567Z "
HEAD = STAMP + b"stdout F "


def record(text: str) -> bytes:
    return HEAD + text.encode() + b"\n"


def texts(path: Path) -> list[str]:
    assert path.read_bytes().endswith(b"\n")
    return [line[len(HEAD) :].decode() for line in path.read_bytes().splitlines()]


def test_the_directory_is_made_and_nobody_else_reads_in_it(tmp_path: Path) -> None:
    file = LogFile(Limits(str(tmp_path / "a" / "b"), 4096, 3), "id")
    file.write(record("one"), STAMP)
    file.write(record("two"), STAMP)
    file.close()
    path = tmp_path / "a" / "b" / "id.log"
    assert texts(path) == ["one", "two"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("at_once", [True, False])
def test_a_file_never_grows_past_its_limit(tmp_path: Path, *, at_once: bool) -> None:
    limit = 3 * len(record("00"))
    file = LogFile(Limits(str(tmp_path), limit, 3), "id")
    records = [record(f"{number:02}") for number in range(20)]
    for written in [b"".join(records)] if at_once else records:
        file.write(written, STAMP)
    file.close()
    assert texts(tmp_path / "id.log") == ["18", "19"]
    assert texts(tmp_path / "id.log.1") == ["15", "16", "17"]
    assert texts(tmp_path / "id.log.2") == ["12", "13", "14"]
    assert len([*tmp_path.iterdir()]) == 3


def test_a_record_is_in_one_file_however_long(tmp_path: Path) -> None:
    file = LogFile(Limits(str(tmp_path), 100, 5), "id")
    long = "x" * 1000
    file.write(record("a") + record(long) + record("b"), STAMP)
    file.close()
    found = [texts(tmp_path / f"id.log{number}") for number in ("", ".1", ".2")]
    assert found == [["b"], [long], ["a"]]


def test_one_file_is_enough(tmp_path: Path) -> None:
    file = LogFile(Limits(str(tmp_path), len(record("0")), 1), "id")
    for number in range(3):
        file.write(record(str(number)), STAMP)
    file.close()
    assert [path.name for path in tmp_path.iterdir()] == ["id.log"]
    assert texts(tmp_path / "id.log") == ["2"]


def test_fewer_files_than_before(tmp_path: Path) -> None:
    limits = Limits(str(tmp_path), len(record("0")), 5)
    file = LogFile(limits, "id")
    for number in range(5):
        file.write(record(str(number)), STAMP)
    limits.max_files = 2
    file.write(record("5"), STAMP)
    file.close()
    assert {path.name for path in tmp_path.iterdir()} == {"id.log", "id.log.1"}
    assert texts(tmp_path / "id.log.1") == ["4"]


def test_a_record_that_a_killed_keeper_began_is_ended(tmp_path: Path) -> None:
    for end in range(1, len(record("said"))):
        (tmp_path / "id.log").write_bytes(record("one") + record("said")[:end])
        file = LogFile(Limits(str(tmp_path), 4096, 3), "id")
        file.write(record("two"), STAMP)
        file.close()
        first, torn, last = texts(tmp_path / "id.log")
        assert (first, last) == ("one", "two")
        assert "said".startswith(torn)


def test_a_new_one_is_handed_over(tmp_path: Path) -> None:
    LogFile(Limits(str(tmp_path / "logs"), 4096, 3), "id").hand_over(STAMP)
    path = tmp_path / "logs" / "id.log"
    assert path.read_bytes() == b""
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("limit", [4096, 1])
def test_one_that_is_handed_over_has_no_line_without_an_end(tmp_path: Path, limit: int) -> None:
    said = HEAD.replace(b"F", b"P") + b"par\n"
    torn = b"2027-03-02T08:15:04.120934567Z stderr P wha"
    (tmp_path / "id.log").write_bytes(said + torn)
    LogFile(Limits(str(tmp_path), limit, 3), "id").hand_over(STAMP)
    files = (tmp_path / name for name in ("id.log.2", "id.log.1", "id.log"))
    found = b"".join(path.read_bytes() for path in files if path.exists())
    assert found == said + torn + b"\n" + STAMP + b"stderr F \n" + STAMP + b"stdout F \n"


def test_what_is_handed_over_twice_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "id.log").write_bytes(b"one\nPassword: ")
    for _ in range(2):
        LogFile(Limits(str(tmp_path), 1, 3), "id").hand_over(STAMP)
    assert (tmp_path / "id.log").read_bytes() == b"one\nPassword: \n"
    assert len([*tmp_path.iterdir()]) == 1


def test_what_does_not_fit_is_written_later(tmp_path: Path) -> None:
    file = LogFile(Limits(str(tmp_path), 1 << 20, 3), "id")
    file.write(record("one"), STAMP)
    for more in (0, 10, len(HEAD), len(HEAD) + 3):
        with full_at(len(record("one")) + more), pytest.raises(OSError, match="large"):
            file.write(record("lost?"), STAMP)
        was_behind = file.is_behind
        file.flush(STAMP)
        assert (was_behind, file.is_behind) == (True, False)
        file.close()
        assert texts(tmp_path / "id.log") == ["one", "lost?"]
        (tmp_path / "id.log").write_bytes(record("one"))


def test_what_is_given_up_leaves_whole_records(tmp_path: Path) -> None:
    file = LogFile(Limits(str(tmp_path), 1 << 20, 3), "id")
    with full_at(len(record("one")) + 10):
        with pytest.raises(OSError, match="large"):
            file.write(record("one") + record("two") + record("three"), STAMP)
        assert file.drop() == 2
    file.write(record("four"), STAMP)
    file.close()
    assert texts(tmp_path / "id.log") == ["one", "", "four"]
