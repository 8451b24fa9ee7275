"""Logs read from their end, across files, and followed while they are begun anew."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.model import observed
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.core.model.logs import LogGap, LogQuery, LogRecord
from ring.core.model.observed import State
from ring.engine.reading.backlog import Backlog
from ring.engine.reading.instances import Reading
from ring.engine.reading.logs import Wanted
from ring.runtimes.base import FellBehind, RuntimeFailure
from ring.runtimes.containerd.logkeeper.files import Limits, LogFile
from ring.runtimes.containerd.logkeeper.records import Records, Stamps
from ring.runtimes.containerd.logs import changes, reading
from ring.runtimes.containerd.logs.reading import read

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from ring.core.model.logs import LogLine

pytestmark = pytest.mark.anyio

ID = InstanceId("ns_web_1")
AT = datetime(2027, 3, 2, 8, 15, 4, 0, UTC)


class Instance:
    """Writes a log as the keeper does, a second later each time."""

    def __init__(self, directory: Path, max_bytes: int = 1 << 24, max_files: int = 3) -> None:
        self.directory = directory
        self.is_over = False
        self.asked = 0
        self._file = LogFile(Limits(str(directory), max_bytes, max_files), ID)
        self._streams = {name: Records(name.encode()) for name in ("stdout", "stderr")}
        self._stamps = Stamps()
        self.now = AT

    def writes(self, said: str, stream: str = "stdout") -> None:
        stamp = self._stamps.at(int(self.now.timestamp()) * 1_000_000_000)
        self._file.write(self._streams[stream].take(said.encode(), stamp), stamp)
        self._file.close()
        self.now += timedelta(seconds=1)

    def appends(self, said: str) -> None:
        """As a shim does, without a keeper."""
        with (self.directory / f"{ID}.log").open("a", encoding="utf-8") as log:
            log.write(said)

    def files(self) -> int:
        return len([*self.directory.iterdir()])

    async def over(self) -> bool:
        self.asked += 1
        return self.is_over

    def logs(
        self, instance_id: InstanceId, query: LogQuery
    ) -> AsyncGenerator[Sequence[LogLine], None]:
        return read(self.directory, instance_id, query, self.over)

    def lines(self, **query: object) -> AsyncGenerator[Sequence[LogLine], None]:
        asked = LogQuery(**query)  # type: ignore[arg-type]  # named by the tests
        return self.logs(ID, asked)

    async def read(self, **query: object) -> list[str]:
        return [line.message async for batch in self.lines(**query) for line in batch]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_ASK_S", 0.01)
    monkeypatch.setattr(reading, "_REST_S", 0.0)


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(tmp_path)


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


async def upto(lines: AsyncGenerator[Sequence[LogLine], None], last: str) -> list[str]:
    """What comes, until that has come."""
    found: list[str] = []
    async with asyncio.timeout(10):
        while last not in found:
            found += words(await anext(lines))
    return found


def words(lines: Iterable[LogLine]) -> list[str]:
    return [line.message for line in lines]


async def test_the_log_is_told_whole_and_in_batches(instance: Instance) -> None:
    instance.writes("".join(f"{number:06}\n" for number in range(20_000)))
    batches = [batch async for batch in instance.lines()]
    assert words(line for batch in batches for line in batch) == [f"{n:06}" for n in range(20_000)]
    assert all(0 < len(batch) < 1000 for batch in batches)


async def test_one_that_has_written_nothing(instance: Instance) -> None:
    assert await instance.read() == []
    assert await instance.read(tail=3) == []
    instance.is_over = True
    assert await instance.read(follow=True) == []


@pytest.mark.parametrize("count", [3, 30, 3000])
async def test_the_tail(tmp_path: Path, count: int) -> None:
    instance = Instance(tmp_path, max_bytes=count * 20, max_files=9)
    for number in range(count):
        instance.writes(f"{number:06}\n")
    assert instance.files() == 3
    every = [f"{number:06}" for number in range(count)]
    for tail in (0, 1, 2, count - 1, count, count + 1, 999_999_999):
        found = await instance.read(tail=tail)
        assert found == every[max(0, count - tail) :]


async def test_the_tail_counts_lines_and_not_records(instance: Instance) -> None:
    instance.writes("first\nsecond\n")
    for _ in range(200):
        instance.writes("piece ")
    instance.writes("end\n")
    instance.writes("\n" * 500)
    for number in range(2000):
        instance.writes(f"{number:06}\n" if number % 100 else "\n", "stderr")
    instance.writes("par")
    assert await instance.read(tail=1) == ["001999"]
    found = await instance.read(tail=1980 + 2)
    assert found[:2] == ["second", "piece " * 200 + "end"]
    assert len(found) == 1982


async def test_a_line_whose_beginning_is_far_is_shown_whole(instance: Instance) -> None:
    instance.writes("here it begins, ")
    for number in range(2000):
        instance.writes(f"{number:06}\n", "stderr")
    instance.writes("and here it ends\n")
    assert await instance.read(tail=1) == ["here it begins, and here it ends"]
    assert await instance.read(tail=2) == ["001999", "here it begins, and here it ends"]


async def test_since_includes_its_moment(tmp_path: Path) -> None:
    instance = Instance(tmp_path, max_bytes=20_000, max_files=9)
    for number in range(1000):
        instance.writes(f"{number:06}\n")
    for second in (0, 1, 400, 998, 999, 1000, 5000):
        found = await instance.read(since=AT + timedelta(seconds=second))
        assert found == [f"{number:06}" for number in range(second, 1000)]
    assert await instance.read(since=AT + timedelta(seconds=990), tail=2) == ["000998", "000999"]
    assert await instance.read(since=AT + timedelta(seconds=999), tail=5) == ["000999"]


async def test_a_line_that_began_before_since_is_older(instance: Instance) -> None:
    instance.writes("here it begins, ")
    for number in range(2000):
        instance.writes(f"{number:06}\n", "stderr")
    instance.writes("and here it ends\nnext\n")
    assert await instance.read(since=AT + timedelta(seconds=2000)) == ["001999", "next"]


async def test_what_has_no_end_is_told_when_it_is_over(instance: Instance) -> None:
    instance.writes("one\nPassword: ")
    assert await instance.read() == ["one"]
    instance.is_over = True
    assert await instance.read() == ["one", "Password: "]
    assert await instance.read(follow=True) == ["one", "Password: "]


async def test_what_has_no_end_is_one_of_the_last_lines(instance: Instance) -> None:
    instance.writes("one\ntwo\nPassword: ")
    instance.writes("Who? ", "stderr")
    every = ["one", "two"]
    for _ in range(2):
        for tail in range(6):
            assert await instance.read(tail=tail) == every[max(0, len(every) - tail) :]
        instance.is_over = True
        every += ["Password: ", "Who? "]


async def test_following_shows_what_comes(instance: Instance) -> None:
    instance.writes("one\n")
    async with contextlib.aclosing(instance.lines(follow=True)) as lines:
        assert await upto(lines, "one") == ["one"]
        for word in ("two", "three"):
            instance.writes(f"{word}\n")
            assert await upto(lines, word) == [word]
        instance.is_over = True
        instance.writes("last\n")
        async with asyncio.timeout(10):
            assert [line.message async for batch in lines for line in batch] == ["last"]


async def test_following_is_woken(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_ASK_S", 60.0)
    monkeypatch.setattr(changes, "POLL_S", 60.0)
    async with contextlib.aclosing(instance.lines(follow=True)) as lines:
        for word in ("one", "two"):
            waiting = asyncio.ensure_future(anext(lines))
            for _ in range(200):
                await asyncio.sleep(0)
            instance.writes(f"{word}\n")
            async with asyncio.timeout(10):
                assert words(await waiting) == [word]
    assert instance.asked == 0


async def test_following_where_there_is_no_inotify(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "POLL_S", 0.01)
    async with contextlib.aclosing(instance.lines(follow=True)) as lines:
        waiting = asyncio.ensure_future(anext(lines))
        with changes.shared() as shared:
            shared.close()
            monkeypatch.setattr(shared, "_fd", -1)
            instance.writes("one\n")
            async with asyncio.timeout(10):
                assert words(await waiting) == ["one"]
            instance.writes("two\n")
            assert await upto(lines, "two") == ["two"]


async def test_what_a_shim_wrote_is_read_whole_and_in_part(instance: Instance) -> None:
    every = [f"{number:06} said" for number in range(20_000)]
    instance.appends("".join(f"{line}\n\n" for line in every))
    assert await instance.read() == every
    for tail in (0, 1, 999, 20_000, 30_000):
        assert await instance.read(tail=tail) == every[max(0, 20_000 - tail) :]
    instance.appends("Password: ")
    assert await instance.read(tail=1) == every[-1:]
    instance.is_over = True
    assert await instance.read(tail=1) == ["Password: "]


async def test_what_has_no_time_may_be_young_enough(instance: Instance) -> None:
    instance.appends("one\ntwo\n")
    since = AT + timedelta(seconds=5)
    assert await instance.read(since=since) == ["one", "two"]
    assert await instance.read(since=since, tail=1) == ["two"]
    for number in range(20):
        instance.writes(f"{number:06}\n")
    instance.appends("three\n")
    assert (await instance.read(since=since))[-16:] == [f"{n:06}" for n in range(5, 20)] + ["three"]


async def test_following_what_a_shim_writes(instance: Instance) -> None:
    instance.appends("one\n")
    async with contextlib.aclosing(instance.lines(follow=True)) as lines:
        assert await upto(lines, "one") == ["one"]
        instance.appends("tw")
        instance.appends("o\nthr")
        assert await upto(lines, "two") == ["two"]
        instance.is_over = True
        instance.appends("ee")
        async with asyncio.timeout(10):
            assert [line.message async for batch in lines for line in batch] == ["three"]


async def test_following_goes_on_across_files(tmp_path: Path) -> None:
    instance = Instance(tmp_path, max_bytes=300, max_files=9)
    async with contextlib.aclosing(instance.lines(follow=True)) as lines:
        written = 0
        for step in (1, 5, 20, 30, 2, 40):
            expected = [f"{number:06}" for number in range(written, written + step)]
            for word in expected:
                instance.writes(f"{word}\n")
            written += step
            assert await upto(lines, expected[-1]) == expected


async def test_whoever_is_too_slow_is_told(tmp_path: Path) -> None:
    instance = Instance(tmp_path, max_bytes=300, max_files=3)
    instance.writes("one\n")
    async with contextlib.aclosing(instance.lines(follow=True)) as lines:
        assert await upto(lines, "one") == ["one"]
        for number in range(100):
            instance.writes(f"{number:06}\n")
        with pytest.raises(FellBehind):
            await upto(lines, "000099")
    assert (await instance.read())[-1] == "000099"


async def test_whoever_is_too_slow_reads_on_behind_one_gap(tmp_path: Path) -> None:
    instance = Instance(tmp_path, max_bytes=300_000, max_files=3)
    known = observed.Instance(ID, InstanceName("w"), DeploymentId("d"), "", State.RUNNING, AT)
    backlog = Backlog()
    following = Reading(instance, known, Wanted(), backlog)
    instance.writes("".join(f"{number:06}\n" for number in range(10_000)))
    following.begin(lambda: None)
    seen = [*await backlog.take()]
    for begin in range(10_000, 60_000, 1000):
        instance.writes("".join(f"{number:06}\n" for number in range(begin, begin + 1000)))
    async with asyncio.timeout(20):
        while not isinstance(last := seen[-1], LogRecord) or last.message != "059999":
            seen += await backlog.take()
    assert following.task is not None
    following.task.cancel()
    await asyncio.wait({following.task})

    gaps = [place for place, entry in enumerate(seen) if isinstance(entry, LogGap)]
    assert len(gaps) == 1
    numbers = [int(entry.message) for entry in seen if isinstance(entry, LogRecord)]
    before, after = numbers[: gaps[0]], numbers[gaps[0] :]
    assert before == [*range(len(before))]
    assert after == [*range(after[0], 60_000)]
    assert after[0] > len(before)


async def test_what_is_removed_has_ended(instance: Instance) -> None:
    instance.writes("one\n")
    async with contextlib.aclosing(instance.lines(follow=True)) as lines:
        assert await upto(lines, "one") == ["one"]
        (instance.directory / f"{ID}.log").unlink()
        instance.is_over = True
        async with asyncio.timeout(10):
            assert [line async for line in lines] == []


async def test_what_is_there_is_read_though_it_grows(instance: Instance) -> None:
    instance.writes("".join(f"{number:06}\n" for number in range(20_000)))
    found: list[str] = []
    async for batch in instance.lines():
        found += words(batch)
        instance.writes("more\n")
    assert found == [f"{number:06}" for number in range(20_000)]


async def test_leaving_leaves_nothing_open(instance: Instance) -> None:
    instance.writes("one\n")
    before = open_files()
    for _ in range(20):
        lines = instance.lines(follow=True)
        assert words(await anext(lines)) == ["one"]
        waiting = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        await lines.aclose()
    # A thread that was still reading closes what it had.
    await asyncio.get_running_loop().shutdown_default_executor()
    assert open_files() <= before


async def test_a_log_that_cannot_be_read(instance: Instance) -> None:
    (instance.directory / f"{ID}.log").symlink_to("/dev/null")
    with pytest.raises(RuntimeFailure, match="cannot read the logs of instance ns_web_1"):
        await instance.read()
