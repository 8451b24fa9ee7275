"""A deployment's logs: which instances, in which order, until when; and a reader that is slow."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from ring.core.errors import NotFound
from ring.core.logs import records
from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceName
from ring.core.model.logs import LogGap, LogLevel, LogRecord
from ring.core.model.status import Status
from ring.core.plan.view import Plan
from ring.engine.reading.backlog import Backlog
from ring.engine.reading.logs import Logs, Wanted
from ring.engine.reading.places import Crowded, Room
from ring.runtimes.base import RuntimeFailure, Unavailable
from ring.runtimes.fake import FakeRuntime
from tests.engine.bench import Bench
from tests.engine.plant import Plant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from ring.core.model.deployment import Deployment
    from ring.core.model.observed import Instance
    from ring.engine.reading.logs import Follower
    from ring.runtimes.base import Runtime


class Scene:
    """A running server with one deployment, and a reader of its logs."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.plant = Plant(self.bench)

    def run(self, main: Coroutine[None, None, None]) -> None:
        self.bench.run(main)

    async def begin(self, **members: object) -> Deployment:
        await self.plant.start()
        row = await self.plant.apply(**members)  # type: ignore[arg-type]  # named by the tests
        await self.bench.wait(1)
        return row

    def instances(self, row: Deployment) -> tuple[Instance, ...]:
        return self.plant.engine.instances(row.id)

    def write(self, instance: Instance, *texts: str) -> None:
        for text in texts:
            self.bench.engine.write(instance.id, text)

    async def read(self, row: Deployment, **wanted: object) -> list[tuple[str, str]]:
        asked = Wanted(**wanted)  # type: ignore[arg-type]  # named by the tests
        records = self.plant.engine.logs.read(self.bench.now(row), asked)
        return [(record.instance, record.message) async for batch in records for record in batch]

    @contextlib.asynccontextmanager
    async def following(self, row: Deployment, **wanted: object) -> AsyncIterator[Reader]:
        asked = Wanted(**wanted)  # type: ignore[arg-type]  # named by the tests
        async with self.plant.engine.logs.follow(self.bench.now(row), asked) as follower:
            reader = Reader(self.bench, follower)
            await self.bench.idle()
            yield reader


