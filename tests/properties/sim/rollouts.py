"""Invariants of rolling updates, judged by the plans that make them and by what was committed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.model.ledger import Phase, Why
from ring.core.model.observed import Unknown
from ring.core.model.operations import StartInstance
from ring.core.model.status import CREATING, Status
from tests.properties.sim.truth import GRAIN_S, is_up, readiness, window_s
from tests.properties.sim.violation import require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId, InstanceName
    from ring.core.model.ledger import Entry
    from ring.core.model.observed import Instance
    from ring.core.plan.view import Now, Plan, View
    from tests.properties.sim.world import World

ONCE = (
    "rolling_update_failed",
    "rolling_update_complete",
    "readiness_deadline_exceeded",
)
"""Event reasons of which a row has one at most."""
PRESENT = {Phase.CREATING, Phase.SETTLING, Phase.LIVE}
STANDING = {Phase.SETTLING, Phase.LIVE}
STEP_S = 1.0


@dataclass(slots=True)
class Rollouts:
    world: World
    told: Counter[tuple[DeploymentId, str]] = field(default_factory=Counter)
    stepped: dict[DeploymentId, tuple[int, float]] = field(default_factory=dict)
    """By child: in which server process, and when, its last step was taken."""
    promoted: dict[DeploymentId, tuple[int, float]] = field(default_factory=dict)

    # a plan
    def planned(self, view: View, now: Now, made: Plan) -> None:
        before = {row.id: row for row in view.rows}
        after = before | {change.after.id: change.after for change in made.rows}
        put = {entry.name: entry for entry in made.put_entries}
        for change in made.rows:
            if change.after.status is Status.RUNNING and change.before.status in CREATING:
                self._was_ready(view, now, made, change.after)
            if change.after.is_deleted and not change.before.is_deleted:
                self._may_end(view, now, made, change.before)
            self._drains_downwards(change.before, change.after, after)
        for action in made.actions:
            if isinstance(action, StartInstance) and not action.resume:
                row = after[action.deployment_id]
                present = [
                    e
                    for e in ({**view.ledger, **put}).values()
                    if e.deployment_id == row.id and e.phase in PRESENT
                ]
                require(
                    row.drain_target is None or len(present) <= row.drain_target,
                    f"14: {row.id} is drained to {row.drain_target} and makes an instance",
                )
        self._capacity(view, now, made, after)

    def _was_ready(self, view: View, now: Now, made: Plan, row: Deployment) -> None:
        """9: the gate was ready when `running` was declared."""
        if row.is_job or not readiness(row.spec) or row.target == 0:
            return
        entries = [
            entry
            for entry in _left_by(view, made)
            if entry.deployment_id == row.id and is_up(entry, _instances(view, row))
        ]
        require(bool(entries), "9: running without a live instance")
        for entry in entries:
            self._require_window("9: running", row, entry, now)

    def _require_window(self, what: str, row: Deployment, entry: Entry, now: Now) -> None:
        for said in self.world.watch.truth.greens(row.spec, entry.instance_id):
            require(said.is_green, f"{what} while {entry.name} is not ready")
            if said.jumps == self.world.clock.jumps:
                green_s = now.mono - said.green_since
                wanted = window_s(row.spec)
                require(
                    green_s >= wanted - GRAIN_S,
                    f"{what} with {entry.name} ready for {green_s:.2f} of {wanted:.2f} s",
                )

    def _may_end(self, view: View, now: Now, made: Plan, row: Deployment) -> None:
        """15: a parent goes when nothing of it is left and its child is running and ready."""
        told = {event.reason for event in made.events if event.deployment_id == row.id}
        if "health_check_stop" in told:
            return
        if row.id in made.revert:
            return
        heirs = [
            change.after
            for change in made.rows
            if change.before.parent_id == row.id and change.after.parent_id is None
        ]
        if not heirs and row.parent_id is not None:
            after = {change.after.id: change.after for change in made.rows}
            back = {e.reason for e in made.events if e.deployment_id == row.parent_id}
            require("rolled_back" in back, f"15: the engine deletes the child {row.id}: {told}")
            require(row.parent_id not in after or not after[row.parent_id].is_deleted, "15: both")
            return
        require(len(heirs) == 1, f"15: the engine deletes {row.id} for {len(heirs)} heirs")
        left = [
            e.name
            for e in view.ledger.values()
            if e.deployment_id == row.id and e.name not in made.drop_entries
        ]
        require(not left, f"15: the parent is deleted with {left} left")
        heir = heirs[0]
        require(heir.status is Status.RUNNING, f"15: the parent is deleted for a {heir.status}")
        self._serves("15: the parent is deleted", view, now, made, heir)

    def _serves(self, what: str, view: View, now: Now, made: Plan, child: Deployment) -> None:
        """All that this very plan leaves up is ready, and something is."""
        up = [
            entry
            for entry in _left_by(view, made)
            if entry.deployment_id == child.id and is_up(entry, _instances(view, child))
        ]
        require(bool(up) or child.target == 0, f"{what} for {child.id}, which has nothing up")
        for entry in up:
            self._require_window(what, child, entry, now)

    def _drains_downwards(
        self, before: Deployment, after: Deployment, rows: Mapping[DeploymentId, Deployment]
    ) -> None:
        """14: a drain only goes down, until the rollout is over; a child is never drained."""
        if after.drain_target is None or after.is_deleted:
            return
        parent = None if after.parent_id is None else rows.get(after.parent_id)
        require(parent is None or parent.is_deleted, f"14: the child {after.id} is drained")
        require(
            before.drain_target is None or after.drain_target <= before.drain_target,
            f"14: drained to {before.drain_target}, then to {after.drain_target}",
        )
        in_progress = [r for r in rows.values() if r.parent_id == after.id and not _has_ended(r)]
        if after.drain_target != before.drain_target:
            require(bool(in_progress), f"14: {after.id} is drained for nobody")

    def _capacity(
        self,
        view: View,
        now: Now,
        made: Plan,
        after: Mapping[DeploymentId, Deployment],
    ) -> None:
        """13: what a rollout takes away leaves the smaller of both targets ready."""
        put = {entry.name: entry for entry in made.put_entries}
        taken = [
            known
            for name, entry in put.items()
            if entry.phase is Phase.STOPPING
            and entry.reason is Why.DRAIN
            and (known := view.ledger.get(name)) is not None
            and known.phase in STANDING
        ]
        if not taken:
            return
        require(len(taken) == 1, f"13: {len(taken)} instances are drained at once")
        parent = after[taken[0].deployment_id]
        going = [
            e
            for e in view.ledger.values()
            if e.deployment_id == parent.id
            and e.phase is Phase.STOPPING
            and e.reason is Why.DRAIN
            and e.name not in made.drop_entries
        ]
        require(not going, f"13: a step while {[e.name for e in going]} still goes")
        children = [r for r in after.values() if r.parent_id == parent.id and not r.is_deleted]
        children = [r for r in children if not _has_ended(r)]
        require(len(children) == 1, f"13: a step for {len(children)} children")
        child = children[0]
        require(child.status is Status.RUNNING, f"13: a step for a {child.status} child")
        ready = {row.id: self._ready(view, row, put, now) for row in (parent, child)}
        self._serves("13: a step", view, now, made, child)
        self._spaced(child, now)
        was_ready = self._is_ready(view, parent, taken[0], now, surely=True)
        if was_ready:
            least = min(parent.full_target, child.full_target)
            capacity = len(ready[parent.id]) + len(ready[child.id])
            require(
                capacity >= least,
                f"13: a ready instance is drained and {capacity} of {least} are left",
            )

    def _ready(
        self, view: View, row: Deployment, put: Mapping[InstanceName, Entry], now: Now
    ) -> Sequence[InstanceName]:
        return [
            entry.name
            for entry in {**view.ledger, **put}.values()
            if entry.deployment_id == row.id and self._is_ready(view, row, entry, now, surely=False)
        ]

    def _is_ready(
        self, view: View, row: Deployment, entry: Entry, now: Now, *, surely: bool
    ) -> bool:
        """surely: whatever a wall clock that jumped may have made of its window."""
        if not is_up(entry, _instances(view, row)):
            return False
        jumps, window = self.world.clock.jumps, window_s(row.spec)
        for said in self.world.watch.truth.greens(row.spec, entry.instance_id):
            is_over = now.mono - said.green_since >= window - GRAIN_S
            is_certain = said.jumps == jumps
            if not said.is_green or not (
                is_over and is_certain if surely else is_over or not is_certain
            ):
                return False
        return True

    def _spaced(self, child: Deployment, now: Now) -> None:
        """A second between two steps, and between `running` and the first."""
        for what, known in (("step", self.stepped), ("running", self.promoted)):
            process, at = known.get(child.id, (-1, 0.0))
            if process == self.world.process:
                require(
                    now.mono - at >= STEP_S - GRAIN_S,
                    f"13: a step {now.mono - at:.2f} s after the last {what}",
                )

    # durable
    def committed(self, view: View, now: Now, made: Plan) -> None:
        for event in made.events:
            if event.reason in ONCE:
                key = (event.deployment_id, event.reason)
                self.told[key] += 1
                require(self.told[key] == 1, f"8.4: {event.reason} told again")
        for change in made.rows:
            if change.after.status is Status.RUNNING and not change.before.was_running:
                self.promoted[change.after.id] = (self.world.process, now.mono)
        drained = {
            e.deployment_id
            for e in made.put_entries
            if e.phase is Phase.STOPPING
            and e.reason is Why.DRAIN
            and (known := view.ledger.get(e.name)) is not None
            and known.phase in STANDING
        }
        for row in view.rows:
            if row.parent_id in drained:
                self.stepped[row.id] = (self.world.process, now.mono)


def _has_ended(row: Deployment) -> bool:
    ended = {Status.FAILED, Status.COMPLETED, Status.CRASH_LOOP_BACK_OFF, Status.DELETED}
    return row.halt_reason is not None or row.status in ended


def _left_by(view: View, made: Plan) -> list[Entry]:
    """The ledger once the plan is durable."""
    put = {entry.name: entry for entry in made.put_entries}
    after = {**view.ledger, **put}
    return [entry for name, entry in after.items() if name not in made.drop_entries]


def _instances(view: View, row: Deployment) -> Mapping[InstanceName, Instance]:
    runtime = view.runtimes.get(row.spec.runtime)
    if runtime is None or isinstance(runtime.seen, Unknown):
        return {}
    return runtime.seen.instances
