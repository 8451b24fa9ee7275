"""What every rollout obeys, in whatever order things happen to it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ring.core.model.failures import FailureClass
from ring.core.model.ledger import Phase, Why
from ring.core.model.operations import OperationFailed, RemoveInstance, StartInstance
from ring.core.model.status import Status
from ring.core.plan.lineage import has_ended
from tests.core.plan.builders import Scene, actions, failure, reasons, spec
from tests.properties.scenes import carry_out

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.core.plan.view import Plan

CHECK = {
    "type": "tcp",
    "port": 80,
    "interval": "1s",
    "timeout": "1s",
    "on_failure": "alert",
    "readiness": True,
    "min_healthy_time": "1s",
}
EXAMPLES = settings(max_examples=80, deadline=None, derandomize=True)
CALM = ("carry_out", "green", "wait", "forget", "defect")
WILD = (*CALM, "carry_out", "wait", "red", "crash", "halt", "halt")
DELETED = (None, None, None, "delete_child", "delete_parent")


class World:
    """A parent at its full strength and a child that is only a row yet."""

    def __init__(self, old: int, new: int, *, gated: bool) -> None:
        self.scene = Scene()
        checks = [CHECK] if gated else [{**CHECK, "readiness": False, "min_healthy_time": None}]
        checks = [{k: v for k, v in one.items() if v is not None} for one in checks]
        self.parent = self.scene.row(row_id="old", spec=spec(replicas=old, health_checks=checks))
        for _ in range(old):
            self.scene.green(self.scene.up(self.parent))
        self.child = self.scene.row(
            Status.CREATING,
            row_id="new",
            spec=spec(replicas=new, image="nginx:1.26", health_checks=checks),
            parent_id=self.parent.id,
            age_s=0,
        )
        self.gated = gated
        self.wanted = min(old, new)
        self.calm = True
        self.failures = 0

    def live(self, row: Deployment) -> int:
        held = self.scene.held["docker"].values()
        ours = [one for one in held if one.deployment_id == row.id and one.is_live]
        going = [self.scene.ledger[one.name] for one in ours if one.name in self.scene.ledger]
        return len(ours) - sum(one.phase in {Phase.STOPPING, Phase.COUNTED} for one in going)

    def ready(self, row: Deployment) -> int:
        """By the engine, the ledger and the checks, apart from what the planner thinks."""
        count = 0
        for one in self.scene.held["docker"].values():
            entry = self.scene.ledger.get(one.name)
            state = self.scene.checks.get(one.id, {}).get(0)
            since = state.ready_since if state is not None and state.is_green else None
            windowed = since is not None and self.scene.mono - since >= 1
            up = entry is not None and entry.phase is Phase.LIVE and one.is_live
            count += one.deployment_id == row.id and up and (windowed or not self.gated)
        return count

    def row(self, row: Deployment) -> Deployment | None:
        return self.scene.rows.get(row.id)

    def step(self) -> Plan:
        before = self.row(self.parent)
        drained_before = self.drains()
        made = self.scene.step()
        self.check(made, before, drained_before)
        return made

    def drains(self) -> set[str]:
        return {
            e.name
            for e in self.scene.ledger.values()
            if e.reason is Why.DRAIN and e.phase is Phase.STOPPING
        }

    def check(self, made: Plan, before: Deployment | None, drained_before: set[str]) -> None:
        parent, child = self.row(self.parent), self.row(self.child)
        self.failures += reasons(made).count("rolling_update_failed")
        assert self.failures <= 1
        assert len(self.drains()) <= 1
        new_drains = self.drains() - drained_before
        if new_drains:
            assert child is not None
            assert child.status is Status.RUNNING
            assert self.ready(self.child) + self.live(self.parent) >= self.wanted
        if self.calm:
            assert self.ready(self.child) + self.live(self.parent) >= self.wanted
        if before is not None and parent is not None and before.drain_target is not None:
            ended = child is None or has_ended(child) or self.failures
            if parent.drain_target is None:
                assert ended
            else:
                assert parent.drain_target <= before.drain_target
                started = {one.deployment_id for one in actions(made, StartInstance)}
                assert self.parent.id not in started
        if "rolling_update_complete" in reasons(made):
            assert child is not None
            assert child.parent_id is None
            assert child.status is Status.RUNNING
            held = self.scene.held["docker"].values()
            assert parent is None or not [i for i in held if i.deployment_id == parent.id]

    # what happens
    def happens(self, draw: st.DataObject, what: str) -> None:
        scene = self.scene
        if what == "wait":
            scene.wait(draw.draw(st.sampled_from([0.1, 0.5, 1.0, 3.0])))
        elif what == "forget":
            scene.forgotten()
        elif what in {"carry_out", "defect"} and scene.operations:
            operation = draw.draw(st.sampled_from(scene.operations))
            if what == "defect" and isinstance(operation.action, RemoveInstance):
                scene.comes_of(operation, OperationFailed(failure(FailureClass.OTHER)))
            elif operation.action.deployment_id in scene.rows:
                carry_out(scene, operation)
        elif what in {"delete_child", "delete_parent"}:
            self.calm = False
            row = self.row(self.child if what == "delete_child" else self.parent)
            if row is not None:
                scene.rows[row.id] = replace(row, status=Status.DELETED, next_create_at=None)
        else:
            self._to_one(draw, what)

    def _to_one(self, draw: st.DataObject, what: str) -> None:
        live = [one for one in self.scene.held["docker"].values() if one.is_live]
        if not live or what in {"carry_out", "defect"}:
            return
        one = draw.draw(st.sampled_from(sorted(live, key=lambda each: each.name)))
        if what == "green":
            self.turn_green()
            return
        self.calm = False
        match what:
            case "red":
                self.scene.red(one)
            case "crash" | "halt" if one.deployment_id in self.scene.rows:
                self.scene.ends(one, 127 if what == "halt" else 1)

    def turn_green(self) -> None:
        for one in self.scene.held["docker"].values():
            state = self.scene.checks.get(one.id, {}).get(0)
            if one.is_live and (state is None or not state.is_green):
                self.scene.green(one, since=0)

    def goes_well(self, rounds: int, stuck: int) -> None:
        """For a while, but for so many starts of the child that take their time."""
        for _ in range(rounds):
            self.step()
            self.turn_green()
            starts = [o for o in self.scene.operations if isinstance(o.action, StartInstance)]
            for operation in list(self.scene.operations):
                if operation not in starts[:stuck]:
                    carry_out(self.scene, operation)
            self.scene.wait(0.5)

    def ends(self) -> None:
        """From here on all goes well."""
        quiet = 0
        for _ in range(400):
            made = self.step()
            self.turn_green()
            for operation in list(self.scene.operations):
                carry_out(self.scene, operation)
            self.scene.wait(1.0)
            quiet = 0 if made.writes or made.actions else quiet + 1
            if quiet > 70:  # the longest backoff is a minute
                return
        raise AssertionError(f"no end: {self.scene.step()}")


def begun(data: st.DataObject) -> World:
    """A rollout anywhere on its way."""
    counts = st.sampled_from([3, 2, 4, 1, 0])
    world = World(data.draw(counts), data.draw(counts), gated=data.draw(st.booleans()))
    world.goes_well(
        data.draw(st.sampled_from([8, 7, 9, 11, 13, 5, 0])), data.draw(st.integers(0, 3))
    )
    return world


@EXAMPLES
@given(st.data(), st.lists(st.sampled_from(CALM), max_size=20))
def test_without_crashes_a_rollout_ends_and_never_dips(
    data: st.DataObject, happenings: list[str]
) -> None:
    world = begun(data)
    for what in happenings:
        world.step()
        world.happens(data, what)
    world.ends()
    assert list(world.scene.rows) == [world.child.id]
    child = world.scene.rows[world.child.id]
    assert (child.parent_id, child.status) == (None, Status.RUNNING)
    assert world.live(child) == child.target
    assert world.failures == 0


@EXAMPLES
@given(st.data(), st.lists(st.sampled_from(WILD), min_size=4, max_size=20))
def test_whatever_happens_there_is_one_end(data: st.DataObject, happenings: list[str]) -> None:
    world = begun(data)
    for what in happenings:
        world.step()
        world.happens(data, what)
    if (deleted := data.draw(st.sampled_from(DELETED))) is not None:
        world.happens(data, deleted)
    world.ends()
    for row in world.scene.rows.values():
        assert row.drain_target is None
        if not has_ended(row):
            assert row.status is Status.RUNNING
            assert world.live(row) == row.target
    child, parent = world.row(world.child), world.row(world.parent)
    if child is not None and parent is not None:
        assert has_ended(child)
        assert world.failures == 1
    if child is not None and parent is None:
        assert child.parent_id is None
