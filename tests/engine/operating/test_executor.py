"""Single actions on a runtime, and what is said about them."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.core.logs import LONGEST_LINE_BYTES
from ring.core.model.failures import FailureClass
from ring.core.model.ids import DeploymentId, InstanceId
from ring.core.model.ledger import Phase
from ring.core.model.logs import Allowance, LastWords
from ring.core.model.observed import Instance, State
from ring.core.model.operations import (
    Action,
    AttachInstance,
    Inspected,
    InspectInstance,
    OperationFailed,
    Removed,
    RemoveInstance,
    Result,
    Started,
    StartFailed,
    StartInstance,
)
from ring.core.plan.view import Limits
from ring.engine.inputs import Inputs
from ring.engine.journal import Journal
from ring.engine.observing.observer import Observer
from ring.engine.operating.admission import Admission
from ring.engine.operating.executor import RuntimeExecutor
from ring.engine.operating.last_words import LONG_TAIL, MOST_BYTES, READ_BYTES, TAIL
from ring.engine.operating.resolving import Resolver
from ring.engine.operating.starting import FINISH_S, Starter
from ring.engine.operating.warnings import Warnings
from ring.runtimes.base import RuntimeFailure, Unavailable
from ring.runtimes.fake.runtime import FakeRuntime
from tests.engine.bench import AUTHOR, DIGEST, WEB, Bench

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import GroupKey, InstanceName
    from ring.core.model.logs import LogLine, LogQuery
    from ring.runtimes.base import Order

GIB = 1 << 30


class Shop:
    """An executor on a bench."""

    def __init__(self, bench: Bench, *, memory_bytes: int = GIB) -> None:
        self.bench = bench
        self.journal = Journal(bench.store)
        self.observer = Observer(
            bench.runtime,
            bench.store,
            bench.clock,
            self.journal,
            interval_s=10.0,
            changed=lambda _: None,
            resynced=lambda *_: None,
            jitter=lambda: 1.0,
        )
        self.executor = RuntimeExecutor(
            bench.store,
            {"docker": bench.runtime},
            {"docker": self.observer},
            Starter(
                bench.store.server_id,
                bench.clock,
                Admission(lambda: memory_bytes),
                resolver=Resolver(bench.store, Inputs()),
                files=bench.files,
                journal=self.journal,
                warnings=Warnings(self.journal, bench.store.was_told),
                limits=Limits(apply_timeout_s=60.0),
                host_ip_of={"media": "127.0.0.1"}.get,
            ),
        )

    async def start(
        self, row: Deployment, name: InstanceName | None = None, *, resume: bool = False
    ) -> Result:
        action = StartInstance(row.id, name or self.bench.name(), resume=resume)
        return await self.executor.prepare(action) or await self.executor.run(action)

    def noted(self, row: Deployment) -> tuple[Instance, ...]:
        return self.observer.instances(row.id)


def failed(result: Result, kind: FailureClass, *, clean: bool) -> str:
    """It failed like this; its message."""
    assert isinstance(result, StartFailed), result
    assert (result.failure.kind, result.clean) == (kind, clean)
    return result.failure.message


# start
def test_on_the_hosts_network_no_other_is_made() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        assert isinstance(await shop.start(await bench.accept(network={"mode": "host"})), Started)
        assert bench.engine.networks == set()
        assert isinstance(await shop.start(await bench.accept(name="other")), Started)
        assert bench.engine.networks == {"ring_media"}

    bench.run(main())


def test_a_start_makes_network_image_and_instance_and_notes_it() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept(environment={"LOG": "json", "RING_INSTANCE": "mine"})
        name = bench.name()
        result = await shop.start(row, name)
        assert isinstance(result, Started)
        assert result.instance.image_digest == DIGEST
        (container,) = bench.engine.containers.values()
        assert container.instance == result.instance
        assert (result.instance.name, result.instance.state) == (name, State.RUNNING)
        assert result.instance.server_id == bench.store.server_id
        assert container.environment == {
            "RING_NAMESPACE": "media",
            "RING_DEPLOYMENT": "web",
            "RING_INSTANCE": "mine",
            "LOG": "json",
        }
        assert bench.engine.networks == {"ring_media"}
        assert shop.noted(row) == (result.instance,)

    bench.run(main())


def test_the_host_ip_of_the_namespace_is_handed_on() -> None:
    bench = Bench()
    orders: list[Order] = []

    async def main() -> None:
        shop = Shop(bench)
        original = bench.runtime.create

        async def create(order: Order) -> Instance:
            orders.append(order)
            return await original(order)

        bench.runtime.create = create  # type: ignore[method-assign]  # keeps the order
        await shop.start(await bench.accept(ports=[{"published": 8080, "target": 80}]))

    bench.run(main())
    assert [order.default_host_ip for order in orders] == ["127.0.0.1"]


@pytest.mark.parametrize("gone", ["deleted", "never there", "on no runtime of ours"])
@pytest.mark.parametrize("resume", [True, False])
def test_nothing_is_started_for_a_row_that_is_gone(gone: str, resume: bool) -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept(runtime="podman" if gone == "on no runtime of ours" else "docker")
        if gone == "deleted":
            await bench.store.delete(row.id, AUTHOR)
        if gone == "never there":
            row = replace(row, id=DeploymentId("never"))
        result = await shop.start(row, resume=resume)
        failed(result, FailureClass.CANCELLED, clean=not resume)
        assert bench.engine.containers == {}

    bench.run(main())


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ("ensure_network", FailureClass.NETWORK_FAILED),
        ("resolve_image", FailureClass.IMAGE_PULL_FAILED),
        ("create", FailureClass.INSTANCE_REJECTED),
        ("start", FailureClass.PORT_IN_USE),
    ],
)
def test_a_refusal_is_handed_on_and_leaves_nothing(step: str, kind: FailureClass) -> None:
    bench = Bench()

    async def main() -> None:
        bench.engine.refusals[step] = RuntimeFailure(kind, "the engine refuses")
        row = await bench.accept()
        shop = Shop(bench)
        assert failed(await shop.start(row), kind, clean=True) == "the engine refuses"
        assert bench.engine.containers == {}
        assert shop.noted(row) == ()

    bench.run(main())


@pytest.mark.parametrize("step", ["ensure_network", "create", "start", "inspect"])
def test_an_engine_that_hangs_up_may_have_left_something(step: str) -> None:
    bench = Bench()

    async def main() -> None:
        bench.engine.refusals[step] = Unavailable("connection reset")
        failed(await Shop(bench).start(await bench.accept()), FailureClass.UNAVAILABLE, clean=False)

    bench.run(main())


@pytest.mark.parametrize("resume", [False, True])
def test_an_engine_that_hangs_up_before_the_create_has_left_nothing_of_it(resume: bool) -> None:
    bench = Bench()

    async def main() -> None:
        bench.engine.refusals["resolve_image"] = Unavailable("connection reset")
        result = await Shop(bench).start(await bench.accept(), resume=resume)
        failed(result, FailureClass.UNAVAILABLE, clean=not resume)

    bench.run(main())


def test_a_refused_start_whose_remains_cannot_be_removed_says_so() -> None:
    bench = Bench()

    async def main() -> None:
        bench.engine.refusals["start"] = RuntimeFailure(FailureClass.OTHER, "refused")
        bench.engine.refusals["remove"] = RuntimeFailure(FailureClass.OTHER, "device busy")
        message = failed(
            await Shop(bench).start(await bench.accept()), FailureClass.OTHER, clean=False
        )
        assert message == "refused"
        assert len(bench.engine.containers) == 1

    bench.run(main())


@pytest.mark.parametrize("step", ["ensure_network", "create", "start", "inspect"])
def test_a_start_that_takes_too_long_is_given_up_and_cleaned_up(step: str) -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        bench.held.hold(step)
        task = asyncio.ensure_future(shop.start(row))
        await bench.wait(59)
        assert not task.done()
        await bench.wait(2)
        message = failed(await task, FailureClass.TIMEOUT, clean=True)
        assert "within 60 seconds" in message
        assert bench.engine.containers == {}

    bench.run(main())


def test_a_timeout_on_an_engine_that_is_gone_may_have_left_something() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        bench.held.hold("create", "find")
        task = asyncio.ensure_future(shop.start(await bench.accept()))
        await bench.wait(61)
        assert not task.done()
        await bench.wait(15)
        failed(await task, FailureClass.TIMEOUT, clean=False)

    bench.run(main())


def test_an_instance_that_is_removed_between_create_and_start_is_a_failure() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        bench.held.hold("start")
        task = asyncio.ensure_future(shop.start(row))
        await bench.idle()
        bench.engine.containers.clear()
        bench.held.release()
        message = failed(await task, FailureClass.OTHER, clean=True)
        assert "removed from outside while it came up" in message

    bench.run(main())


def test_an_instance_that_is_renamed_while_it_comes_up_is_cleaned_up() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        bench.held.hold("start")
        task = asyncio.ensure_future(shop.start(await bench.accept()))
        await bench.idle()
        (made,) = bench.engine.containers
        bench.engine.rename_by_hand(made, "another")
        await bench.wait(61)
        failed(await task, FailureClass.TIMEOUT, clean=True)
        assert bench.engine.containers == {}

    bench.run(main())


def test_an_instance_that_is_removed_before_it_is_looked_at_is_a_failure() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        bench.held.hold("inspect")
        task = asyncio.ensure_future(shop.start(row))
        await bench.idle()
        (instance,) = bench.live()
        bench.engine.remove_by_hand(instance.id)
        bench.held.release()
        failed(await task, FailureClass.OTHER, clean=True)

    bench.run(main())


# names that are taken


def test_a_create_that_came_through_late_is_taken_up() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        name = bench.name()
        late = bench.made(bench.order(row, name))
        result = await shop.start(row, name)
        assert isinstance(result, Started)
        assert result.instance.id == late.id
        assert len(bench.live()) == 1

    bench.run(main())


def test_a_name_that_is_somebody_elses_is_a_failure_and_theirs_is_left_alone() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        other = await bench.accept(name="db")
        name = bench.name()
        theirs = bench.running(bench.order(other, name))
        result = await shop.start(row, name)
        message = failed(result, FailureClass.NAME_TAKEN, clean=True)
        assert "is in use" in message
        assert [one.id for one in bench.live()] == [theirs.id]

    bench.run(main())


def test_a_name_that_was_taken_and_is_free_again_is_a_failure() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        name = bench.name()
        taken = bench.made(bench.order(row, name))
        bench.held.hold("find")
        task = asyncio.ensure_future(shop.start(row, name))
        await bench.idle()
        bench.engine.remove(taken.id)
        bench.held.release()
        failed(await task, FailureClass.NAME_TAKEN, clean=True)

    bench.run(main())


def test_a_name_that_a_copy_of_an_instance_has_is_taken_and_the_copy_is_left_alone() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        original = bench.running(bench.order(row, bench.name()))
        name = bench.name()
        copy = bench.engine.copy_by_hand(original.id, name)
        failed(await shop.start(row, name), FailureClass.NAME_TAKEN, clean=True)
        assert [one.id for one in bench.live()] == [original.id, copy]

    bench.run(main())


def test_a_resumed_start_whose_name_is_somebody_elses_does_not_start_theirs() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        other = await bench.accept(name="db")
        name = bench.name()
        theirs = bench.made(bench.order(other, name))
        result = await shop.start(row, name, resume=True)
        failed(result, FailureClass.NAME_TAKEN, clean=True)
        assert bench.engine.inspect(theirs.id) == theirs

    bench.run(main())


# what a killed server had begun


def test_a_resumed_start_that_finds_nothing_begins_anew() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        result = await Shop(bench).start(row, resume=True)
        assert isinstance(result, Started)
        assert result.instance.image_digest == DIGEST

    bench.run(main())


@pytest.mark.parametrize("running", [True, False])
def test_a_resumed_start_goes_on_from_where_it_was(running: bool) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        name = bench.name()
        order = bench.order(row, name)
        found = bench.running(order) if running else bench.made(order)
        bench.engine.images.clear()
        bench.engine.registry.clear()
        result = await Shop(bench).start(row, name, resume=True)
        assert isinstance(result, Started)
        assert (result.instance.id, result.instance.state) == (found.id, State.RUNNING)
        assert result.instance.image_digest == DIGEST

    bench.run(main())


@pytest.mark.parametrize("is_remote", [False, True])
def test_a_resumed_start_begins_anew_where_files_may_not_have_been_copied(
    tmp_path: Path, is_remote: bool
) -> None:
    bench = Bench(tmp_path / "run" / "configs")
    bench.runtime.is_remote = is_remote

    async def main() -> None:
        volume = {"type": "secret", "source": "key", "destination": "/run/key"}
        row = await bench.accept(volumes=[volume])
        await bench.store.secrets.create("media", "key", "value", AUTHOR)
        name = bench.name()
        made = bench.made(bench.order(row, name))
        result = await Shop(bench).start(row, name, resume=True)
        assert isinstance(result, Started)
        (container,) = bench.engine.containers.values()
        assert (container.instance.id != made.id) is is_remote
        assert bool(container.files) is is_remote

    bench.run(main())


def test_a_late_create_whose_files_may_not_have_been_copied_is_removed() -> None:
    bench = Bench()
    bench.runtime.is_remote = True

    async def main() -> None:
        volume = {"type": "secret", "source": "key", "destination": "/run/key"}
        row = await bench.accept(volumes=[volume])
        await bench.store.secrets.create("media", "key", "value", AUTHOR)
        name = bench.name()
        bench.made(bench.order(row, name))
        result = await Shop(bench).start(row, name)
        assert "without all its files" in failed(result, FailureClass.OTHER, clean=True)
        assert bench.engine.containers == {}

    bench.run(main())


def test_a_resumed_start_that_finds_it_ended_fails_and_removes_it() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        name = bench.name()
        bench.engine.exit(bench.running(bench.order(row, name)).id, 1)
        result = await Shop(bench).start(row, name, resume=True)
        message = failed(result, FailureClass.OTHER, clean=True)
        assert "had ended already" in message
        assert bench.engine.containers == {}

    bench.run(main())


def test_a_job_that_is_found_ended_has_run() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept(kind="job", resources={"requests": {"memory": "2Gi"}})
        name = bench.name()
        instance = bench.running(bench.order(row, name))
        bench.engine.exit(instance.id, 1)
        result = await Shop(bench).start(row, name, resume=True)
        assert isinstance(result, Started)
        assert result.instance.id == instance.id
        assert result.instance.state is State.EXITED

    bench.run(main())


# memory


def test_memory_is_asked_for_before_anything_else() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept(resources={"requests": {"memory": "2Gi"}})
        result = await Shop(bench).start(row)
        message = failed(result, FailureClass.INSUFFICIENT_RESOURCES, clean=True)
        assert "needs 2048 MiB but only 1024 MiB is available" in message
        assert bench.engine.networks == set()

    bench.run(main())


def test_the_memory_of_this_host_is_not_a_remote_engines() -> None:
    bench = Bench()

    async def main() -> None:
        bench.runtime.is_remote = True
        row = await bench.accept(resources={"requests": {"memory": "2Gi"}})
        assert isinstance(await Shop(bench).start(row), Started)

    bench.run(main())


# the image


def test_starts_in_flight_together_use_one_image() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept(replicas=3, config={"image_pull_policy": "Always"})
        bench.engine.images["nginx:1.25"] = DIGEST
        bench.held.hold("resolve_image")
        tasks = [asyncio.ensure_future(shop.start(row)) for _ in range(3)]
        await bench.idle()
        assert len(bench.held.requests) == 1
        bench.held.requests.pop().perform()
        bench.engine.registry["nginx:1.25"] = "sha256:" + "2" * 64
        bench.held.release()
        results = await asyncio.gather(*tasks)
        assert [r.instance.image_digest for r in results if isinstance(r, Started)] == [DIGEST] * 3

    bench.run(main())


def test_the_recorded_digest_is_what_later_instances_use() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.change(await bench.accept(), image_digest=DIGEST)
        bench.engine.images["nginx:1.25"] = "sha256:" + "2" * 64
        result = await Shop(bench).start(row)
        assert isinstance(result, Started)
        assert result.instance.image_digest == DIGEST

    bench.run(main())


def test_an_image_is_asked_for_again_once_nobody_is_at_it() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        await shop.start(row)
        assert shop.executor._starter._images == {}
        bench.engine.registry["nginx:1.25"] = "sha256:" + "2" * 64
        bench.engine.images.clear()
        result = await shop.start(row)
        assert isinstance(result, Started)
        assert result.instance.image_digest == "sha256:" + "2" * 64

    bench.run(main())


# inspect


def test_an_inspection_tells_and_notes_what_it_finds() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        instance = bench.running(bench.order(row, bench.name()))
        bench.engine.exit(instance.id, 4)
        result = await shop.executor.run(InspectInstance(row.id, instance.name, instance.id))
        assert isinstance(result, Inspected)
        assert result.instance is not None
        assert result.instance.exit is not None
        assert result.instance.exit.code == 4
        # This observer has not watched yet: what ended before was missed.
        ended = replace(result.instance, exit=replace(result.instance.exit, missed=True))
        assert shop.noted(row) == (ended,)

    bench.run(main())


def test_an_inspection_of_what_is_gone_tells_and_notes_it() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        instance = bench.running(bench.order(row, bench.name()))
        shop.observer.note(instance)
        bench.engine.containers.clear()
        result = await shop.executor.run(InspectInstance(row.id, instance.name, instance.id))
        assert result == Inspected(None)
        assert shop.noted(row) == ()

    bench.run(main())


def test_a_create_that_is_given_up_is_waited_for_and_leaves_nothing() -> None:
    """The engine finishes it in any case: what it makes a moment later would be forgotten."""
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        bench.held.hold("create")
        start = StartInstance(row.id, bench.name())
        assert await shop.executor.prepare(start) is None
        task = asyncio.ensure_future(shop.executor.run(start))
        await bench.idle()
        task.cancel()
        await bench.wait(FINISH_S / 2)
        assert not task.done()
        bench.held.release()
        await asyncio.wait((task,))
        assert task.cancelled()
        assert await shop.executor.clean_up(start)
        assert bench.engine.containers == {}

    bench.run(main())


def test_a_create_that_hangs_is_not_waited_for_for_ever() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        bench.held.hold("create")
        start = StartInstance(row.id, bench.name())
        assert await shop.executor.prepare(start) is None
        task = asyncio.ensure_future(shop.executor.run(start))
        await bench.idle()
        task.cancel()
        await bench.wait(FINISH_S + 0.1)
        assert task.cancelled()

    bench.run(main())


# last words


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


async def nothing(*_: object) -> None:
    """It says so, and does not do it."""


def test_a_connection_without_effect_has_failed() -> None:
    """Or it would be made again at once, for ever."""
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        instance = bench.running(bench.order(row, bench.name()))
        bench.engine.detach_by_hand(instance.id)
        bench.runtime.attach = nothing  # type: ignore[method-assign,assignment]  # an engine that lies
        action = AttachInstance(row.id, instance.name, instance.id)
        result = await Shop(bench).executor.run(action)
        assert isinstance(result, OperationFailed)
        assert "not on the network" in result.failure.message

    bench.run(main())


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


def action(kind: type[Action], row: Deployment, bench: Bench) -> Action:
    if kind is InspectInstance:
        return InspectInstance(row.id, bench.name(), InstanceId("i"))
    if kind is AttachInstance:
        return AttachInstance(row.id, bench.name(), InstanceId("i"))
    return RemoveInstance(row.id, bench.name(), InstanceId("i"), 10.0)


@pytest.mark.parametrize(
    ("kind", "step", "deadline_s", "failure"),
    [
        (InspectInstance, "inspect", 30, FailureClass.UNAVAILABLE),
        (AttachInstance, "attach", 30, FailureClass.UNAVAILABLE),
        # Ring had begun to end it: whoever reads the events is to know that it hangs.
        (RemoveInstance, "stop", 40, FailureClass.TIMEOUT),
    ],
)
def test_an_engine_that_does_not_answer_in_time_is_given_up(
    kind: type[Action], step: str, deadline_s: float, failure: FailureClass
) -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        bench.held.hold(step)
        task = asyncio.ensure_future(shop.executor.run(action(kind, row, bench)))
        await bench.wait(deadline_s - 1)
        assert not task.done()
        await bench.wait(2)
        result = await task
        assert isinstance(result, OperationFailed)
        assert result.failure.kind is failure

    bench.run(main())


@pytest.mark.parametrize(
    ("kind", "step"), [(InspectInstance, "inspect"), (RemoveInstance, "remove")]
)
def test_an_engine_that_refuses_is_quoted(kind: type[Action], step: str) -> None:
    bench = Bench()

    async def main() -> None:
        bench.engine.refusals[step] = RuntimeFailure(FailureClass.OTHER, "device busy")
        row = await bench.accept()
        result = await Shop(bench).executor.run(action(kind, row, bench))
        assert isinstance(result, OperationFailed)
        assert result.failure.message == "device busy"

    bench.run(main())


@pytest.mark.parametrize("kind", [InspectInstance, RemoveInstance])
def test_nothing_is_done_for_a_row_that_was_purged(kind: type[Action]) -> None:
    bench = Bench()

    async def main() -> None:
        row = replace(await bench.accept(), id=DeploymentId("purged"))
        result = await Shop(bench).executor.run(action(kind, row, bench))
        assert isinstance(result, OperationFailed)
        assert result.failure.kind is FailureClass.CANCELLED

    bench.run(main())


# remove


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("stop", [True, False])
def test_a_removal_stops_removes_and_notes_it(by_name: bool, stop: bool) -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        instance = bench.running(bench.order(row, bench.name()))
        if not stop:
            bench.engine.exit(instance.id, 1)
        shop.observer.note(instance)
        result = await shop.executor.run(
            RemoveInstance(row.id, instance.name, None if by_name else instance.id, 10.0, stop=stop)
        )
        assert result == Removed()
        assert bench.engine.containers == {}
        assert shop.noted(row) == ()

    bench.run(main())


@pytest.mark.parametrize("by_name", [True, False])
def test_what_is_gone_already_is_removed(by_name: bool) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        gone = None if by_name else InstanceId("gone")
        result = await Shop(bench).executor.run(RemoveInstance(row.id, bench.name(), gone, 10.0))
        assert result == Removed()

    bench.run(main())


def test_a_removal_by_name_leaves_somebody_elses_alone() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        other = await bench.accept(name="db")
        theirs = bench.running(bench.order(other, bench.name()))
        result = await Shop(bench).executor.run(RemoveInstance(row.id, theirs.name, None, 10.0))
        assert result == Removed()
        assert [one.id for one in bench.live()] == [theirs.id]

    bench.run(main())


def test_a_removal_by_name_leaves_a_copy_of_another_instance_alone() -> None:
    """The name was drawn for a start, and was taken."""
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        original = bench.running(bench.order(row, bench.name()))
        copy = bench.engine.copy_by_hand(original.id, name := bench.name())
        result = await Shop(bench).executor.run(RemoveInstance(row.id, name, None, 10.0))
        assert result == Removed()
        assert [one.id for one in bench.live()] == [original.id, copy]

    bench.run(main())


def test_what_cannot_be_stopped_is_still_to_be_removed() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        instance = bench.made(bench.order(row, bench.name()))
        bench.engine.refusals["stop"] = RuntimeFailure(FailureClass.OTHER, "no such process")
        result = await Shop(bench).executor.run(
            RemoveInstance(row.id, instance.name, instance.id, 10.0)
        )
        assert result == Removed()

    bench.run(main())


def test_an_engine_that_is_away_removes_nothing() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        bench.engine.away = True
        result = await Shop(bench).executor.run(
            RemoveInstance(row.id, bench.name(), InstanceId("i"), 10.0)
        )
        assert isinstance(result, OperationFailed)
        assert result.failure.kind is FailureClass.UNAVAILABLE

    bench.run(main())


# cleaning up


def test_cleaning_up_removes_what_a_start_has_made() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        instance = bench.running(bench.order(row, bench.name()))
        shop.observer.note(instance)
        assert await shop.executor.clean_up(StartInstance(row.id, instance.name))
        assert bench.engine.containers == {}
        assert shop.noted(row) == ()
        assert await shop.executor.clean_up(StartInstance(row.id, instance.name))

    bench.run(main())


def test_cleaning_up_finds_what_a_start_made_under_another_name_too() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        name = bench.name()
        bench.held.hold("start")
        task = asyncio.ensure_future(shop.start(row, name))
        await bench.idle()
        task.cancel()
        await bench.idle()
        (made,) = bench.engine.containers
        bench.engine.rename_by_hand(made, "another")
        assert await shop.executor.clean_up(StartInstance(row.id, name))
        assert bench.engine.containers == {}

    bench.run(main())


def test_cleaning_up_touches_only_starts_of_rows_that_are_there() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        instance = bench.running(bench.order(row, bench.name()))
        asked = InspectInstance(row.id, instance.name, instance.id)
        assert not await shop.executor.clean_up(asked)
        assert not await shop.executor.clean_up(StartInstance(DeploymentId("x"), instance.name))
        assert len(bench.live()) == 1

    bench.run(main())


def test_cleaning_up_leaves_a_job_that_may_have_run() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept(kind="job")
        instance = bench.running(bench.order(row, bench.name()))
        assert not await shop.executor.clean_up(StartInstance(row.id, instance.name))
        assert len(bench.live()) == 1
        await bench.store.delete(row.id, AUTHOR)
        assert await shop.executor.clean_up(StartInstance(row.id, instance.name))
        assert bench.live() == []

    bench.run(main())


def test_cleaning_up_leaves_somebody_elses_alone() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        other = await bench.accept(name="db")
        theirs = bench.running(bench.order(other, bench.name()))
        assert await shop.executor.clean_up(StartInstance(row.id, theirs.name))
        assert [one.id for one in bench.live()] == [theirs.id]

    bench.run(main())
