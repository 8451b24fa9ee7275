"""Closes the gap between what a row is to have and what it has: starts and victims."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from ring.core.model.ids import InstanceName, instance_name
from ring.core.model.ledger import Entry, Phase, Why
from ring.core.model.observed import Unknown
from ring.core.model.operations import InspectInstance, StartInstance
from ring.core.model.status import FINAL, Status
from ring.core.plan import budget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.model.observed import Instance
    from ring.core.plan.draft import RowDraft

ATTEMPT_UNDER_WAY = "an attempt is under way"
OLDER_REMAINS = "an older revision is still being removed"
PRESENT = (Phase.CREATING, Phase.SETTLING, Phase.LIVE)
MOST_AT_ONCE = 256
"""Instances of a row that are being created: far more than an engine starts at a time, and few
enough that a pass stays short whatever count was asked for."""


def compare(row: RowDraft) -> None:
    """Creates what is missing, as far as the row may; gives up what is too many."""
    obstacle = what_hinders(row)
    _resume(row, obstacle)
    surplus = len(row.entries(*PRESENT)) - row.row.target
    if surplus > 0:
        for entry in victims(row)[:surplus]:
            give_up(row, entry, Why.SCALE_DOWN)
        row.reason(f"removing {surplus} of {surplus + row.row.target} instances")
    elif surplus < 0 and obstacle is None:
        _fill(row, -surplus)
    elif surplus < 0:
        row.reason(f"{-surplus} of {row.row.target} instances missing: {obstacle}")


def _fill(row: RowDraft, missing: int) -> None:
    why = None
    if row.row.status is Status.CRASH_LOOP_BACK_OFF:
        missing, why = 1, Why.ATTEMPT
        row.change(next_create_at=None)
    start(row, min(missing, MOST_AT_ONCE - len(row.entries(Phase.CREATING))), why)
    row.reason(f"creating {missing} of {row.row.target} instances")


def what_hinders(row: RowDraft) -> str | None:
    """Why nothing may be created for this row now; arranges to be woken when time will tell."""
    return next(_obstacles(row), None)


def _obstacles(row: RowDraft) -> Iterator[str]:
    if row.row.halt_reason is not None:
        yield f"halted: {row.row.halt_reason}"
    if row.row.status in FINAL and row.row.status is not Status.INSUFFICIENT_RESOURCES:
        yield f"the deployment is {row.row.status}"
    if row.row.status is Status.CRASH_LOOP_BACK_OFF and row.limits.crash_loop_retry_s is None:
        yield "the restart budget is spent"
    if row.row.drain_target is not None:
        yield "a rolling update takes its place"
    if older_remains(row):
        yield OLDER_REMAINS
    if row.row.spec.ports and row.entries(Phase.STOPPING, Phase.COUNTED):
        yield "the instance that holds its ports is still being removed"
    yield from _waits(row)
    if row.row.status is Status.CRASH_LOOP_BACK_OFF and budget.attempts(row, *PRESENT):
        yield ATTEMPT_UNDER_WAY


def _waits(row: RowDraft) -> Iterator[str]:
    lacking = _lacking_until(row)
    waits_until = max(budget.due_at(row), row.draft.hold.get(row.row.id, 0.0), lacking)
    if waits_until <= row.now.mono:
        return
    row.draft.wake(waits_until)
    wait = f"{waits_until - row.now.mono:.0f} s"
    if waits_until == lacking:
        yield f"what it refers to is missing; looked for at once when it is there, and in {wait}"
    elif row.row.status is Status.CRASH_LOOP_BACK_OFF:
        yield f"in a crash loop after {row.row.restart_count} failures; next attempt in {wait}"
    else:
        yield f"next attempt in {wait}"


def _lacking_until(row: RowDraft) -> float:
    """Something that was missing is looked for again then; at once when anything was written."""
    seen, until = row.draft.lacking.get(row.row.id, (0, 0.0))
    return until if seen == row.draft.view.inputs else 0.0


def older_remains(row: RowDraft) -> bool:
    """A row that this one replaces at once still has something on a runtime of this server."""
    if row.row.parent_id is not None or row.row.was_running:
        return False
    view = row.draft.view
    for other in takewhile(lambda one: one.id != row.row.id, view.rows):
        runtime = view.runtimes.get(other.spec.runtime)
        if not other.is_deleted or runtime is None:
            continue
        if isinstance(runtime.seen, Unknown):
            return True
        if any(entry.deployment_id == other.id for entry in row.draft.entries.values()):
            return True
        if any(i.deployment_id == other.id for i in runtime.seen.instances.values()):
            return True
    return False


def _resume(row: RowDraft, obstacle: str | None) -> None:
    """Creates that a killed server had announced go on under the same name, or are given up."""
    for entry in row.entries(Phase.CREATING):
        if row.operation(entry.name) is not None:
            continue
        if obstacle is None or obstacle == ATTEMPT_UNDER_WAY:
            row.act(StartInstance(row.row.id, entry.name, resume=True))
        else:
            row.move(entry, Phase.STOPPING, Why.FAILED_CREATE)


def start(row: RowDraft, count: int, why: Why | None = None) -> None:
    for _ in range(count):
        name = _fresh_name(row)
        row.put(Entry(name, row.row.id, None, Phase.CREATING, row.now.wall, why))
        row.act(StartInstance(row.row.id, name, names_taken=row.names_taken))


def _fresh_name(row: RowDraft) -> InstanceName:
    while True:
        name = instance_name(row.row.key, row.draft.names())
        if name not in row.draft.entries and name not in row.seen.instances:
            return name


def victims(row: RowDraft) -> list[Entry]:
    """Dead or not yet confirmed ones first, then those whose checks fail, then the newest."""
    order = {Phase.CREATING: 0, Phase.SETTLING: 1, Phase.LIVE: 2}

    def rank(entry: Entry) -> tuple[int, bool, float, str]:
        instance = row.instances.get(entry.name)
        born = entry.born or (instance.created_at if instance else entry.since)
        dead = instance is not None and not instance.is_live
        return (
            0 if dead else order[entry.phase],
            instance is None or not _is_sick(row, instance),
            -born.timestamp(),
            instance.id if instance else entry.name,
        )

    return sorted(row.entries(*PRESENT), key=rank)


def _is_sick(row: RowDraft, instance: Instance) -> bool:
    states = row.draft.view.checks.get(instance.id, {})
    return not all(state.is_green for state in states.values())


def give_up(row: RowDraft, entry: Entry, why: Why) -> None:
    """Ends an instance in whatever phase of being there it is."""
    row.draft.actions[:] = [one for one in row.draft.actions if one.name != entry.name]
    if entry.name not in row.draft.view.ledger and entry.phase is Phase.CREATING:
        row.drop(entry)  # announced by this very plan
    elif entry.phase is Phase.CREATING:
        row.cancel_start(entry, Why.FAILED_CREATE)
    else:
        row.draft.settle_at.pop(entry.name, None)
        row.move(entry, Phase.STOPPING, why)


def settle(row: RowDraft) -> None:
    """New instances are looked at again after the settle delay before they count as running."""
    for entry in row.entries(Phase.SETTLING):
        instance = row.instances.get(entry.name)
        if instance is None or not instance.is_live or row.operation(entry.name) is not None:
            continue
        seen = row.now.mono + row.limits.settle_s  # by a server that did not see the start
        at = row.draft.settle_at.setdefault(entry.name, seen)
        _, retry = row.draft.retry_at.get(entry.name, (0, at))
        if max(at, retry) > row.now.mono:
            row.draft.wake(max(at, retry))
        else:
            row.act(InspectInstance(row.row.id, entry.name, instance.id, settle=True))