class Reader:
    def __init__(self, bench: Bench, follower: Follower) -> None:
        self._bench = bench
        self._follower = follower

    async def messages(self) -> list[str]:
        """What has come by now, and no gap."""
        entries = await self.entries()
        records = [entry for entry in entries if isinstance(entry, LogRecord)]
        assert len(records) == len(entries)
        return [record.message for record in records]

    async def entries(self) -> list[LogRecord | LogGap]:
        await self._bench.idle()
        try:
            async with asyncio.timeout(0.001):
                return [*await self._follower.batch()]
        except TimeoutError:
            return []

    async def is_over(self, within_s: float = 10.0) -> bool:
        async with asyncio.timeout(within_s):
            return not await self._follower.batch()


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_instance_after_instance_in_the_order_they_were_made(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin(replicas=2)
        first, second = scene.instances(row)
        scene.write(first, "a1\n")
        scene.write(second, "b1\n", "b2\nb3\n")
        scene.write(second, "b4\n")
        a, b = first.name, second.name
        assert await scene.read(row) == [(a, "a1"), (b, "b1"), (b, "b2"), (b, "b3"), (b, "b4")]
        assert await scene.read(row, tail=1) == [(a, "a1"), (b, "b4")]
        assert await scene.read(row, container=first.id[:60] + "zzzz") == []
        assert await scene.read(row, container=first.id) == [(a, "a1")]
        assert await scene.read(row, container=a[-8:]) == [(a, "a1")]
        since = scene.bench.engine.containers[second.id].lines[2].at
        assert await scene.read(row, since=since) == [(b, "b3"), (b, "b4")]

    scene.run(main())


def test_what_has_ended_is_read_too(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin()
        (only,) = scene.instances(row)
        scene.write(only, "INFO: done\n")
        scene.bench.held.hold("remove")
        scene.bench.engine.exit(only.id, 0)
        await scene.bench.wait(1)
        assert scene.instances(row) == ()
        ((record,),) = [one async for one in scene.plant.engine.logs.read(row, Wanted())]
        assert (record.message, record.level, record.stream) == (
            "INFO: done",
            LogLevel.INFO,
            "stdout",
        )

    scene.run(main())


def test_a_runtime_that_is_away_is_no_silence(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin()
        scene.bench.engine.go_away()
        with pytest.raises(Unavailable):
            await scene.read(row)
        await scene.bench.wait(5)
        with pytest.raises(Unavailable, match="cannot be asked for logs"):
            await scene.read(row)

    scene.run(main())


def test_a_runtime_that_is_not_there(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin()
        stranger = replace(row, spec=row.spec.model_copy(update={"runtime": "podman"}))
        with pytest.raises(NotFound, match="podman"):
            scene.plant.engine.logs.read(stranger, Wanted())

    scene.run(main())


class Silent:
    """A runtime of which only this is asked: whether it has logs."""


def test_a_runtime_that_keeps_none(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin()
        runtimes = {"docker": cast("Runtime", Silent())}
        logs = Logs(scene.bench.store, runtimes, scene.plant.engine.observers)
        with pytest.raises(NotFound, match="keeps no logs"):
            logs.follow(row, Wanted())

    scene.run(main())


def test_following_mixes_instances_and_goes_on(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin(replicas=2)
        first, second = scene.instances(row)
        scene.write(first, "a1\n", "a2\n")
        async with scene.following(row, tail=1) as reader:
            assert await reader.messages() == ["a2"]
            scene.write(second, "b1\n")
            scene.write(first, "a3\n")
            assert sorted(await reader.messages()) == ["a3", "b1"]
            await scene.bench.wait(60)
            assert await reader.messages() == []

    scene.run(main())


def test_instances_made_later_join_with_their_first_line(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin()
        (first,) = scene.instances(row)
        async with scene.following(row, tail=0) as reader:
            scene.bench.engine.exit(first.id, 1)
            await scene.bench.idle()
            await scene.bench.wait(0.2)
            (successor,) = scene.instances(row)
            assert successor.id != first.id
            scene.write(successor, "hello\n", "again\n")
            assert await reader.messages() == ["hello", "again"]

    scene.run(main())


def test_the_filter_holds_for_those_made_later(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin()
        (first,) = scene.instances(row)
        async with scene.following(row, container=first.name) as reader:
            scene.write(first, "a\n")
            assert await reader.messages() == ["a"]
            scene.bench.engine.exit(first.id, 1)
            await scene.bench.wait(1)
            scene.write(scene.instances(row)[0], "b\n")
            assert await reader.messages() == []

    scene.run(main())


def test_following_ends_when_the_row_is_purged(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin(replicas=2)
        first, _ = scene.instances(row)
        async with scene.following(row) as reader:
            await scene.plant.delete(row)
            await scene.bench.wait(30)
            assert scene.bench.store.deployment(row.id) is None
            assert await reader.is_over()
        assert scene.bench.engine.readers == set()
        assert first.id not in scene.bench.engine.containers

    scene.run(main())


def test_following_ends_with_a_finished_deployment(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin()
        (only,) = scene.instances(row)
        async with scene.following(row) as reader:
            scene.write(only, "last words\n")
            scene.bench.engine.exit(only.id, 0)
            assert await reader.messages() == ["last words"]
            assert await reader.is_over()
        assert scene.bench.now(row).status is Status.COMPLETED
        async with scene.following(row) as reader:
            assert await reader.messages() == ["last words"]
            assert await reader.is_over()

    scene.run(main())


# instances that are gone


def test_what_an_instance_wrote_before_it_ended_stays_readable(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin(replicas=2)
        first, second = scene.instances(row)
        scene.write(second, "still here\n")
        scene.write(first, "one\n", "two\n", "three\n")
        since = scene.bench.engine.containers[first.id].lines[1].at
        scene.bench.engine.exit(first.id, 3)
        await scene.bench.wait(1)
        assert first.id not in scene.bench.engine.containers
        a, b = first.name, second.name
        gone = [(a, "one"), (a, "two"), (a, "three")]
        assert await scene.read(row) == [*gone, (b, "still here")]
        assert await scene.read(row, tail=1) == [(a, "three"), (b, "still here")]
        assert (await scene.read(row, since=since))[:2] == gone[1:]
        assert await scene.read(row, container=first.id[:20]) == gone
        assert await scene.read(row, container=b) == [(b, "still here")]
        async with scene.following(row) as reader:
            assert (await reader.messages())[:3] == ["one", "two", "three"]

    scene.run(main())


def test_whoever_follows_sees_the_end_once(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin()
        (only,) = scene.instances(row)
        async with scene.following(row) as reader:
            scene.write(only, "going down\n")
            assert await reader.messages() == ["going down"]
            scene.bench.engine.exit(only.id, 3)
            await scene.bench.wait(3)
            (again,) = scene.instances(row)
            scene.write(again, "up again\n")
            assert await reader.messages() == ["up again"]

    scene.run(main())


def test_what_ring_ends_itself_is_shown_first(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin(replicas=2)
        older, younger = scene.instances(row)
        scene.write(older, "stays\n")
        scene.write(younger, "goes\n")
        await scene.plant.apply(replicas=1, if_changed=True)
        await scene.bench.wait(1)
        assert scene.instances(row) == (older,)
        assert await scene.read(row) == [(younger.name, "goes"), (older.name, "stays")]

    scene.run(main())


def test_what_goes_while_others_are_read_is_told_by_its_last_words(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin(replicas=2)
        older, younger = scene.instances(row)
        scene.write(older, "stays\n")
        scene.write(younger, "goes\n", "bye\n")
        records = scene.plant.engine.logs.read(scene.bench.now(row), Wanted(tail=1))
        assert [one.message for one in await anext(records)] == ["stays"]
        await scene.plant.apply(replicas=1, if_changed=True)
        await scene.bench.wait(1)
        assert scene.instances(row) == (older,)
        rest = [(one.instance, one.message) async for batch in records for one in batch]
        assert rest == [(younger.name, "bye")]

    scene.run(main())


def test_a_new_version_tells_why_the_old_one_went(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin()
        (old,) = scene.instances(row)
        scene.write(old, "served\n", "bye\n")
        successor = await scene.plant.apply(environment={"VERSION": "2"})
        await scene.bench.wait(30)
        assert scene.bench.store.deployment(row.id) is None
        (new,) = scene.instances(successor)
        scene.write(new, "hello\n")
        told = [(old.name, "served"), (old.name, "bye"), (new.name, "hello")]
        assert await scene.read(successor) == told
        assert await scene.read(successor, tail=1) == told[1:]
        assert await scene.read(successor, container=old.name) == told[:2]
        async with scene.following(successor, tail=1) as reader:
            assert await reader.messages() == ["bye", "hello"]

    scene.run(main())


def test_an_instance_that_is_started_again_is_read_on(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin(replicas=2)
        only, _ = scene.instances(row)
        async with scene.following(row, container=only.name) as reader:
            scene.write(only, "one\n")
            assert await reader.messages() == ["one"]
            scene.bench.held.holds_events = True
            scene.bench.engine.exit(only.id, 0)
            await scene.bench.idle()
            scene.bench.engine.start(only.id)
            scene.write(only, "two\n")
            await scene.bench.wait(1)
            assert await reader.messages() == ["two"]

    scene.run(main())


def test_an_engine_that_breaks_off_repeats_and_loses_nothing(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin()
        (only,) = scene.instances(row)
        async with scene.following(row) as reader:
            scene.write(only, "one\n", "one\n")
            assert await reader.messages() == ["one", "one"]
            scene.bench.engine.go_away()
            scene.write(only, "one\n", "two\n")
            await scene.bench.wait(10)
            assert await reader.messages() == []
            scene.bench.engine.come_back()
            await scene.bench.wait(10)
            assert await reader.messages() == ["one", "two"]

    scene.run(main())


def test_lines_that_are_kept_no_more_are_told_to_be_missing(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin()
        (only,) = scene.instances(row)
        async with scene.following(row) as reader:
            scene.write(only, "one\n")
            assert await reader.messages() == ["one"]
            scene.bench.engine.go_away()
            await scene.bench.wait(10)
            scene.write(only, "two\n", "three\n")
            kept = scene.bench.engine.containers[only.id].lines
            first, _, third = kept
            del kept[:2]
            scene.bench.engine.come_back()
            await scene.bench.wait(10)
            assert await reader.entries() == [
                LogGap(only.name, "stdout", first.at, third.at),  # type: ignore[arg-type]  # the fake tells them
                *records(only.name, [third]),
            ]

    scene.run(main())


def test_an_engine_that_refuses_is_asked_once(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        row = await scene.begin()
        refusal = RuntimeFailure(FailureClass.OTHER, "the log driver does not support reading")
        scene.bench.engine.refusals["logs"] = refusal
        with pytest.raises(RuntimeFailure, match="does not support reading"):
            await scene.read(row)
        async with scene.following(row) as reader:
            await scene.bench.wait(30)
            assert await reader.messages() == []

    scene.run(main())
    told = [one for one in caplog.messages if "does not support reading" in one]
    assert [one.partition(":")[0] for one in told] == [
        "cannot read logs",
        "cannot follow the logs of media_web_00000001",
    ]


def test_a_runtime_that_is_not_known_yet_is_waited_for(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin()
        (only,) = scene.instances(row)
        scene.write(only, "one\n", "two\n")
        scene.bench.engine.go_away()
        restarted = Plant(scene.bench)
        await restarted.start()
        async with restarted.engine.logs.follow(row, Wanted(tail=1)) as follower:
            reader = Reader(scene.bench, follower)
            assert await reader.messages() == []
            scene.bench.engine.come_back()
            await scene.bench.wait(10)
            assert await reader.messages() == ["two"]

    scene.run(main())


def test_leaving_ends_every_reading_at_once(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin(replicas=3)
        async with scene.following(row):
            assert len(scene.bench.engine.readers) == 3
        assert scene.bench.engine.readers == set()
        assert scene.plant.engine.observers["docker"]._watchers == {}

    scene.run(main())


def test_a_defect_reaches_the_reader(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        row = await scene.begin()

        def broken(*_: object) -> None:
            raise ValueError("lost")

        monkeypatch.setattr(FakeRuntime, "logs", broken)
        async with scene.plant.engine.logs.follow(row, Wanted()) as follower:
            with pytest.raises(ValueError, match="lost"):
                await follower.batch()

    scene.run(main())


def test_a_slow_reader_is_waited_for_and_delays_nobody(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin()
        (only,) = scene.instances(row)
        for number in range(1000):
            scene.write(only, f"{number:04d} {'x' * 1000}\n")
        async with scene.following(row) as slow, scene.following(row) as quick:
            await scene.bench.wait(1)
            held = slow._follower._backlog._size
            assert held < 300_000
            seen = [message for _ in range(6) for message in await quick.messages()]
            assert [int(message[:4]) for message in seen] == list(range(1000))
            assert slow._follower._backlog._size == held
            late = [message for _ in range(6) for message in await slow.messages()]
            assert late == seen

    scene.run(main())


@pytest.mark.parametrize("length", [10, 1000])
def test_many_lines_at_once_leave_turns_to_everybody_else(scene: Scene, length: int) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def main() -> None:
        row = await scene.begin()
        (only,) = scene.instances(row)
        scene.write(only, *("x" * length + "\n" for _ in range(2000)))
        counting = scene.bench.spawn(count())
        assert len(await scene.read(row)) == 2000
        counting.cancel()
        read_characters = 2000 * (length + 256)
        assert turns >= read_characters // (80 * 1024)

    scene.run(main())


def said(entry: LogRecord | LogGap) -> str:
    assert isinstance(entry, LogRecord)
    return entry.message


def _record(message: str) -> LogRecord:
    return LogRecord(InstanceName("a"), message, LogLevel.UNKNOWN, None, "stdout")


def test_a_backlog_lets_every_writer_have_its_turn() -> None:
    bench = Bench()

    async def write(backlog: Backlog, word: str) -> None:
        for _ in range(30):
            await backlog.put([_record(word)])

    async def main() -> None:
        backlog = Backlog(room=2560)
        for word in "abc":
            bench.spawn(write(backlog, word))
        taken = []
        for _ in range(3):
            await bench.idle()
            taken.append({said(entry) for entry in await backlog.take()})
        assert set.union(*taken) == set("abc")

    bench.run(main())


def test_a_closed_backlog_gives_what_it_has_and_then_nothing() -> None:
    bench = Bench()

    async def main() -> None:
        backlog = Backlog()
        await backlog.put([_record("a")])
        backlog.close()
        assert [said(entry) for entry in await backlog.take()] == ["a"]
        assert await backlog.take() == []

    bench.run(main())


def test_a_purge_behind_everybodys_back(scene: Scene) -> None:
    """Instances that do not end hold a reader up for a moment only."""

    async def main() -> None:
        row = await scene.begin()
        async with scene.following(row) as reader:
            assert await scene.bench.store.commit(Plan(purge=(scene.bench.now(row),)))
            assert await reader.is_over(within_s=5)

    scene.run(main())


# how much is read at once


def test_whoever_cannot_have_all_instances_is_refused_before_anything_is_opened(
    scene: Scene,
) -> None:
    async def main() -> None:
        row = await scene.begin(replicas=3)
        logs = scene.plant.engine.logs
        logs._room = Room(most=4, most_of_one=3)
        first = logs.follow(row, Wanted(), holder="a")
        with first.places:
            async with first:
                await scene.bench.idle()
                assert len(scene.bench.engine.readers) == 3
                for holder in ("a", "b"):
                    with pytest.raises(Crowded, match="3 more cannot be"):
                        logs.follow(row, Wanted(), holder=holder)
                with pytest.raises(Crowded):
                    logs.read(row, Wanted(), holder="a")
                assert [one async for one in logs.read(row, Wanted(), holder="b")] == []
                assert len(scene.bench.engine.readers) == 3
        assert not logs._room._taken
        logs.follow(row, Wanted(), holder="b")

    scene.run(main())


def test_instances_made_later_wait_for_a_place_and_are_read_whole(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin()
        (first,) = scene.instances(row)
        logs = scene.plant.engine.logs
        logs._room = Room(most=2)
        async with scene.following(row, tail=0) as reader:
            async with scene.following(row, container=first.name):
                await scene.plant.apply(replicas=2, if_changed=True)
                await scene.bench.wait(1)
                (second,) = [one for one in scene.instances(row) if one.id != first.id]
                scene.write(second, "early\n")
                scene.write(first, "a\n")
                await scene.bench.wait(5)
                assert await reader.messages() == ["a"]
                assert len(scene.bench.engine.readers) == 2
            await scene.bench.wait(1)
            assert await reader.messages() == ["early"]
        assert not logs._room._taken

    scene.run(main())


def test_what_replaces_an_instance_finds_its_place_kept(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin()
        (first,) = scene.instances(row)
        logs = scene.plant.engine.logs
        logs._room = Room(most=1)
        follower = logs.follow(row, Wanted())
        with follower.places:
            async with follower:
                reader = Reader(scene.bench, follower)
                await scene.bench.idle()
                scene.bench.engine.exit(first.id, 1)
                await scene.bench.idle()
                with pytest.raises(Crowded):
                    logs.follow(row, Wanted())
                await scene.bench.wait(0.2)
                (successor,) = scene.instances(row)
                scene.write(successor, "hello\n")
                assert await reader.messages() == ["hello"]
        assert not logs._room._taken

    scene.run(main())


def test_ended_instances_have_a_place_one_after_another(scene: Scene) -> None:
    async def main() -> None:
        row = await scene.begin(replicas=3)
        for one in scene.instances(row):
            scene.write(one, "done\n")
        scene.bench.held.hold("remove")
        for one in scene.instances(row):
            scene.bench.engine.exit(one.id, 0)
        await scene.bench.wait(1)
        assert scene.bench.now(row).status is Status.COMPLETED
        logs = scene.plant.engine.logs
        logs._room = Room(most=1)
        async with scene.following(row) as reader:
            await scene.bench.wait(3)
            assert await reader.messages() == ["done"] * 3
            assert await reader.is_over()
        assert not logs._room._taken

    scene.run(main())
