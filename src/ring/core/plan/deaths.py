"""Compares ledger and listing: what is found, what died and what that means, what vanished."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, assert_never

from ring.core.model.events import Level
from ring.core.model.ids import short_id
from ring.core.model.ledger import Entry, Phase, Why
from ring.core.model.observed import State
from ring.core.model.operations import InspectInstance
from ring.core.model.status import Status
from ring.core.plan import budget, restart
from ring.core.plan.outcomes import came_up
from ring.core.plan.restart import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ring.core.model.ids import InstanceName
    from ring.core.model.observed import Exit, Instance
    from ring.core.plan.draft import RowDraft

T = TypeVar("T")


def adopt(row: RowDraft) -> None:
    """Takes up what the runtime holds for this row and the ledger does not say.

    An instance is known by its id first: names may be changed, and given to others.
    """
    _follow_names(row)
    for name, instance in row.instances.items():
        if row.operation(name) is not None or _is_being_followed(row, instance):
            continue
        entry = row.entry(name)
        if entry is None:
            _adopt_unknown(row, instance)
        elif entry.phase is Phase.CREATING:
            _take_up(row, entry, instance)
        elif entry.instance_id is None or entry.phase not in {Phase.SETTLING, Phase.LIVE}:
            # To be removed, whatever bears the name: a create may have been repeated after a kill.
            if entry.instance_id != instance.id:
                row.put(replace(entry, instance_id=instance.id))
        elif entry.instance_id != instance.id:
            row.drop(entry)
            row.vanished += 1
            _adopt_unknown(row, instance)


def _follow_names(row: RowDraft) -> None:
    """Entries of instances that somebody renamed, all at once: two may have changed places."""
    names = {instance.id: name for name, instance in row.instances.items()}
    moved = [
        (entry, new)
        for entry in row.entries()
        if entry.instance_id is not None
        and (new := names.get(entry.instance_id)) is not None
        and new != entry.name
        and row.operation(entry.name) is None
    ]
    settle_at = _under_new_names(row.draft.settle_at, moved)
    retry_at = _under_new_names(row.draft.retry_at, moved)
    put_back = _under_new_names(row.draft.put_back, moved)
    for entry, _ in moved:
        row.drop(entry)
    row.draft.settle_at.update(settle_at)
    row.draft.retry_at.update(retry_at)
    row.draft.put_back.update(put_back)
    for entry, new in moved:
        row.put(replace(entry, name=new))
        row.event(
            Level.WARNING,
            "container_renamed",
            f"Instance {entry.name} was renamed from outside Ring and goes on as {new}",
        )


def _under_new_names(
    times: Mapping[InstanceName, T], moved: Iterable[tuple[Entry, InstanceName]]
) -> dict[InstanceName, T]:
    """What is remembered of them: a wait does not end with a name."""
    return {new: times[entry.name] for entry, new in moved if entry.name in times}


def _is_being_followed(row: RowDraft, instance: Instance) -> bool:
    """Its entry has its former name, under which an operation is still in flight."""
    return any(
        entry.instance_id == instance.id and entry.name != instance.name for entry in row.entries()
    )


def _adopt_unknown(row: RowDraft, instance: Instance) -> None:
    entry = Entry(instance.name, row.row.id, instance.id, Phase.LIVE, row.now.wall)
    if not instance.is_live and not _has_run(row, instance):
        row.put(replace(entry, phase=Phase.STOPPING, reason=Why.LEFTOVER))
    elif row.row.status is Status.RUNNING:
        row.put(entry)
    else:
        row.put(replace(entry, phase=Phase.SETTLING))


def _take_up(row: RowDraft, entry: Entry, instance: Instance) -> None:
    """A create that a killed server began, as far as it got (created only: it is resumed)."""
    known = replace(entry, instance_id=instance.id)
    if instance.is_live or _has_run(row, instance):
        # Nobody saw the start: it may have been carried out a moment ago.
        came_up(row, entry, instance, row.now.mono + row.limits.settle_s)
    elif instance.state is State.CREATED:
        row.put(known)
    else:
        row.move(known, Phase.STOPPING, Why.LEFTOVER)


def _has_run(row: RowDraft, instance: Instance) -> bool:
    """A job's only run is over: it is judged by how it ended, and not run again."""
    return row.row.is_job and instance.state is State.EXITED


