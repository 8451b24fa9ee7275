"""A plan while it is being made: the group's working copy and what has been decided so far.

Mutable and private to one call of plan(); from outside the planner stays a pure function.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ring.core.model import stopping
from ring.core.model.events import EventDraft, Level
from ring.core.model.failures import SCHEDULER
from ring.core.model.ledger import Entry, Phase, Why
from ring.core.model.operations import RemoveInstance, StartInstance
from ring.core.plan.view import Memory, Plan, RowChange

__all__ = ["SCHEDULER", "Draft", "RowDraft"]

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.core.model.health import Fired
    from ring.core.model.ids import DeploymentId, InstanceId, InstanceName, OperationId
    from ring.core.model.observed import Instance, Listing
    from ring.core.model.operations import Action, OperationView, Outcome
    from ring.core.plan.view import Limits, NameSource, Now, View


class Draft:
    """The whole group: what the rows' drafts add up to."""

    def __init__(self, view: View, now: Now, names: NameSource) -> None:
        self.view = view
        self.now = now
        self.names = names
        self.entries: dict[InstanceName, Entry] = dict(view.ledger)
        self.events: list[EventDraft] = []
        self.actions: list[Action] = []
        self.cancel: set[OperationId] = set()
        self.folded: list[OperationId] = []
        # Also of a runtime that does not answer: that may be why they fired.
        self.acted: list[int] = [fired.id for fired in view.fired]
        self.revert: list[DeploymentId] = []
        self.refresh: set[str] = set()
        self.rows: list[RowChange] = []
        self.purge: list[Deployment] = []
        self.reasons: dict[DeploymentId, str] = {}
        self.wake_at: float | None = None
        memory = view.memory
        self.due = dict(memory.due)
        self.hold = dict(memory.hold)
        self.lacking = dict(memory.lacking)
        self.healthy_since = dict(memory.healthy_since)
        self.batch_end = dict(memory.batch_end)
        self.settle_at = dict(memory.settle_at)
        self.retry_at = dict(memory.retry_at)
        self.put_back = dict(memory.put_back)
        self.empty_since = dict(memory.empty_since)
        self.deleted_since = dict(memory.deleted_since)
        self.deadline = dict(memory.deadline)
        self.green_at = dict(memory.green_at)
        self.stepped_at = dict(memory.stepped_at)
        self.unreachable = set(memory.unreachable)
        self.in_flight = {op.action.name: op for op in view.operations}

    def wake(self, at: float) -> None:
        """The group wants a pass at this monotonic time, at the latest."""
        if self.wake_at is None or at < self.wake_at:
            self.wake_at = at

    def finish(self) -> Plan:
        before = self.view.ledger
        rows = {row.id for row in self.view.rows}
        names = self.entries.keys()

        def kept(table: dict[DeploymentId, float]) -> dict[DeploymentId, float]:
            # Nearly all are empty nearly always, and a sweep asks for all of them of every group.
            return {row: at for row, at in table.items() if row in rows} if table else {}

        return Plan(
            based_on=self.view.rows,
            rows=tuple(self.rows),
            purge=tuple(self.purge),
            put_entries=tuple(
                e for n, e in self.entries.items() if (was := before.get(n)) is not e and was != e
            ),
            drop_entries=tuple(name for name in before if name not in self.entries),
            events=tuple(self.events),
            actions=tuple(self.actions),
            cancel=tuple(sorted(self.cancel)),
            folded=tuple(self.folded),
            acted=tuple(self.acted),
            revert=tuple(self.revert),
            refresh=frozenset(self.refresh),
            wake_at=self.wake_at,
            memory=Memory(
                due={row: due for row, due in self.due.items() if row in rows},
                hold=kept(self.hold),
                lacking={row: lack for row, lack in self.lacking.items() if row in rows},
                healthy_since=kept(self.healthy_since),
                batch_end=kept(self.batch_end),
                settle_at={n: at for n, at in self.settle_at.items() if n in names},
                retry_at={n: at for n, at in self.retry_at.items() if n in names},
                put_back={n: at for n, at in self.put_back.items() if n in names},
                empty_since=kept(self.empty_since),
                deleted_since=kept(self.deleted_since),
                deadline=kept(self.deadline),
                green_at=kept(self.green_at),
                stepped_at=kept(self.stepped_at),
                unreachable=frozenset(self.unreachable & rows),
            ),
            reasons=self.reasons,
        )


