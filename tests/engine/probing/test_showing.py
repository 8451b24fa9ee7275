"""What instances show of their health, on a runtime that has it shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.core.health import shown_check
from ring.core.model.failures import FailureClass
from ring.core.model.health import Health
from ring.core.model.status import Status
from ring.engine.probing.showing import TELL_S
from ring.runtimes.base import RuntimeFailure, Unavailable
from ring.runtimes.fake import FakeRuntime
from tests.engine.bench import WEB, Bench
from tests.engine.plant import Plant
from tests.engine.probing.scripted import GREEN, LATE, RED, Probes, check

if TYPE_CHECKING:
    from ring.core.model.ids import InstanceId
    from ring.core.model.observed import Instance
    from ring.runtimes.base import Order
    from ring.runtimes.fake import FakeEngine

STARTING, HEALTHY, UNHEALTHY = Health
REFUSED = RuntimeFailure(FailureClass.OTHER, "labels are out of stock")


class Board(FakeRuntime):
    """Its instances show their health."""

    def __init__(self, engine: FakeEngine) -> None:
        super().__init__(engine)
        self.told: list[Health] = []
        """What the engine was asked to show, in order."""

    async def create(self, order: Order) -> Instance:
        made = await super().create(order)
        if shown_check(order.spec) is None:
            return made
        return put_up(self.engine, made.id, Health.STARTING)

    async def show_health(self, instance_id: InstanceId, health: Health) -> None:
        self.told.append(health)
        await self._ask("show", instance_id, lambda: put_up(self.engine, instance_id, health))


def put_up(engine: FakeEngine, instance_id: InstanceId, health: Health | None) -> Instance:
    container = engine.container(instance_id)
    container.instance = replace(container.instance, health=health)
    return container.instance


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def board(bench: Bench) -> Board:
    bench.runtime = Board(bench.engine)
    return bench.runtime


@pytest.fixture
def probes(bench: Bench) -> Probes:
    return Probes(bench)


def ready(**members: object) -> dict[str, object]:
    return check("ready", readiness=True, min_healthy_time="0s", **members)


def shown(bench: Bench) -> list[Health | None]:
    return [one.health for one in bench.live()]


def told(bench: Bench) -> list[Health]:
    """By the server that runs now."""
    assert isinstance(bench.runtime, Board)
    return bench.runtime.told


def test_it_follows_the_check(bench: Bench, board: Board, probes: Probes) -> None:
    async def main() -> None:
        probes.takes_s = lambda _: 0.1
        plant = Plant(bench, probe=probes)
        await plant.start()
        await plant.apply(health_checks=[ready(threshold=3)])
        assert shown(bench) == [STARTING]
        await bench.wait(0.15)
        assert shown(bench) == [HEALTHY]
        await bench.wait(20)
        probes.status = lambda _, __: RED if len(probes.began["ready"]) % 2 else LATE
        await bench.wait(2)
        assert shown(bench) == [HEALTHY]
        await bench.wait(1)
        assert shown(bench) == [UNHEALTHY]
        await bench.wait(20)  # the check fires again and again
        assert len(plant.engine.prober.states(WEB)) == 1
        probes.status = lambda _, __: GREEN
        await bench.wait(1)
        assert shown(bench) == [HEALTHY]
        await bench.wait(60)
        assert board.told == [HEALTHY, UNHEALTHY, HEALTHY]

    bench.run(main())


def test_a_failure_that_does_not_last_changes_nothing(
    bench: Bench, board: Board, probes: Probes
) -> None:
    async def main() -> None:
        plant = Plant(bench, probe=probes)
        await plant.start()
        await plant.apply(health_checks=[ready(threshold=2)])
        await bench.wait(3)
        probes.status = lambda _, __: (RED, GREEN)[len(probes.began["ready"]) % 2]
        await bench.wait(30)
        assert board.told == [HEALTHY]

    bench.run(main())


def test_what_never_gets_ready_is_unhealthy_at_its_threshold(
    bench: Bench, board: Board, probes: Probes
) -> None:
    async def main() -> None:
        probes.status = lambda _, __: RED
        plant = Plant(bench, probe=probes)
        await plant.start()
        row = await plant.apply(health_checks=[ready(threshold=3)])
        await bench.wait(1.9)
        assert (shown(bench), board.told) == ([STARTING], [])
        await bench.wait(1)
        assert (shown(bench), board.told) == ([UNHEALTHY], [UNHEALTHY])
        assert bench.now(row).status is Status.CREATING

    bench.run(main())


def test_failures_do_not_count_within_the_start_period(
    bench: Bench, board: Board, probes: Probes
) -> None:
    async def main() -> None:
        probes.status = lambda _, __: RED
        plant = Plant(bench, probe=probes)
        await plant.start()
        await plant.apply(health_checks=[ready(threshold=2, start_period="9500ms")])
        await bench.wait(10.5)  # one probe after it
        assert (shown(bench), board.told) == ([STARTING], [])
        await bench.wait(1)
        assert (shown(bench), board.told) == ([UNHEALTHY], [UNHEALTHY])

    bench.run(main())


def test_the_first_success_ends_the_start_period(
    bench: Bench, board: Board, probes: Probes
) -> None:
    async def main() -> None:
        plant = Plant(bench, probe=probes)
        await plant.start()
        await plant.apply(health_checks=[ready(threshold=2, start_period="1h")])
        await bench.wait(1.5)
        probes.status = lambda _, __: RED
        await bench.wait(3)
        assert board.told == [HEALTHY, UNHEALTHY]

    bench.run(main())


def test_only_the_first_readiness_command_is_shown(
    bench: Bench, board: Board, probes: Probes
) -> None:
    tcp = {"type": "tcp", "port": 80, "interval": "1s", "timeout": "1s", "on_failure": "alert"}

    async def main() -> None:
        probes.status = lambda name, _: GREEN if name == "ready" else RED
        plant = Plant(bench, probe=probes)
        await plant.start()
        others = [check("alive"), {**tcp, "readiness": True}]
        await plant.apply(health_checks=[*others, ready(), check("second", readiness=True)])
        await bench.wait(10)
        assert (shown(bench), board.told) == ([HEALTHY], [HEALTHY])
        assert set(probes.began) >= {"tcp", "ready", "second"}

    bench.run(main())


def test_without_such_a_check_nothing_is_shown(bench: Bench, board: Board, probes: Probes) -> None:
    async def main() -> None:
        plant = Plant(bench, probe=probes)
        await plant.start()
        await plant.apply(health_checks=[check("alive")])
        await bench.wait(30)
        assert (shown(bench), board.told) == ([None], [])
        assert len(probes.began["alive"]) > 20

    bench.run(main())


def test_a_new_server_tells_only_what_is_shown_otherwise(
    bench: Bench, board: Board, probes: Probes
) -> None:
    async def main() -> None:
        plant = Plant(bench, probe=probes)
        task = await plant.start()
        await plant.apply(health_checks=[ready()])
        await bench.wait(5)
        await plant.kill(task)
        task = await plant.start()
        await bench.wait(5)
        assert (shown(bench), told(bench)) == ([HEALTHY], [])
        await plant.kill(task)
        put_up(bench.engine, bench.live()[0].id, None)
        probes.takes_s = lambda _: 30.0  # the state is the one of before
        await plant.start()
        await bench.wait(1)
        assert (shown(bench), told(bench)) == ([HEALTHY], [HEALTHY])

    bench.run(main())


def test_unhealthy_and_the_way_there_outlast_a_server(
    bench: Bench, board: Board, probes: Probes
) -> None:
    async def main() -> None:
        probes.status = lambda _, __: RED
        plant = Plant(bench, probe=probes)
        task = await plant.start()
        await plant.apply(health_checks=[ready(threshold=4)])
        await bench.wait(2.9)  # three failures
        await plant.kill(task)
        task = await plant.start()
        await bench.wait(0.5)
        assert (shown(bench), told(bench)) == ([UNHEALTHY], [UNHEALTHY])
        await plant.kill(task)
        put_up(bench.engine, bench.live()[0].id, Health.HEALTHY)  # as if it had not been told
        probes.takes_s = lambda _: 30.0
        await plant.start()
        await bench.wait(1)
        assert (shown(bench), told(bench)) == ([UNHEALTHY], [UNHEALTHY])

    bench.run(main())


def test_what_somebody_else_writes_is_set_right_by_the_next_listing(
    bench: Bench, board: Board, probes: Probes
) -> None:
    async def main() -> None:
        plant = Plant(bench, probe=probes)
        await plant.start()
        await plant.apply(health_checks=[ready()])
        await bench.wait(5)
        put_up(bench.engine, bench.live()[0].id, Health.UNHEALTHY)
        await bench.wait(11)
        assert (shown(bench), board.told) == ([HEALTHY], [HEALTHY, HEALTHY])

    bench.run(main())


def test_a_refusal_is_told_once_and_tried_again_and_disturbs_nothing(
    bench: Bench, board: Board, probes: Probes, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        bench.engine.refusals["show"] = REFUSED
        plant = Plant(bench, probe=probes)
        await plant.start()
        row = await plant.apply(replicas=2, health_checks=[ready()])
        await bench.wait(30.5)
        assert bench.now(row).status is Status.RUNNING
        assert len(probes.began["ready"]) == 2 * 31
        assert shown(bench) == [STARTING, STARTING]
        assert len(board.told) > 4
        said = [one for one in caplog.messages if "does not show its health" in one]
        assert len(said) == 2
        assert all(REFUSED.message in one for one in said)
        del bench.engine.refusals["show"]
        board.told.clear()
        await bench.wait(10)
        assert (shown(bench), board.told) == ([HEALTHY, HEALTHY], [HEALTHY, HEALTHY])
        bench.engine.refusals["show"] = REFUSED
        probes.status = lambda _, __: RED
        await bench.wait(10)
        said = [one for one in caplog.messages if "does not show its health" in one]
        assert len(said) == 4

    bench.run(main())


def test_while_the_engine_is_too_busy_one_call_waits_and_no_more(
    bench: Bench, board: Board, probes: Probes, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        bench.held.hold("show")
        plant = Plant(bench, probe=probes)
        await plant.start()
        row = await plant.apply(replicas=3, health_checks=[ready()])
        await bench.wait(TELL_S - 1)
        assert bench.now(row).status is Status.RUNNING
        assert len(board.told) == 1
        await bench.wait(2)
        assert f"no answer within {TELL_S:g} s" in caplog.text
        bench.held.holds = frozenset()
        await bench.wait(11.5)
        assert shown(bench) == [HEALTHY] * 3
        assert len(probes.began["ready"]) == 3 * 23

    bench.run(main())


def test_an_engine_that_cannot_be_reached_is_not_asked_for_the_rest(
    bench: Bench, board: Board, probes: Probes
) -> None:
    async def main() -> None:
        bench.engine.refusals["show"] = Unavailable("busy")
        plant = Plant(bench, probe=probes)
        await plant.start()
        probes.takes_s = lambda _: 0.5
        await plant.apply(replicas=3, health_checks=[ready(interval="1h")])
        await bench.wait(1)
        assert shown(bench) == [STARTING] * 3
        before = len(board.told)
        await bench.wait(10)  # one pass
        assert len(board.told) == before + 1

    bench.run(main())


def test_what_comes_while_it_is_told_is_told_next_and_only_the_newest(
    bench: Bench, board: Board, probes: Probes
) -> None:
    async def main() -> None:
        plant = Plant(bench, probe=probes)
        await plant.start()
        bench.held.hold("show")
        await plant.apply(health_checks=[ready(threshold=1)])
        probes.status = lambda _, __: RED
        await bench.wait(1)
        probes.status = lambda _, __: GREEN
        await bench.wait(1)
        assert board.told == [HEALTHY]
        bench.held.release()
        await bench.wait(0.5)
        assert (shown(bench), board.told) == ([HEALTHY], [HEALTHY])
        bench.held.hold("show")
        probes.status = lambda _, __: RED
        await bench.wait(1)
        probes.status = lambda _, __: GREEN
        await bench.wait(1)
        assert board.told == [HEALTHY, UNHEALTHY]
        bench.held.release()
        await bench.wait(0.2)
        assert (shown(bench), board.told) == ([HEALTHY], [HEALTHY, UNHEALTHY, HEALTHY])

    bench.run(main())


def test_one_that_is_gone_is_not_told_of(
    bench: Bench, board: Board, probes: Probes, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        plant = Plant(bench, probe=probes)
        await plant.start()
        bench.held.hold("show")
        row = await plant.apply(health_checks=[ready()])
        await bench.wait(1)
        await plant.delete(row)
        await bench.wait(5)
        assert bench.live() == []
        bench.held.release()
        await bench.wait(5)
        assert board.told == [HEALTHY]
        assert "does not show its health" not in caplog.text

    bench.run(main())
