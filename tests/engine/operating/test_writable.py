"""Who an instance is to this machine, and what that lets it write to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ring.engine.journal import Journal
from ring.engine.operating.writable import Binds, Who, who
from tests.engine.bench import Bench, at_once

if TYPE_CHECKING:
    from pathlib import Path

MAPPED = ((0, 1001, 1), (1, 100000, 65536))
VOLUME = {"type": "volume", "source": "v", "destination": "/v"}
FILE, FOLDER = 0o100000, 0o040000
ROOT = Who(1001, 1001, frozenset(), overrides=True, uids=MAPPED, gids=MAPPED)
USER = Who(100999, 100999, frozenset({100049}), overrides=False, uids=MAPPED, gids=MAPPED)


def path(kind: int, mode: int, uid: int, gid: int) -> os.stat_result:
    return os.stat_result((kind | mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("one", "mode", "owner", "may"),
    [
        (USER, 0o700, (100999, 0), True),
        (USER, 0o077, (100999, 0), False),
        (USER, 0o070, (0, 100999), True),
        (USER, 0o070, (0, 100049), True),
        (USER, 0o707, (0, 100049), False),
        (USER, 0o770, (1000, 1000), False),
        (USER, 0o777, (1000, 1000), True),
        (USER, 0o200, (100999, 0), False),  # nothing is made where nobody may go
        (ROOT, 0o000, (1001, 1001), True),
        (ROOT, 0o000, (100999, 100999), True),
        (ROOT, 0o700, (0, 0), False),  # outside its range it is nobody
        (ROOT, 0o770, (1001, 0), True),
        (ROOT, 0o500, (1001, 0), False),
    ],
)
def test_what_it_may_write_to(one: Who, mode: int, owner: tuple[int, int], may: bool) -> None:
    assert one.may_write(path(FOLDER, mode, *owner)) is may


def test_a_file_needs_no_more_than_to_be_written() -> None:
    assert USER.may_write(path(FILE, 0o200, 100999, 0))
    assert not USER.may_write(path(FILE, 0o500, 100999, 0))


def kept(proc: Path, name: bytes) -> None:
    """Process 7 of that name, as the kernel tells of it."""
    folder = proc / "7"
    folder.mkdir()
    (folder / "status").write_bytes(
        b"Name:\t" + name + b"\nUid:\t1\t100999\t3\t4\nGid:\t5\t100049\t7\t8\n"
        b"Groups:\t100049 1001 \nCapEff:\t0000000000000002\n"
    )
    for each in ("uid_map", "gid_map"):
        (folder / each).write_text(
            "         0       1001          1\n         1     100000  65536\n"
        )


@pytest.mark.parametrize("name", [b"sh: a", b"gr\xfcn", b"\xff\xfe", b"a\rUid:\t0\t0"])
def test_what_the_kernel_tells(tmp_path: Path, name: bytes) -> None:
    kept(tmp_path, name)
    assert who(7, tmp_path) == Who(
        100999, 100049, frozenset({100049, 1001}), overrides=True, uids=MAPPED, gids=MAPPED
    )
    assert who(8, tmp_path) is None


def test_this_process_is_who_it_is() -> None:
    one = who(os.getpid())
    assert one is not None
    assert (one.uid, one.gid) == (os.geteuid(), os.getegid())


@pytest.mark.parametrize(
    ("permission", "mode", "count"), [("rw", 0o755, 1), ("rw", 0o777, 0), ("ro", 0o755, 0)]
)
def test_it_is_told_once_for_a_row(tmp_path: Path, permission: str, mode: int, count: int) -> None:
    tmp_path.chmod(mode)
    bind = {
        "type": "bind",
        "source": f"{tmp_path}",
        "destination": "/data",
        "permission": permission,
    }
    bench = Bench()

    async def main() -> None:
        journal = Journal(bench.store)
        binds = Binds(journal, lambda _: USER, at_once)
        row = await bench.accept(volumes=[bind, VOLUME, {**bind, "source": "/no/such/place"}])
        for _ in range(2):
            await binds.look(row, bench.runtime, bench.running(bench.order(row, bench.name())))
        await journal.flush()
        told = bench.messages(row, "bind_not_writable")
        assert len(told) == count
        for message in told:
            assert "to this host the instances are 100999:100999" in message
            assert f"`sudo chown 100999:100999 {tmp_path}`" in message

    bench.run(main())


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (b"it's meant", "'{}/it'\"'\"'s meant'"),
        ("gr\u00fcn".encode(), "'{}/gr\u00fcn'"),
        (b"it's gr\xfcn", r"$'{}/it\x27s gr\xfcn'"),
        (b"\x1b[2J\\n\n", r"$'{}/\x1b[2J\x5cn\x0a'"),
    ],
)
def test_what_is_to_be_changed_is_named_itself(tmp_path: Path, name: bytes, written: str) -> None:
    """Whoever may write beside it may have made the link, and called it anything."""
    (meant := tmp_path / os.fsdecode(name)).mkdir(mode=0o755)
    (link := tmp_path / "link").symlink_to(meant)
    bench = Bench()

    async def main() -> None:
        journal = Journal(bench.store)
        binds = Binds(journal, lambda _: USER, at_once)
        row = await bench.accept(
            volumes=[{"type": "bind", "source": f"{link}", "destination": "/data"}]
        )
        await binds.look(row, bench.runtime, bench.running(bench.order(row, bench.name())))
        await journal.flush()
        (message,) = bench.messages(row, "bind_not_writable")
        assert message.startswith(f"'{link}' cannot be written to at /data")
        assert f"`sudo chown 100999:100999 {written.format(tmp_path)}`" in message

    bench.run(main())


def test_who_has_ended_is_looked_at_another_time(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    bench = Bench()
    found: list[Who | None] = [USER, None]

    async def main() -> None:
        journal = Journal(bench.store)
        binds = Binds(journal, lambda _: found.pop(), at_once)
        bind = {"type": "bind", "source": f"{tmp_path}", "destination": "/data"}
        row = await bench.accept(volumes=[bind])
        for count in (0, 1):
            await binds.look(row, bench.runtime, bench.running(bench.order(row, bench.name())))
            await journal.flush()
            assert len(bench.messages(row, "bind_not_writable")) == count

    bench.run(main())