class RowDraft:
    """One row's share of the draft: its instances, entries, operations and outcomes."""

    def __init__(self, draft: Draft, row: Deployment, seen: Listing) -> None:
        self.draft = draft
        self.now = draft.now
        self.before = row
        self.row = row
        self.seen = seen
        self.instances: dict[InstanceName, Instance] = {
            name: i for name, i in seen.instances.items() if i.deployment_id == row.id
        }
        self.vanished = 0
        """Instances that are gone, in whose name another one is there."""
        self.failed = False
        """Something was counted or refused in this pass."""
        self.promoted = False
        """An instance was confirmed live in this pass."""
        self.names_taken = 0
        """StartInstance.names_taken of what this pass starts."""
        self.asked_s = 0.0
        """How long whoever refused a create in this pass asks to be left alone."""

    @property
    def limits(self) -> Limits:
        return self.draft.view.limits

    @property
    def runtime(self) -> str:
        return self.row.spec.runtime

    def close(self) -> None:
        if self.row != self.before:
            self.draft.rows.append(RowChange(self.before, self.row))

    # rows and events
    def change(self, **fields: object) -> None:
        self.row = replace(self.row, **fields)  # type: ignore[arg-type]  # checked by its callers' tests

    def event(
        self,
        level: Level,
        reason: str,
        message: str,
        component: str = "",
        *,
        instances: int | None = None,
        instance_id: InstanceId | None = None,
        parent_id: DeploymentId | None = None,
        detail: str | None = None,
    ) -> None:
        component = component or self.runtime
        self.draft.events.append(
            EventDraft(
                self.row.id,
                level,
                reason,
                message,
                component,
                instances,
                instance_id,
                parent_id,
                detail,
            )
        )

    def reason(self, text: str) -> None:
        self.draft.reasons[self.row.id] = text

    # ledger
    def entries(self, *phases: Phase) -> list[Entry]:
        """This row's entries, in these phases (none named: in any)."""
        return [
            entry
            for entry in self.draft.entries.values()
            if entry.deployment_id == self.row.id and (not phases or entry.phase in phases)
        ]

    def entry(self, name: InstanceName) -> Entry | None:
        found = self.draft.entries.get(name)
        return found if found is not None and found.deployment_id == self.row.id else None

    def put(self, entry: Entry) -> None:
        self.draft.entries[entry.name] = entry

    def drop(self, entry: Entry) -> None:
        self.draft.entries.pop(entry.name, None)
        self.draft.settle_at.pop(entry.name, None)
        self.draft.retry_at.pop(entry.name, None)
        self.draft.put_back.pop(entry.name, None)

    def move(self, entry: Entry, phase: Phase, reason: Why | None = None) -> Entry:
        """The entry in its new phase; `since` is when it got there."""
        if reason is None and entry.reason is Why.ATTEMPT and phase in {Phase.SETTLING, Phase.LIVE}:
            reason = Why.ATTEMPT
        moved = replace(entry, phase=phase, reason=reason, since=self.now.wall)
        self.put(moved)
        if phase is not entry.phase:
            self.draft.retry_at.pop(entry.name, None)  # what was tried was something else
        return moved

    # operations
    def operation(self, name: InstanceName) -> OperationView | None:
        return self.draft.in_flight.get(name)

    def is_busy(self, name: InstanceName) -> bool:
        """An operation on it is in flight, or begins with this plan."""
        return self.operation(name) is not None or any(
            action.name == name for action in self.draft.actions
        )

    def outcomes(self) -> list[Outcome]:
        return [o for o in self.draft.view.outcomes if o.action.deployment_id == self.row.id]

    def fired(self) -> list[Fired]:
        """Its checks that ask for something."""
        return [one for one in self.draft.view.fired if one.deployment_id == self.row.id]

    def act(self, action: Action) -> None:
        self.draft.actions.append(action)

    def cancel_start(self, entry: Entry, reason: Why) -> None:
        """Gives up an instance that is still being created."""
        operation = self.operation(entry.name)
        if operation is not None and isinstance(operation.action, StartInstance):
            self.draft.cancel.add(operation.id)
        self.move(entry, Phase.STOPPING, reason)

    def remove_marked(self) -> None:
        """Begins the removal of everything that is only there to be removed.

        What is not seen is looked for by its name: a create that was repeated after a kill may
        have made another instance under it than the entry knows.
        """
        grace_s = stopping.grace_s(self.row.spec)
        for entry in self.entries(Phase.STOPPING, Phase.COUNTED):
            is_kept = entry.phase is Phase.COUNTED and entry.reason is Why.KEPT
            if is_kept or self.is_busy(entry.name):
                continue
            _, at = self.draft.retry_at.get(entry.name, (0, self.now.mono))
            if at > self.now.mono:
                self.draft.wake(at)
                continue
            instance = self.instances.get(entry.name)
            self.act(
                RemoveInstance(
                    self.row.id,
                    entry.name,
                    instance.id if instance else None,
                    grace_s=self.limits.stop_grace_s if grace_s is None else grace_s,
                    stop=instance is None or instance.is_live,
                )
            )
