"""Jobs on the whole engine: run once, whatever becomes of the server and the engine meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.status import Status
from ring.engine.reading.logs import Wanted
from ring.runtimes.base import RuntimeFailure
from tests.engine.bench import Bench
from tests.engine.plant import Plant

if TYPE_CHECKING:
    from ring.core.model.observed import Instance


def the_instance(bench: Bench) -> Instance:
    """The only one there is."""
    (container,) = bench.engine.containers.values()
    return container.instance


def test_a_job_runs_once_and_its_logs_stay() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(kind="job")
        assert bench.now(row).status is Status.RUNNING
        instance = the_instance(bench)
        assert plant.engine.instances(row.id) == (instance,)
        bench.engine.write(instance.id, "done\n")
        bench.engine.exit(instance.id, 0)
        await bench.wait(3600)
        assert bench.now(row).status is Status.COMPLETED
        assert bench.now(row).restart_count == 0
        assert the_instance(bench).id == instance.id
        assert plant.engine.instances(row.id) == ()
        assert bench.reasons(row)[:3] == ["deployment_created", "scale_up", "state_transition"]
        assert sorted(map(str, bench.reasons(row)[3:])) == ["container_died", "job_completed"]
        (lines,) = [batch async for batch in plant.engine.logs.read(row, Wanted())]
        assert [line.message for line in lines] == ["done"]
        async with plant.engine.logs.follow(row, Wanted()) as follower:
            assert await follower.batch() == lines
            assert await follower.batch() == []
        await plant.delete(row)
        await bench.wait(15)
        assert bench.store.deployment(row.id) is None
        assert bench.engine.containers == {}

    bench.run(main())


@pytest.mark.parametrize(("code", "oom"), [(3, False), (127, False), (137, True)])
def test_a_job_that_fails_is_not_run_again(code: int, oom: bool) -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(kind="job")
        bench.engine.exit(the_instance(bench).id, code, oom=oom)
        await bench.wait(3600)
        assert bench.now(row).status is Status.FAILED
        (message,) = bench.messages(row, "job_failed")
        assert ("ran out of memory" in message) is oom
        assert str(code) in message
        assert len(bench.engine.containers) == 1

    bench.run(main())


def test_a_job_that_is_removed_by_hand_is_lost() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        task = await plant.start()
        row = await plant.apply(kind="job")
        await plant.kill(task)
        bench.engine.remove_by_hand(the_instance(bench).id)
        await plant.start()
        await bench.wait(60)
        assert bench.now(row).status is Status.FAILED
        assert len(bench.messages(row, "job_instance_lost")) == 1
        assert bench.engine.containers == {}

    bench.run(main())


@pytest.mark.parametrize(("code", "status"), [(0, Status.COMPLETED), (3, Status.FAILED)])
@pytest.mark.parametrize("ends", ["before the kill", "while it is down", "afterwards"])
def test_a_killed_server_neither_runs_it_again_nor_loses_its_end(
    ends: str, code: int, status: Status
) -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        task = await plant.start()
        row = await plant.apply(kind="job")
        instance = the_instance(bench)
        if ends == "before the kill":
            bench.engine.exit(instance.id, code)
            await bench.wait(1)
        await plant.kill(task)
        if ends == "while it is down":
            bench.engine.exit(instance.id, code)
        await bench.wait(5)
        await plant.start()
        await bench.wait(5)
        if ends == "afterwards":
            assert bench.now(row).status is Status.RUNNING
            bench.engine.exit(instance.id, code)
            await bench.wait(5)
        assert bench.now(row).status is status
        assert the_instance(bench).id == instance.id
        assert len(bench.messages(row, "scale_up")) == 1

    bench.run(main())


@pytest.mark.parametrize("step", ["ensure_network", "create", "start", "inspect"])
@pytest.mark.parametrize("ended", [False, True])
def test_a_server_killed_in_the_middle_of_the_start_does_not_run_it_twice(
    step: str, ended: bool
) -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        task = await plant.start()
        bench.held.hold(step)
        row = await plant.apply(kind="job")
        await plant.kill(task)
        bench.held.release()  # the engine carries it out although nobody waits any more
        first = [one.id for one in bench.live()]
        for one in bench.live() if ended else ():
            bench.engine.exit(one.id, 0)
        await plant.start()
        await bench.wait(5)
        instance = the_instance(bench)
        assert first in ([], [instance.id])
        assert bench.now(row).status is (Status.COMPLETED if first and ended else Status.RUNNING)

    bench.run(main())


@pytest.mark.parametrize("step", ["create", "start", "inspect"])
def test_a_server_that_is_stopped_in_the_middle_of_the_start_leaves_the_job(step: str) -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        task = await plant.start()
        bench.held.hold(step)
        row = await plant.apply(kind="job")
        await plant.stop(task)
        bench.held.release()
        bench.store = bench.store.reopen()
        again = Plant(bench)
        await again.start()
        await bench.wait(5)
        assert bench.now(row).status is Status.RUNNING
        assert [one.id for one in bench.live()] == [the_instance(bench).id]

    bench.run(main())


@pytest.mark.parametrize("ended", [False, True])
def test_a_start_that_the_engine_answers_too_late_is_not_made_again(ended: bool) -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        bench.held.hold("inspect")
        row = await plant.apply(kind="job")
        await bench.wait(299)
        (instance,) = bench.live()
        await bench.wait(2)
        if ended:
            bench.engine.exit(instance.id, 0)
        bench.held.release()
        await bench.wait(20)
        assert the_instance(bench).id == instance.id
        assert bench.now(row).status is (Status.COMPLETED if ended else Status.RUNNING)

    bench.run(main())


def test_a_job_that_vanishes_right_after_its_start_is_lost() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        bench.held.hold("inspect")
        row = await plant.apply(kind="job")
        (instance,) = bench.live()
        bench.engine.remove_by_hand(instance.id)
        bench.held.release()
        await bench.wait(60)
        assert bench.now(row).status is Status.FAILED
        assert len(bench.messages(row, "job_instance_lost")) == 1
        assert bench.engine.containers == {}

    bench.run(main())


def test_a_job_whose_state_the_engine_does_not_tell_after_its_start_runs() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        bench.engine.refusals["inspect"] = RuntimeFailure(FailureClass.OTHER, "not now")
        row = await plant.apply(kind="job")
        assert bench.now(row).status is Status.RUNNING
        bench.engine.refusals.clear()
        bench.engine.exit(the_instance(bench).id, 0)
        await bench.wait(5)
        assert bench.now(row).status is Status.COMPLETED
        assert len(bench.engine.containers) == 1

    bench.run(main())


def test_creates_that_fail_end_in_failed_and_leave_nothing() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        bench.engine.refusals["start"] = RuntimeFailure(
            FailureClass.INSTANCE_REJECTED, "no such program"
        )
        row = await plant.apply(kind="job")
        assert bench.now(row).status is Status.CREATE_CONTAINER_ERROR
        await bench.wait(60)
        assert bench.now(row).status is Status.FAILED
        assert bench.now(row).restart_count == 5
        assert len(bench.messages(row, "instance_creation_failed")) == 5
        assert len(bench.messages(row, "job_failed")) == 1
        assert bench.engine.containers == {}

    bench.run(main())


def test_a_new_apply_of_a_failed_job_runs_it_again_once_the_old_one_is_gone() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        failed = await plant.apply(kind="job")
        bench.engine.exit(the_instance(bench).id, 3)
        await bench.wait(1)
        bench.held.hold("remove")
        again = await plant.apply(kind="job", if_changed=True)
        await bench.wait(5)
        assert again.id != failed.id
        assert bench.live() == []
        bench.held.release()
        await bench.wait(5)
        assert bench.now(again).status is Status.RUNNING
        assert the_instance(bench).deployment_id == again.id

    bench.run(main())


def test_a_job_that_is_completed_is_left_alone_by_an_apply_of_the_same() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        done = await plant.apply(kind="job")
        bench.engine.exit(the_instance(bench).id, 0)
        await bench.wait(1)
        assert (await plant.apply(kind="job", if_changed=True)).id == done.id

    bench.run(main())