def judge_ends(row: RowDraft) -> None:
    """Every instance that was up and is not any more is judged exactly once."""
    vanished = row.vanished
    dead: list[tuple[Entry, Instance, Exit]] = []
    for entry in row.entries(Phase.SETTLING, Phase.LIVE):
        instance = row.instances.get(entry.name)
        if instance is None:
            if row.operation(entry.name) is None:
                row.drop(entry)
                vanished += 1
        elif instance.state is State.CREATED:
            row.move(entry, Phase.STOPPING, Why.LEFTOVER)
        elif instance.state is State.EXITED:
            if instance.exit is not None:
                dead.append((entry, instance, instance.exit))
            else:
                ask(row, entry, instance)
    dead.sort(key=lambda one: (one[2].finished_at or row.now.wall, one[0].name))
    missed = 0
    for entry, instance, end in dead:
        missed += _judge(row, entry, instance, end)
    if missed or vanished:
        _replaced_uncounted(row, missed, vanished)


def ask(row: RowDraft, entry: Entry, instance: Instance) -> None:
    """How it ended is not in a listing: it is judged when the inspection has told."""
    if row.operation(entry.name) is not None:
        return
    _, at = row.draft.retry_at.get(entry.name, (0, row.now.mono))
    if at > row.now.mono:
        row.draft.wake(at)
    else:
        row.act(InspectInstance(row.row.id, entry.name, instance.id))


def _judge(row: RowDraft, entry: Entry, instance: Instance, end: Exit) -> bool:
    """True: replaced without being counted because nobody saw it end."""
    row.move(entry, Phase.COUNTED)
    row.draft.settle_at.pop(entry.name, None)
    short = short_id(instance.id)
    if entry.phase is Phase.SETTLING and not end.missed:
        row.event(
            Level.WARNING,
            "liveness_unconfirmed",
            f"Instance {short} ended before it was confirmed: it was never counted as running",
        )
    match restart.judge(end):
        case Verdict.MISSED:
            return True
        case Verdict.RETIRED:
            row.change(retired_count=row.row.retired_count + 1)
            row.event(
                Level.INFO,
                "container_completed",
                f"Instance {short} finished with exit code 0; it is not replaced",
            )
        case Verdict.STOPPED_FROM_OUTSIDE:
            row.event(
                Level.WARNING,
                "container_stopped_externally",
                f"Instance {short} was stopped from outside Ring; it is replaced",
            )
        case Verdict.NOT_EXECUTABLE:
            _crashed(row, entry, instance, end)
            row.event(
                Level.ERROR,
                "non_retryable_exit",
                f"Exit code {end.code} of instance {short}: the program cannot be "
                f"{'executed' if end.code == 126 else 'found'}; mend the image or the command "
                "and apply again",
            )
            if row.row.halt_reason is None:
                _halt(row, end)
        case Verdict.CRASHED:
            _crashed(row, entry, instance, end)
        case _ as never:
            assert_never(never)
    return False


def _halt(row: RowDraft, end: Exit) -> None:
    row.change(
        status=Status.CREATE_CONTAINER_ERROR,
        halt_reason=f"exit code {end.code}",
        next_create_at=None,
    )
    for waiting in row.entries(Phase.CREATING):
        row.cancel_start(waiting, Why.FAILED_CREATE)


def _crashed(row: RowDraft, entry: Entry, instance: Instance, end: Exit) -> None:
    with_others = restart.in_wave(
        born=entry.born or instance.created_at,
        died=end.finished_at,
        counted_death=row.row.counted_death_at,
        wave_s=row.limits.wave_s,
    )
    row.failed = True
    count = f"{row.row.restart_count}"
    if not with_others and budget.counts(row, entry):
        budget.count(row)
        count = budget.outlook(row)
        if end.finished_at is not None:
            row.change(counted_death_at=end.finished_at)
    how = "ran out of memory" if end.oom else f"exited with code {_code(end)}"
    row.event(
        Level.ERROR,
        "container_crashed",
        f"Instance {short_id(instance.id)} {how} (restart count {count})",
    )


def _code(end: Exit) -> str:
    return "unknown" if end.code is None else str(end.code)


def _replaced_uncounted(row: RowDraft, missed: int, vanished: int) -> None:
    what = []
    if missed:
        what.append(f"{missed} ended while Ring was not watching")
    if vanished:
        what.append(f"{vanished} removed from outside Ring")
    row.event(
        Level.INFO,
        "instances_recovered",
        f"Instances replaced without being counted: {', '.join(what)}",
    )
