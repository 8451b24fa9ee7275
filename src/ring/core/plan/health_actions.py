"""Carries out what failed health checks ask for: a restart, the end of the deployment, an alert."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ring.core.model.events import EventDraft, Level
from ring.core.model.ids import short_id
from ring.core.model.ledger import Entry, Phase, Why
from ring.core.model.status import Status
from ring.core.plan import budget

if TYPE_CHECKING:
    from ring.core.model.health import Fired
    from ring.core.plan.draft import RowDraft

COMPONENT = "health_checker"


def act(row: RowDraft) -> None:
    """Every check of this row that has fired, in that order.

    Nothing comes of one whose instance is not there any more, or whose row had not been running.
    """
    restarted: list[Entry] = []
    for fired in row.fired():
        entry = _supervised(row, fired)
        if entry is None or not row.before.was_running or row.row.is_deleted:
            continue
        match row.row.spec.health_checks[fired.check_index].on_failure:
            case "restart":
                if _restart(row, entry, fired):
                    restarted.append(entry)
            case "stop":
                _stop(row, entry, fired)
            case "alert":
                message = f"Instance {_short(entry)} is unhealthy: {fired.message}"
                _tell(row, Level.ERROR, "health_check_alert", message, entry)
            case _ as never:
                assert_never(never)
    if restarted and not row.row.is_deleted:
        budget.restarted(row, restarted)


def _supervised(row: RowDraft, fired: Fired) -> Entry | None:
    """Known by its id: it may have been renamed, and its name given to another one."""
    if fired.check_index >= len(row.row.spec.health_checks):
        return None
    for entry in row.entries(Phase.SETTLING, Phase.LIVE):
        instance = row.instances.get(entry.name)
        if entry.instance_id == fired.instance_id and instance is not None and instance.is_live:
            return entry
    return None


def _restart(row: RowDraft, entry: Entry, fired: Fired) -> bool:
    """False: it is left as it is, because nothing could be created in its place."""
    what = f"Instance {_short(entry)} is unhealthy ({fired.message})"
    if row.row.halt_reason is not None:
        message = f"{what} and stays: nothing is created in its place ({row.row.halt_reason})"
        _tell(row, Level.WARNING, "health_check_instance_restart", message, entry)
        return False
    row.move(entry, Phase.STOPPING, Why.UNHEALTHY)
    row.draft.settle_at.pop(entry.name, None)
    message = f"{what}: it is removed and replaced"
    _tell(row, Level.WARNING, "health_check_instance_restart", message, entry)
    return True


def _stop(row: RowDraft, entry: Entry, fired: Fired) -> None:
    row.change(status=Status.DELETED, next_create_at=None)
    what = f"Instance {_short(entry)} is unhealthy ({fired.message})"
    message = f"{what}: the deployment is stopped and removed"
    _tell(row, Level.WARNING, "health_check_stop", message, entry)


def _tell(row: RowDraft, level: Level, reason: str, message: str, entry: Entry) -> None:
    row.draft.events.append(
        EventDraft(row.row.id, level, reason, message, COMPONENT, instance_id=entry.instance_id)
    )


def _short(entry: Entry) -> str:
    return entry.name if entry.instance_id is None else short_id(entry.instance_id)
