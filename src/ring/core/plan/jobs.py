"""A job: one instance that runs once, whatever becomes of the server or the engine meanwhile.

Only a create that failed is made again. What may have run is looked at, and never run twice.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from ring.core.model.events import Level
from ring.core.model.ids import short_id
from ring.core.model.ledger import Phase, Why
from ring.core.model.observed import State
from ring.core.model.operations import Inspected, StartInstance
from ring.core.model.status import CREATING, FINAL, Status
from ring.core.plan import attaching, deaths, health_actions, removal, restart, scaling
from ring.core.plan.draft import SCHEDULER

if TYPE_CHECKING:
    from ring.core.model.ledger import Entry
    from ring.core.model.observed import Exit
    from ring.core.plan.draft import RowDraft

_SIGNALLED = 128
"""Added to the number of the signal that ended a program."""


def supervise(row: RowDraft) -> None:
    """Every pass over a job that is not deleted."""
    deaths.adopt(row)
    _forget_removed(row)
    _follow(row)
    health_actions.act(row)
    if row.row.is_deleted:
        removal.tear_down(row)
        return
    _spend(row)
    _create(row)
    attaching.reattach(row)
    _explain(row)


def _forget_removed(row: RowDraft) -> None:
    """An instance that was kept for its logs, and that somebody has removed."""
    for entry in row.entries(Phase.COUNTED):
        if entry.name not in row.instances and row.operation(entry.name) is None:
            row.drop(entry)


def _follow(row: RowDraft) -> None:
    """From the start of its instance to its end; both are seen by whoever watches the row."""
    for entry in row.entries(Phase.SETTLING):
        row.move(entry, Phase.LIVE)
        row.draft.settle_at.pop(entry.name, None)
    if _begins(row):
        row.draft.wake(row.now.mono)
        return
    for entry in row.entries(Phase.LIVE):
        _judge(row, entry)
    if row.vanished:
        _lose(row, "was replaced by another one from outside")


def _begins(row: RowDraft) -> bool:
    """It is shown as running once, also where it has ended already."""
    status = row.row.status
    if not row.entries(Phase.LIVE) or row.row.halt_reason is not None:
        return False
    if status is Status.RUNNING or status in FINAL:
        return False
    row.change(status=Status.RUNNING, was_running=True)
    before = row.before.status
    path = "" if before in CREATING else f"{before} → "
    message = f"{path}creating → running with 1 live instance"
    row.event(Level.INFO, "state_transition", message, SCHEDULER)
    return True


def _judge(row: RowDraft, entry: Entry) -> None:
    instance = row.instances.get(entry.name)
    if instance is None:
        if row.operation(entry.name) is None:
            row.drop(entry)
            _lose(row, f"{_short(entry)} disappeared")
    elif instance.state is State.CREATED:
        row.move(entry, Phase.CREATING)
    elif instance.state is State.EXITED:
        end = instance.exit
        if end is None or (end.code is None and not _was_asked(row, entry)):
            deaths.ask(row, entry, instance)
        else:
            _end(row, entry, end)


def _was_asked(row: RowDraft, entry: Entry) -> bool:
    """The runtime was asked how it ended and does not know more."""
    return any(
        isinstance(outcome.result, Inspected) and outcome.action.name == entry.name
        for outcome in row.outcomes()
    )


def _end(row: RowDraft, entry: Entry, end: Exit) -> None:
    """It stays for its logs until the row is deleted. A job that is over stays as it was judged."""
    row.move(entry, Phase.COUNTED, Why.KEPT)
    if row.row.status in FINAL or row.row.halt_reason is not None:
        return
    if end.code == 0:
        row.change(status=Status.COMPLETED, next_create_at=None)
        message = f"Instance {_short(entry)} finished with exit code 0"
        row.event(Level.INFO, "job_completed", message)
        return
    how = _how(end)
    _fail(row, how)
    message = f"Instance {_short(entry)} {how}; it is kept for its logs and not run again"
    row.event(Level.ERROR, "job_failed", message)


def _how(end: Exit) -> str:
    code = end.code
    if end.oom:
        told = "" if code is None else f" (exit code {code})"
        return f"ran out of memory{told}"
    if code is None:
        return "ended, and nobody knows with which exit code"
    if code in restart.NEVER_EXECUTED:
        what = "executed" if code == 126 else "found"
        return f"exited with code {code}: the program cannot be {what}"
    name = _signal_name(code)
    if name is not None:
        return f"was ended by {name} (exit code {code})"
    return f"exited with code {code}"


def _signal_name(code: int) -> str | None:
    try:
        return signal.Signals(code - _SIGNALLED).name
    except ValueError:
        return None


def _lose(row: RowDraft, what: str) -> None:
    if row.row.status in FINAL or row.row.halt_reason is not None:
        return
    _fail(row, "its instance was lost")
    row.event(
        Level.ERROR,
        "job_instance_lost",
        f"Instance {what} after it had been started: how far it got is not known, and it is not "
        "run again; apply again to run the job anew",
    )


def _spend(row: RowDraft) -> None:
    """Failed creates and restarts by health checks, as many as there may be."""
    grown = row.row.restart_count > row.before.restart_count
    if not grown or row.row.halt_reason is not None or row.row.status in FINAL:
        return
    failures = row.row.restart_count
    if failures < restart.BUDGET_FLOOR:
        return
    _fail(row, "the restart budget is spent")
    row.event(
        Level.ERROR,
        "job_failed",
        f"{failures} failures (budget {restart.BUDGET_FLOOR}): it is not tried again; "
        "apply again to run the job anew",
    )


def _fail(row: RowDraft, why: str) -> None:
    row.change(status=Status.FAILED, halt_reason=why, next_create_at=None)
    row.failed = True


def _create(row: RowDraft) -> None:
    """Nothing is created while anything of an earlier instance is left, also while it goes."""
    over = row.row.halt_reason is not None or row.row.status in FINAL
    for entry in row.entries(Phase.CREATING):
        if over:
            row.cancel_start(entry, Why.FAILED_CREATE)
    if over:
        return
    obstacle = scaling.what_hinders(row)
    if obstacle is None:
        for entry in row.entries(Phase.CREATING):
            if row.operation(entry.name) is None:
                row.act(StartInstance(row.row.id, entry.name, resume=True))
        if not row.entries():
            scaling.start(row, 1)
    elif not row.entries(Phase.LIVE):
        row.reason(f"its instance is missing: {obstacle}")


def _explain(row: RowDraft) -> None:
    """What it waits for, unless that is said."""
    if row.row.id in row.draft.reasons:
        return
    match row.row.status:
        case Status.COMPLETED:
            row.reason("nothing to do: the job is completed")
        case Status.FAILED:
            row.reason(f"nothing to do: the job has failed: {row.row.halt_reason or 'it is over'}")
        case _ if row.row.halt_reason is not None:
            row.reason(f"nothing to do: halted: {row.row.halt_reason}")
        case _ if row.entries(Phase.LIVE):
            row.reason("nothing to do: the job runs")
        case _ if row.entries(Phase.CREATING):
            row.reason("its instance is being created")
        case _:
            row.reason("its former instance is being removed")


def _short(entry: Entry) -> str:
    return entry.name if entry.instance_id is None else short_id(entry.instance_id)
