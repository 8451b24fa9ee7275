"""The engine whole: from an accepted row to its instances, through stops, kills and outages."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import DeploymentId, InstanceName
from ring.core.model.operations import StartInstance
from ring.core.model.status import Status
from ring.core.plan.view import Limits
from ring.engine.engine import Engine, lane_widths, spread
from ring.engine.operating.starting import FINISH_S
from ring.engine.sampling.machine import Machine
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.fake import CAPABILITIES
from tests.engine.bench import DIGEST, WEB, Bench
from tests.engine.plant import Plant
from tests.engine.sampling.files import Files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import InstanceId
    from ring.core.model.observed import Instance


def ids(instances: tuple[Instance, ...] | list[Instance]) -> set[str]:
    return {instance.id for instance in instances}


# what is wanted comes to be


def test_a_row_gets_its_instances_and_then_nothing_is_written_any_more() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(replicas=3)
        await bench.wait(1)
        assert bench.now(row).status is Status.RUNNING
        assert bench.now(row).image_digest == DIGEST
        assert ids(plant.engine.instances(row.id)) == ids(bench.live())
        assert len(bench.live()) == 3
        assert bench.messages(row, "scale_up") == [
            f"Scaled up from {number} to {number + 1} replicas" for number in range(3)
        ]
        assert bench.reasons(row)[-1] == "state_transition"
        settled = bench.now(row)
        await bench.wait(60)
        assert bench.now(row) == settled

    bench.run(main())


def test_scaling_leaves_the_instances_that_remain_alone() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(replicas=2)
        await bench.wait(1)
        first = ids(bench.live())
        await plant.apply(replicas=5, if_changed=True)
        await bench.wait(1)
        assert len(bench.live()) == 5
        assert first < ids(bench.live())
        await plant.apply(replicas=1, if_changed=True)
        await bench.wait(1)
        assert len(bench.live()) == 1
        assert ids(bench.live()) < first
        assert len(bench.messages(row, "scale_down")) == 4
        assert "container_died" not in bench.reasons(row)

    bench.run(main())


@pytest.mark.parametrize("forged", [None, 0])
def test_a_crash_is_healed_at_once_and_forgiven_after_a_while(forged: int | None) -> None:
    bench = Bench()
    bench.engine.forged_code = forged

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply()
        await bench.wait(1)
        (dead,) = bench.live()
        bench.engine.exit(dead.id, 1)
        await bench.wait(0.5)
        assert len(bench.live()) == 1
        assert dead.id not in bench.engine.containers
        assert bench.now(row).restart_count == 1
        assert bench.now(row).status is Status.RUNNING
        await bench.wait(11)
        assert bench.now(row).restart_count == 0
        assert bench.reasons(row)[-1] == "restart_count_reset"

    bench.run(main())


@pytest.mark.parametrize("killed", [False, True])
def test_names_that_are_somebody_elses_cost_nothing_and_each_is_stored_before_it_is_tried(
    killed: bool,
) -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        task = await plant.start()
        row = await bench.accept()
        names = [InstanceName(f"media_web_{number:08x}") for number in (1, 2, 3)]
        theirs = [
            bench.made(replace(bench.order(row, name), deployment_id=DeploymentId("theirs")))
            for name in names
        ]
        bench.held.hold("create")
        plant.engine.wake(row.key)
        for name in names:
            await bench.idle()
            assert [request.about for request in bench.held.requests] == [name]
            assert set(bench.store.ledger(row.key)) == {name}
            if killed:
                bench.held.requests.clear()  # it never gets there
                await plant.kill(task)
                task = await plant.start()
            bench.held.requests.pop().perform()
        await bench.idle()
        bench.held.release()
        await bench.wait(1)
        (live,) = bench.live()
        assert live.deployment_id == row.id
        assert bench.now(row).status is Status.RUNNING
        assert bench.now(row).restart_count == 0
        assert "instance_creation_failed" not in bench.reasons(row)
        assert [bench.engine.inspect(one.id) for one in theirs] == theirs

    bench.run(main())


def test_a_copy_of_an_instance_is_left_alone_whatever_becomes_of_the_deployment() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        task = await plant.start()
        row = await plant.apply()
        await bench.wait(1)
        (original,) = bench.live()
        copy = bench.engine.copy_by_hand(original.id, "mine")
        await bench.wait(11)
        assert ids(plant.engine.instances(row.id)) == {original.id}
        bench.engine.remove_by_hand(original.id)
        await bench.wait(11)
        await plant.kill(task)
        await plant.start()
        await bench.wait(1)
        assert len(plant.engine.instances(row.id)) == 1
        await plant.delete(row)
        await bench.wait(31)
        assert bench.store.deployment(row.id) is None
        assert ids(bench.live()) == {copy}

    bench.run(main())


def test_what_is_removed_from_outside_is_replaced_uncounted() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(replicas=3)
        await bench.wait(1)
        bench.engine.remove_by_hand(bench.live()[0].id)
        await bench.wait(1)
        assert len(bench.live()) == 3
        assert bench.now(row).restart_count == 0
        assert "container_crashed" not in bench.reasons(row)

    bench.run(main())


def test_a_deleted_row_is_torn_down_seen_and_purged() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(replicas=2)
        await bench.wait(1)
        await plant.delete(row)
        await bench.wait(0.5)
        assert bench.engine.containers == {}
        assert bench.now(row).status is Status.DELETED
        assert "container_died" not in bench.reasons(row)
        await bench.wait(3)
        assert bench.store.deployments() == ()
        assert bench.store.is_tombstone(row.id)
        assert bench.engine.networks == {"ring_media"}

    bench.run(main())


@pytest.mark.parametrize("step", ["resolve_image", "create", "start"])
def test_a_delete_gives_up_what_is_being_created(step: str) -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        bench.held.hold(step)
        row = await plant.apply()
        await plant.delete(row)
        await bench.wait(FINISH_S if step == "create" else 0)
        assert plant.engine.operations.in_flight(WEB) == ()
        assert bench.engine.containers == {}
        bench.held.hold()
        await bench.wait(3)
        assert bench.store.deployments() == ()

    bench.run(main())


def test_a_replaced_row_is_gone_before_the_new_one_comes() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        old = await plant.apply()
        await bench.wait(1)
        bench.held.hold("stop")
        new = await plant.apply(command=["serve"])
        await bench.wait(5)
        assert {c.instance.deployment_id for c in bench.engine.containers.values()} == {old.id}
        bench.held.release()
        await bench.wait(3)
        assert {c.instance.deployment_id for c in bench.engine.containers.values()} == {new.id}
        assert bench.now(new).status is Status.RUNNING

    bench.run(main())


def test_an_operation_that_hangs_delays_no_other_deployment() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        bench.held.hold("resolve_image")
        slow = await plant.apply()
        bench.held.hold()
        quick = await plant.apply(name="db")
        await bench.wait(1)
        assert bench.now(quick).status is Status.RUNNING
        assert bench.now(slow).status is Status.CREATING

    bench.run(main())


def test_a_slow_pull_delays_only_its_own_deployment() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        bench.held.hold("resolve_image")
        slow = await plant.apply(replicas=8)
        bench.held.hold()
        quick = await plant.apply(name="db", replicas=2)
        await bench.wait(1)
        assert bench.now(quick).status is Status.RUNNING
        assert bench.now(slow).status is Status.CREATING

    bench.run(main())


def test_an_outage_changes_nothing_and_is_told_once() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(replicas=2)
        await bench.wait(1)
        before = ids(bench.live())
        bench.engine.go_away()
        await bench.wait(30)
        assert bench.now(row).status is Status.RUNNING
        assert bench.reasons(row).count("runtime_unavailable") == 1
        bench.engine.come_back()
        await bench.wait(31)
        assert ids(bench.live()) == before
        assert bench.now(row).restart_count == 0

    bench.run(main())


# stop and start


def test_a_stop_leaves_the_workloads_and_a_start_takes_them_over() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        task = await plant.start()
        row = await plant.apply(replicas=2)
        await bench.wait(1)
        before, settled = ids(bench.live()), bench.now(row)
        assert await plant.stop(task) < 0.1
        assert ids(bench.live()) == before
        await plant.kill(task)
        await plant.start()
        await bench.wait(30)
        assert ids(bench.live()) == before
        assert bench.now(row) == settled

    bench.run(main())


def test_a_stop_lets_what_is_in_flight_finish_and_stores_the_last_events() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        task = await plant.start()
        row = await plant.apply(replicas=2)
        await bench.wait(1)
        bench.held.hold("create")
        bench.engine.exit(bench.live()[0].id, 1)
        await bench.idle()
        bench.loop.call_later(2, bench.held.release)
        assert await plant.stop(task) == pytest.approx(2, abs=0.1)
        assert len(bench.live()) == 2
        assert "container_died" in bench.reasons(row)

    bench.run(main())


def test_a_stop_gives_up_what_takes_longer_than_six_seconds() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        task = await plant.start()
        await plant.apply()
        await bench.idle()
        bench.held.hold("create")
        await plant.apply(name="db")
        # Six seconds to finish, and one for the engine to make what is given up.
        assert await plant.stop(task) == pytest.approx(7, abs=0.1)
        assert {i.name[:9] for i in bench.live()} == {"media_web"}

    bench.run(main())


@pytest.mark.parametrize("step", ["ensure_network", "resolve_image", "create", "start", "inspect"])
@pytest.mark.parametrize("carried_out", [True, False])
def test_a_create_that_a_kill_interrupts_ends_as_if_nothing_had_been(
    step: str, carried_out: bool
) -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        task = await plant.start()
        bench.held.hold(step)
        row = await plant.apply()
        interrupted = list(bench.held.requests)
        assert [one.what for one in interrupted] == [step]
        bench.held.requests.clear()
        bench.held.hold("find", "stop", "remove")
        await plant.kill(task)
        bench.held.requests.clear()
        bench.held.hold()
        if carried_out:
            interrupted[0].carry_out()
        await plant.start()
        await bench.wait(3)
        assert bench.now(row).status is Status.RUNNING
        assert bench.now(row).restart_count == 0
        assert len(bench.engine.containers) == len(bench.live()) == 1
        assert set(bench.store.ledger(WEB)) == {bench.live()[0].name}

    bench.run(main())


def test_what_a_kill_interrupts_in_a_scale_down_is_not_counted() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        task = await plant.start()
        row = await plant.apply(replicas=3)
        await bench.wait(1)
        bench.held.hold("stop")
        await plant.apply(replicas=1, if_changed=True)
        stops = list(bench.held.requests)
        assert len(stops) == 2
        bench.held.requests.clear()
        await plant.kill(task)
        bench.held.hold()
        for request in stops:
            request.carry_out()
        await plant.start()
        await bench.wait(3)
        assert len(bench.engine.containers) == 1
        assert bench.now(row).restart_count == 0
        assert bench.now(row).status is Status.RUNNING
        assert "container_crashed" not in bench.reasons(row)

    bench.run(main())


def test_what_ends_while_ring_is_down_is_replaced_uncounted() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        task = await plant.start()
        row = await plant.apply(replicas=5)
        await bench.wait(1)
        await plant.stop(task)
        await plant.kill(task)
        for instance in bench.live():
            bench.engine.stop_by_hand(instance.id, 0)
        await bench.wait(60)
        await plant.start()
        await bench.wait(3)
        assert len(bench.live()) == 5
        assert bench.now(row).restart_count == 0
        assert bench.now(row).status is Status.RUNNING
        assert len(bench.messages(row, "instances_recovered")) == 1

    bench.run(main())


def test_an_instance_of_a_purged_row_that_turns_up_late_is_removed() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply()
        await bench.wait(1)
        await plant.delete(row)
        await bench.wait(5)
        bench.running(bench.order(row, bench.name()))
        await bench.wait(11)
        assert bench.engine.containers == {}

    bench.run(main())


def test_an_instance_of_an_unknown_row_is_left_alone() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        row = await plant.apply()
        theirs = bench.running(bench.order(row, bench.name(), server_id="another"))
        container = bench.engine.containers[theirs.id]
        container.instance = type(theirs)(
            theirs.id,
            theirs.name,
            DeploymentId("unknown"),
            "another",
            theirs.state,
            theirs.created_at,
        )
        await plant.start()
        await bench.wait(30)
        assert theirs.id in ids(bench.live())
        assert len(bench.live()) == 2

    bench.run(main())


# parts that break


def test_a_part_that_breaks_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        original = bench.runtime.list
        broken = [ZeroDivisionError("by zero")]

        async def listed() -> tuple[Instance, ...]:
            if broken:
                raise broken.pop()
            return await original()

        bench.runtime.list = listed  # type: ignore[method-assign]  # a bug of an adapter
        row = await bench.accept()
        await plant.start()
        assert "the observer of docker failed and is started again" in caplog.text
        await bench.wait(3)
        assert bench.now(row).status is Status.RUNNING

    with caplog.at_level(logging.ERROR):
        bench.run(main())


def test_a_defect_in_a_piece_of_work_does_not_end_the_engine(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def broken(instance_id: InstanceId, grace_s: float | None) -> None:
        raise ZeroDivisionError("by zero")

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply()
        await bench.wait(1)
        await plant.delete(row)
        await bench.wait(5)
        bench.running(bench.order(row, bench.name()))
        bench.runtime.stop = broken  # type: ignore[method-assign]  # a bug of an adapter
        await bench.wait(11)
        assert "a piece of the engine's work failed" in caplog.text
        del bench.runtime.stop
        again = await plant.apply()
        await bench.wait(1)
        assert bench.now(again).status is Status.RUNNING

    with caplog.at_level(logging.ERROR):
        bench.run(main())


def test_a_kill_begins_nothing_new() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        task = await plant.start()
        bench.held.hold("create")
        await plant.apply(replicas=8)
        assert len(bench.held.requests) == 4
        task.cancel()
        await bench.idle()
        assert task.cancelled()
        assert len(bench.held.requests) == 4
        assert bench.engine.containers == {}

    bench.run(main())


def test_nothing_is_begun_on_an_engine_that_does_not_run() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        row = await bench.accept()
        with pytest.raises(RuntimeError, match="the engine is not running"):
            plant.engine.operations.begin(WEB, "docker", StartInstance(row.id, bench.name()))
        await bench.idle()
        assert bench.engine.networks == set()

    bench.run(main())


# for the API


def test_only_what_runs_is_shown() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(replicas=2)
        await bench.wait(1)
        shown = plant.engine.instances(row.id)
        assert [one.created_at for one in shown] == sorted(one.created_at for one in shown)
        bench.held.hold("create", "start", "stop", "remove")
        bench.engine.exit(shown[0].id, 1)
        await bench.idle()
        assert ids(plant.engine.instances(row.id)) == {shown[1].id}
        assert plant.engine.instances(DeploymentId("unknown")) == ()
        elsewhere = await bench.accept(name="far", runtime="podman")
        assert plant.engine.instances(elsewhere.id) == ()

    bench.run(main())


def test_capabilities_are_those_of_every_runtime() -> None:
    bench = Bench()

    async def main() -> None:
        assert Plant(bench).engine.capabilities() == {"docker": CAPABILITIES}

    bench.run(main())


def test_a_tag_has_moved_when_the_registry_says_another_digest() -> None:
    bench = Bench()

    async def main() -> None:
        engine = Plant(bench).engine
        row = await bench.accept()
        assert not await engine.image_moved(row)
        row = await bench.change(row, image_digest=DIGEST)
        assert not await engine.image_moved(row)
        bench.engine.registry["nginx:1.25"] = "sha256:" + "2" * 64
        assert await engine.image_moved(row)
        del bench.engine.registry["nginx:1.25"]
        assert not await engine.image_moved(row)
        elsewhere = await bench.accept(name="far", runtime="podman")
        assert not await engine.image_moved(
            await bench.change(elsewhere, image_digest="sha256:" + "3" * 64)
        )

    bench.run(main())


def test_a_registry_that_cannot_be_asked_has_moved_nothing() -> None:
    bench = Bench()

    async def main() -> None:
        engine = Plant(bench).engine
        row = await bench.change(await bench.accept(), image_digest="sha256:" + "2" * 64)
        bench.engine.refusals["remote_digest"] = RuntimeFailure(FailureClass.OTHER, "denied")
        assert not await engine.image_moved(row)
        bench.engine.refusals.clear()
        bench.held.hold("remote_digest")
        began = bench.loop.time()
        assert not await engine.image_moved(row)
        assert bench.loop.time() - began == pytest.approx(5, abs=0.1)

    bench.run(main())


def test_an_engine_can_be_made_with_nothing_but_what_it_needs() -> None:
    bench = Bench()

    async def main() -> None:
        engine = Engine(bench.store, {}, bench.clock, Limits(), files=bench.files)
        assert engine.capabilities() == {}

    bench.run(main())
    assert lane_widths()["stops"] == 32
    assert all(0.8 <= spread() <= 1.2 for _ in range(100))


# what they take


def test_an_engine_that_runs_looks_at_what_its_instances_take(tmp_path: Path) -> None:
    bench = Bench()
    files = Files(tmp_path, unified=True)

    async def main() -> None:
        plant = Plant(bench, machine=Machine(bench.clock.mono, tmp_path))
        await plant.start()
        row = await plant.apply(replicas=2)
        await bench.wait(2)
        for container in bench.engine.containers.values():
            files.process(container.pid, container.instance.id)
        await bench.wait(11)

        (taken,) = plant.engine.statistics.snapshot.taken
        assert (taken.deployment_id, taken.instances, taken.usage.pids) == (row.id, 2, 6)

    bench.run(main())


def test_passes_that_have_something_to_do_are_told_and_no_others() -> None:
    bench = Bench()
    told: list[tuple[list[str], Status]] = []

    def passed(rows: Sequence[Deployment], began: datetime, ended: datetime) -> None:
        assert began <= ended
        told.append(([row.id for row in rows], rows[0].status))

    async def main() -> None:
        plant = Plant(bench, passed=passed)
        await plant.start()
        row = await plant.apply(replicas=1)
        await bench.wait(1)
        assert told[0] == ([row.id], Status.CREATING)
        assert told[-1] == ([row.id], Status.RUNNING)
        await bench.wait(30)  # what is forgiven with time is a pass with something to do, too
        settled = len(told)
        await bench.wait(120)
        assert len(told) == settled

    bench.run(main())
