"""What an instance wrote last is read before it is removed, and holds no removal up."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.core.logs import LONGEST_LINE_BYTES
from ring.core.model.failures import FailureClass
from ring.core.model.ledger import Phase
from ring.core.model.logs import Allowance, LastWords
from ring.core.model.operations import OperationFailed, Removed, RemoveInstance
from ring.engine.operating.last_words import LONG_TAIL, MOST_BYTES, READ_BYTES, TAIL
from ring.runtimes.base import RuntimeFailure, Unavailable
from ring.runtimes.fake.runtime import FakeRuntime
from tests.engine.bench import AUTHOR, WEB, Bench
from tests.engine.operating.shop import Shop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import GroupKey, InstanceId
    from ring.core.model.logs import LogLine, LogQuery


async def ended(
    bench: Bench, row: Deployment, *lines: str, phase: Phase = Phase.COUNTED
) -> RemoveInstance:
    """A program that wrote something and ended: its removal."""
    entry = await bench.entry(row, phase)
    instance = bench.running(bench.order(row, entry.name))
    for line in lines or ("no database\n",):
        bench.engine.write(instance.id, line)
    bench.engine.exit(instance.id, 1)
    return RemoveInstance(row.id, instance.name, instance.id, 10.0, stop=False)


def kept(bench: Bench, key: GroupKey = WEB) -> list[LastWords]:
    words = bench.store.words
    return [LastWords(one.id, one.name, words.lines(one)) for one in words.ended(key)]


def test_the_words_of_what_has_ended_are_kept_before_it_is_removed() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        removal = await ended(bench, row)
        assert isinstance(await Shop(bench).executor.run(removal), Removed)
        assert bench.engine.containers == {}
        (words,) = kept(bench)
        assert (words.id, words.name) == (removal.instance_id, removal.name)
        assert [line.message for line in words.lines] == ["no database"]

    bench.run(main())


@pytest.mark.parametrize("refusal", [Unavailable("gone fishing"), None], ids=["refused", "hangs"])
def test_words_that_cannot_be_had_do_not_stop_the_removal(refusal: Unavailable | None) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        removal = await ended(bench, row)
        if refusal is None:
            bench.held.hold("logs")
        else:
            bench.engine.refusals["logs"] = refusal
        began = bench.clock.mono()
        assert isinstance(await Shop(bench).executor.run(removal), Removed)
        assert bench.clock.mono() - began < 2.1
        assert kept(bench) == []
        assert bench.engine.containers == {}

    bench.run(main())


def test_of_very_much_the_last_part_is_kept() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        lines = [f"{number} " + "x" * 4000 for number in range(10, 60)]
        await Shop(bench).executor.run(await ended(bench, row, *lines))
        (words,) = kept(bench)
        fit = MOST_BYTES // 4003
        assert [line.message for line in words.lines] == lines[-fit:]

    bench.run(main())


def test_of_very_many_the_last_lines_are_kept() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        lines = [f"{number}" for number in range(TAIL + 5)]
        await Shop(bench).executor.run(await ended(bench, row, *lines))
        (words,) = kept(bench)
        assert [line.message for line in words.lines] == lines[5:]

    bench.run(main())


class Heard(FakeRuntime):
    """Counts what of its logs is read."""

    characters = 0

    async def logs(
        self, instance_id: InstanceId, query: LogQuery
    ) -> AsyncGenerator[Sequence[LogLine], None]:
        async with contextlib.aclosing(super().logs(instance_id, query)) as told:
            async for batch in told:
                self.characters += sum(len(line.message) for line in batch)
                yield batch


def test_of_long_lines_not_all_are_read_for_the_few_that_are_kept() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        lines = [f"{number} " + "x" * 60_000 for number in range(100, 100 + TAIL)]
        removal = await ended(bench, row, *lines)
        bench.runtime = heard = Heard(bench.engine)
        assert isinstance(await Shop(bench).executor.run(removal), Removed)
        (words,) = kept(bench)
        assert [line.message for line in words.lines] == lines[-2:]
        assert heard.characters < READ_BYTES + (LONG_TAIL + 1) * 60_010

    bench.run(main())


def test_a_last_line_that_is_too_long_once_it_is_text_is_kept() -> None:
    """What is no UTF-8 takes three bytes for each."""
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        noise = "\udcff" * LONGEST_LINE_BYTES
        await Shop(bench).executor.run(await ended(bench, row, "no database", noise))
        (words,) = kept(bench)
        assert [line.message for line in words.lines] == ["\ufffd" * LONGEST_LINE_BYTES]

    bench.run(main())


@pytest.mark.parametrize("noise", ["x" * 60_000, "\x1b" * 60_000])
def test_one_line_without_an_end_is_kept_as_it_is_read(noise: str) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        await Shop(bench).executor.run(await ended(bench, row, noise))
        (words,) = kept(bench)
        (line,) = words.lines
        assert line.message == noise

    bench.run(main())


@pytest.mark.parametrize("is_known", [True, False], ids=["by its id", "by its name"])
def test_what_ring_ends_itself_is_read_when_it_has_stopped(*, is_known: bool) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        entry = await bench.entry(row, Phase.STOPPING)
        instance = bench.running(bench.order(row, entry.name))
        bench.engine.write(instance.id, "serving\n")
        bench.held.hold("stop", "logs")
        known = instance.id if is_known else None
        removal = asyncio.ensure_future(
            Shop(bench).executor.run(RemoveInstance(row.id, entry.name, known, 10.0))
        )
        await bench.idle()
        assert [each.what for each in bench.held.requests] == ["stop"]
        bench.engine.write(instance.id, "bye\n")
        bench.held.release()
        bench.held.hold("remove")
        await bench.idle()
        assert [each.what for each in bench.held.requests] == ["remove"]
        (words,) = kept(bench)
        assert (words.id, words.name) == (instance.id, entry.name)
        assert [line.message for line in words.lines] == ["serving", "bye"]
        bench.held.release()
        assert isinstance(await removal, Removed)

    bench.run(main())


def test_the_words_of_a_version_outlast_it() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        removal = await ended(bench, row, phase=Phase.STOPPING)
        successor = await bench.accept(image="nginx:2")
        assert bench.now(row).is_deleted
        await Shop(bench).executor.run(removal)
        (words,) = kept(bench, successor.key)
        assert words.id == removal.instance_id

    bench.run(main())


def test_a_removal_that_is_tried_again_keeps_the_words_once() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        removal = await ended(bench, row)
        bench.engine.refusals["remove"] = RuntimeFailure(FailureClass.OTHER, "busy")
        shop = Shop(bench)
        for _ in range(5):
            assert isinstance(await shop.executor.run(removal), OperationFailed)
        assert len(kept(bench)) == 1

    bench.run(main())


def test_a_defect_in_reading_them_does_not_stop_the_removal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        removal = await ended(bench, row)
        bench.engine.containers[removal.instance_id].lines.append(None)  # type: ignore[index,arg-type]  # the defect
        assert isinstance(await Shop(bench).executor.run(removal), Removed)
        assert bench.engine.containers == {}

    bench.run(main())
    assert "wrote last is lost" in caplog.text


@pytest.mark.parametrize("stop", [True, False], ids=["live", "dead"])
def test_a_deployment_that_is_deleted_needs_no_words(*, stop: bool) -> None:
    """Nor is the engine asked for them."""
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        removal = replace(await ended(bench, row), stop=stop)
        await bench.store.delete(row.id, AUTHOR)
        bench.held.hold("logs")
        await Shop(bench).executor.run(removal)
        assert bench.held.requests == []
        assert bench.engine.containers == {}

    bench.run(main())


def test_words_are_not_left_to_a_namesake_in_a_namespace_made_anew() -> None:
    """What is still to end there when the namespace is deleted was somebody else's."""
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        removal = await ended(bench, row, phase=Phase.STOPPING)
        await bench.store.delete(row.id, AUTHOR)
        namespace = bench.store.namespace(row.spec.namespace)
        assert namespace is not None
        await bench.store.delete_namespace(namespace, AUTHOR)
        await bench.wait(1.0)
        namesake = await bench.accept()
        assert namesake.key == row.key
        assert isinstance(await Shop(bench).executor.run(removal), Removed)
        assert kept(bench, namesake.key) == []
        await Shop(bench).executor.run(await ended(bench, namesake))
        assert len(kept(bench, namesake.key)) == 1

    bench.run(main())


def test_where_none_are_kept_the_engine_is_not_asked_for_them() -> None:
    bench = Bench(allowance=Allowance(size=0))

    async def main() -> None:
        row = await bench.accept()
        removal = await ended(bench, row)
        bench.held.hold("logs")
        assert isinstance(await Shop(bench).executor.run(removal), Removed)
        assert bench.held.requests == []

    bench.run(main())
