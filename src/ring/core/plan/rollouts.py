"""Rolling updates: a child row takes its parent's place, one instance after the other.

Decided once all rows of the group have been supervised, because every step weighs one against
the other. All that must outlive the server is in the rows: the child's parent_id, the parent's
drain_target; the pace alone begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.events import EventDraft, Level
from ring.core.model.ledger import Phase, Why
from ring.core.model.status import Status
from ring.core.plan import failing, gate, scaling
from ring.core.plan.draft import SCHEDULER
from ring.core.plan.gate import Gate
from ring.core.plan.lineage import children_of, has_ended, parent_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId
    from ring.core.model.ledger import Entry
    from ring.core.plan.draft import Draft, RowDraft

STANDING = (Phase.SETTLING, Phase.LIVE)


def advance(draft: Draft, works: Sequence[RowDraft]) -> None:
    """Steps, ends and failures of the group's rollout. `works`: rows whose runtime answers."""
    group = Group(draft, works)
    for work in works:
        if work.before.is_deleted:
            continue
        failed_now = has_ended(work.row) and not has_ended(work.before)
        if work.row.parent_id is None:
            if failed_now:
                failing.go_back(work)
        elif has_ended(work.row):
            failing.end(work, group.rows(), failed_now=failed_now)
        else:
            _follow(work, group)
    for work in works:
        failing.restore(work, group.rows())


def drained(parent: RowDraft, entry: Entry) -> None:
    """The instance that a step took is gone, by the runtime's word."""
    children = children_of(parent.row, parent.draft.view.rows)
    child = next((one for one in reversed(children) if not has_ended(one)), None)
    if child is None:
        return  # given up or failed meanwhile
    remaining = len(parent.entries(*STANDING))
    parent.draft.events.append(
        EventDraft(
            child.id,
            Level.INFO,
            "rolling_update_step",
            f"Removed {entry.name} of {parent.row.id}: {remaining} remaining",
            SCHEDULER,
            instance_id=entry.instance_id,
            parent_id=parent.row.id,
        )
    )


class Group:
    """The rows as the plan leaves them so far."""

    def __init__(self, draft: Draft, works: Sequence[RowDraft]) -> None:
        self._draft = draft
        self.works: Mapping[DeploymentId, RowDraft] = {work.row.id: work for work in works}

    def rows(self) -> list[Deployment]:
        purged = {row.id for row in self._draft.purge}
        known = (self.works.get(row.id) for row in self._draft.view.rows)
        return [
            row if work is None else work.row
            for row, work in zip(self._draft.view.rows, known, strict=True)
            if row.id not in purged
        ]


def _follow(child: RowDraft, group: Group) -> None:
    """One child that is on its way."""
    parent = parent_of(child.row, group.rows())
    if parent is None or parent.is_deleted:
        _outlive(child, parent)
        return
    if child.row.stopped:
        # Nothing is proven by what does not run: the parent is not given up for it.
        _forget_pace(child)
        child.reason("rolling update paused: stopped")
        return
    if not _serves(child):
        _wait_for_green(child, parent)
        return
    child.draft.green_at.pop(child.row.id, None)
    since = child.draft.stepped_at.setdefault(child.row.id, child.now.mono)
    if parent.id not in group.works:
        child.reason(f"rolling update paused: the runtime of {parent.id} does not answer")
    else:
        _proceed(child, group.works[parent.id], since + child.limits.step_s)


def _outlive(child: RowDraft, parent: Deployment | None) -> None:
    """Somebody ended its parent: it stands for itself, and has nobody to be ready for."""
    _forget_pace(child)
    if not child.row.was_running:
        return  # its own gate is before it
    if parent is None:
        _complete(child)
    else:
        child.reason(f"rolling update: waits until {parent.id}, which was deleted, is gone")


def _forget_pace(child: RowDraft) -> None:
    child.draft.stepped_at.pop(child.row.id, None)
    child.draft.green_at.pop(child.row.id, None)


def _serves(child: RowDraft) -> bool:
    if child.row.status is not Status.RUNNING or gate.is_ready(child) is not Gate.READY:
        return child.row.status is Status.RUNNING and _wants_nothing(child)
    return bool(gate.ready_instances(child)) or _wants_nothing(child)


def _wants_nothing(child: RowDraft) -> bool:
    return child.row.target == 0 and not child.entries(*scaling.PRESENT)


