"""Which names a runtime that answers them is told of, by the start and by passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import GroupKey
from ring.core.model.status import Status
from ring.core.plan.planner import plan
from ring.engine.discovering import Discovering
from ring.runtimes.fake import FakeRuntime
from tests.engine.bench import AUTHOR, WEB, Bench
from tests.engine.plant import Plant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.core.model.ids import InstanceId
    from ring.core.plan.view import NameSource, Now, Plan, View
    from ring.runtimes.fake import FakeEngine


class Answering(FakeRuntime):
    """Answers names by itself."""

    def __init__(self, engine: FakeEngine) -> None:
        super().__init__(engine)
        self.known: set[GroupKey] = set()
        self.ready: dict[InstanceId, bool] = {}

    def note_ready(self, ready: Mapping[InstanceId, bool]) -> None:
        self.ready |= ready

    def note_deployed(self, key: GroupKey, *, is_there: bool) -> None:
        if is_there:
            self.known.add(key)
        else:
            self.known.discard(key)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def answering(bench: Bench) -> Answering:
    bench.runtime = Answering(bench.engine)
    return bench.runtime


def test_a_name_is_known_from_the_first_pass_until_the_deletion(
    bench: Bench, answering: Answering
) -> None:
    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        bench.held.hold("create")
        row = await plant.apply()
        assert answering.known == {WEB}
        assert bench.live() == []
        bench.held.release()
        await bench.wait(12)
        assert bench.now(row).status is Status.RUNNING
        await plant.apply(replicas=0)
        await bench.wait(12)
        assert (bench.live(), answering.known) == ([], {WEB})
        await plant.delete(bench.store.rows(WEB)[-1])
        assert answering.known == set()
        await bench.wait(12)
        assert bench.store.rows(WEB) == ()
        assert answering.known == set()

    bench.run(main())


def test_what_has_no_network_of_its_own_has_no_name(bench: Bench, answering: Answering) -> None:
    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        await plant.apply()
        await plant.apply(network={"mode": "host"})
        await bench.wait(30)
        assert [row.spec.network_mode for row in bench.store.rows(WEB)] == ["host"]
        assert answering.known == set()

    bench.run(main())


def test_the_start_tells_of_all_there_are(bench: Bench, answering: Answering) -> None:
    async def main() -> None:
        await bench.accept()
        await bench.accept(name="api")
        await bench.accept(name="edge", network={"mode": "host"})
        gone = await bench.accept(name="gone")
        await bench.store.delete(gone.id, AUTHOR)
        other = Answering(bench.engine)
        discovering = Discovering({"docker": answering, "containerd": other})
        discovering.begin(bench.store.deployments())
        assert answering.known == {WEB, GroupKey("media", "api")}
        assert other.known == set()

    bench.run(main())


def test_a_started_engine_has_told_before_its_first_pass(
    bench: Bench, answering: Answering
) -> None:
    async def main() -> None:
        await bench.accept()
        await bench.accept(name="api")
        known: list[set[GroupKey]] = []

        def planner(view: View, now: Now, names: NameSource) -> Plan:
            known.append(set(answering.known))
            return plan(view, now, names)

        await Plant(bench, planner=planner).start()
        assert known[0] == {WEB, GroupKey("media", "api")}

    bench.run(main())
