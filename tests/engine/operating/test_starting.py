"""Starts of instances: what they make, and what is left of one that fails."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import DeploymentId
from ring.core.model.observed import Instance, State
from ring.core.model.operations import Result, Started, StartFailed, StartInstance
from ring.engine.operating.starting import FINISH_S
from ring.runtimes.base import RuntimeFailure, Unavailable
from tests.engine.bench import AUTHOR, DIGEST, Bench
from tests.engine.operating.shop import Shop

if TYPE_CHECKING:
    from pathlib import Path

    from ring.runtimes.base import Order


def failed(result: Result, kind: FailureClass, *, clean: bool) -> str:
    """It failed like this; its message."""
    assert isinstance(result, StartFailed), result
    assert (result.failure.kind, result.clean) == (kind, clean)
    return result.failure.message


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