def _wait_for_green(child: RowDraft, parent: Deployment) -> None:
    """Nothing is drained for a child that does not serve, and one that did must again in time."""
    draft, key = child.draft, child.row.id
    draft.stepped_at.pop(key, None)
    if not child.row.was_running or not gate.checks_of(child.row.spec):
        return
    gate.opens(child)  # wakes when a window ends
    lost = draft.green_at.setdefault(key, child.now.mono)
    until = lost + gate.patience_s(child)
    if child.now.mono < until:
        draft.wake(until)
        child.reason(f"rolling update paused: {gate.told(child)}")
        return
    gate.fail(child, f"Not ready again within {gate.patience_s(child):g} s: {gate.told(child)}")
    failing.fail(child, parent)


def _proceed(child: RowDraft, parent: RowDraft, due: float) -> None:
    """The next step, if it is time and there is room for it."""
    begun = parent.row.drain_target is not None
    is_due = child.now.mono >= due
    if _is_empty(parent) and (begun or is_due):
        _take_over(child, parent)
        return
    standing = parent.entries(*STANDING)
    leaving = [one for one in parent.entries(Phase.STOPPING) if one.reason is Why.DRAIN]
    if leaving:
        child.reason(f"rolling update: {leaving[0].name} of {parent.row.id} is being removed")
    elif not is_due:
        child.draft.wake(due)
        left = f"{len(standing)} of {parent.row.full_target} old instances left"
        child.reason(f"rolling update: {left}, next step in {due - child.now.mono:.0f} s")
    elif not standing:
        _drain_to(parent, 0)
        child.reason(f"rolling update: the last remains of {parent.row.id} are being removed")
    else:
        _step(child, parent, standing)


def _step(child: RowDraft, parent: RowDraft, standing: Sequence[Entry]) -> None:
    """One instance of the parent goes, if enough of both generations is left.

    What is ready stays at or above the smaller target. One that is not ready takes nothing of
    that away; it still counts as live, as what may become ready again.
    """
    ready = {entry.name for entry in gate.ready_instances(parent)}
    standing_first = [one for one in scaling.victims(parent) if one in standing]
    victim = min(standing_first, key=lambda one: one.name in ready)
    live = {one.name for one in standing if _is_live(parent, one)}
    wanted = min(parent.row.full_target, child.row.full_target)
    new = len(gate.ready_instances(child))
    if victim.name in live:
        left = live if victim.name not in ready else ready
        have = new + len(left) - 1
        if have < wanted:
            child.reason(
                f"rolling update paused: {new} new and {len(ready)} old instances ready, "
                f"{wanted} have to stay"
            )
            return
    scaling.give_up(parent, victim, Why.DRAIN)
    _drain_to(parent, len(standing) - 1)
    child.draft.stepped_at[child.row.id] = child.now.mono
    child.reason(f"rolling update: {victim.name} of {parent.row.id} is being removed")
    parent.reason(f"replaced by {child.row.id}, step by step")


def _is_live(parent: RowDraft, entry: Entry) -> bool:
    instance = parent.instances.get(entry.name)
    return instance is not None and instance.is_live


def _drain_to(parent: RowDraft, count: int) -> None:
    """From here on nothing is created for it; what is half made goes at once."""
    before = parent.row.drain_target
    parent.change(drain_target=count if before is None else min(before, count))
    for entry in parent.entries(Phase.CREATING):
        scaling.give_up(parent, entry, Why.DRAIN)


def _is_empty(parent: RowDraft) -> bool:
    busy = any(one.action.deployment_id == parent.row.id for one in parent.draft.view.operations)
    return not (parent.entries() or parent.instances or busy)


def _take_over(child: RowDraft, parent: RowDraft) -> None:
    """Both rows at once, the parent first: there is one active root row at any time."""
    parent.change(status=Status.DELETED, next_create_at=None)
    parent.reason(f"replaced by {child.row.id}")
    parent.draft.wake(parent.now.mono)
    _complete(child)


def _complete(child: RowDraft) -> None:
    parent_id = child.row.parent_id
    child.event(
        Level.INFO,
        "rolling_update_complete",
        f"Has taken the place of {parent_id}",
        SCHEDULER,
        parent_id=parent_id,
    )
    child.change(parent_id=None)
    child.draft.stepped_at.pop(child.row.id, None)
