"""Invariants of a plan: what may be counted, created and changed, on what is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.core.model.ledger import Phase
from ring.core.model.observed import Unknown
from ring.core.model.operations import StartFailed, StartInstance
from ring.core.model.status import CREATING, FINAL, Status
from ring.core.plan.restart import NEVER_EXECUTED, budget
from tests.properties.sim.truth import forgiving_s
from tests.properties.sim.violation import require

if TYPE_CHECKING:
    from datetime import datetime

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId
    from ring.core.plan.view import Now, Plan, View
    from tests.properties.sim.world import World

JUDGED = {Phase.SETTLING, Phase.LIVE}


@dataclass(slots=True)
class Plans:
    world: World
    jumps: dict[tuple[DeploymentId, datetime | None], int] = field(default_factory=dict)
    """How often the wall clock had jumped when a row's wait was written."""

    def planned(self, view: View, now: Now, made: Plan) -> None:
        for row in view.rows:
            runtime = view.runtimes[row.spec.runtime]
            if isinstance(runtime.seen, Unknown):
                self._unknown_changes_nothing(row, made)
        for change in made.rows:
            if change.after.next_create_at != change.before.next_create_at:
                waits_until = change.after.next_create_at
                self.jumps[change.after.id, waits_until] = self.world.clock.jumps
            self._row_change(view, now, made, change.before, change.after)
        names = {row.id: row for row in view.rows} | {c.after.id: c.after for c in made.rows}
        for action in made.actions:
            if isinstance(action, StartInstance):
                self._may_start(names[action.deployment_id], now)
        self._never_executed(view, made)

    def _unknown_changes_nothing(self, row: Deployment, made: Plan) -> None:
        require(
            all(change.before.id != row.id for change in made.rows)
            and all(entry.deployment_id != row.id for entry in made.put_entries)
            and all(action.deployment_id != row.id for action in made.actions),
            f"4: a row of an unreachable runtime was changed: {row.id}",
        )

    def _row_change(
        self, view: View, now: Now, made: Plan, before: Deployment, after: Deployment
    ) -> None:
        require(before.spec == after.spec, "19: the engine wrote replicas")
        require(not before.is_deleted, "3: a deleted row was changed")
        if before.was_running:
            require(
                after.status not in CREATING,
                f"10: {before.status} → {after.status} after it had been running",
            )
        limit = budget(after.target)
        grown = after.restart_count > before.restart_count
        if grown and after.target and after.restart_count >= limit and not after.halt_reason:
            require(
                after.status is Status.CRASH_LOOP_BACK_OFF
                or after.status in FINAL
                or after.is_deleted,  # it has gone back to the version before
                f"7: {after.restart_count} failures of {limit} and {after.status}",
            )
        if grown:
            self._growth(view, made, before, after)
        elif after.restart_count < before.restart_count:
            self._forgiven(view, now, made, before, after)

    def _forgiven(
        self, view: View, now: Now, made: Plan, before: Deployment, after: Deployment
    ) -> None:
        require(after.restart_count == 0, "5: restart_count was lowered, not reset")
        told = [e for e in made.events if e.deployment_id == before.id]
        require(
            any(event.reason == "restart_count_reset" for event in told),
            "5: restart_count was reset without a word",
        )
        since = view.memory.healthy_since.get(before.id, now.mono)
        require(
            now.mono - since >= forgiving_s(before.spec) - 0.001,
            f"5: forgiven after {now.mono - since:.2f} s",
        )

    def _growth(self, view: View, made: Plan, before: Deployment, after: Deployment) -> None:
        failed = any(
            isinstance(o.result, StartFailed)
            and o.action.deployment_id == before.id
            and o.result.failure.kind is not FailureClass.CANCELLED
            and o.result.inputs is None  # what is missing costs nothing
            for o in view.outcomes
        )
        watch = self.world.watch
        told = [e.reason for e in made.events if e.deployment_id == before.id]
        run_again = before.is_job and "health_check_instance_restart" in told
        seen = view.runtimes[before.spec.runtime].seen
        instances = {} if isinstance(seen, Unknown) else seen.instances
        newly = [
            entry
            for entry in made.put_entries
            if entry.deployment_id == before.id
            and entry.phase is Phase.COUNTED
            and entry.instance_id not in watch.counted | watch.unseen | watch.intended
            and (instance := instances.get(entry.name)) is not None
            and instance.exit is not None
            and instance.exit.code != 0
        ]
        grown = after.restart_count - before.restart_count
        require(
            grown <= len(newly) + failed + run_again,
            f"5: restart_count grew by {grown} for {len(newly)} deaths, create failed: {failed}",
        )

    def _may_start(self, row: Deployment, now: Now) -> None:
        require(not row.is_deleted, "2: create for a deleted row")
        require(row.halt_reason is None, "2: create for a halted row")
        is_final = row.status in FINAL - {Status.INSUFFICIENT_RESOURCES}
        require(not is_final, f"2: create for a row that is {row.status}")
        jumps = self.jumps.get((row.id, row.next_create_at))
        if row.next_create_at is not None and self.world.clock.jumps == jumps:
            ahead = (row.next_create_at - now.wall).total_seconds()
            require(ahead <= 0.01, f"2: create {ahead:.2f} s before the end of its wait")

    def _never_executed(self, view: View, made: Plan) -> None:
        """A program that cannot be executed is not tried again."""
        after = {row.id: row for row in view.rows}
        after |= {change.after.id: change.after for change in made.rows}
        for entry in made.put_entries:
            known = view.ledger.get(entry.name)
            if entry.phase is not Phase.COUNTED or known is None or known.phase not in JUDGED:
                continue
            row = after.get(entry.deployment_id)
            seen = view.runtimes["docker"].seen
            instance = None if isinstance(seen, Unknown) else seen.instances.get(entry.name)
            end = instance.exit if instance is not None else None
            if end is not None and end.code in NEVER_EXECUTED and not (end.oom or end.missed):
                require(
                    row is not None and row.halt_reason is not None,
                    f"8: exit {end.code} and the row goes on",
                )
