"""Deployment events: coalesced and bounded as they are written."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ring.clock import rfc3339
from ring.core.model.events import Event, EventDraft, Level
from ring.core.model.failures import TREATMENT, Disposition
from ring.core.model.ids import DeploymentId
from ring.store.decoding import EPOCH, member, moment
from ring.store.mirror import EventStamped

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from ring.store.database import Transaction

KEPT = 1000
COALESCED_S = 300.0

_SINGLE = frozenset(
    {
        "rolling_update_step",
        "rolled_back",
        "container_crashed",
        "container_died",
        "container_oom",
        "container_killed",
        "non_retryable_exit",
    }
) | {
    treatment.reason
    for treatment in TREATMENT.values()
    if treatment.disposition is not Disposition.WAIT
}
"""Steps, crashes, failed creates and going back: bounded by construction, so each one is kept. A
create that waits for something (a config, the engine) repeats without bound, and is not among
them."""


_PROVOKED = frozenset(
    {
        "container_killed",
        "container_oom",
        "container_paused",
        "container_renamed",
        "container_unpaused",
        "instance_attached",
        "instance_detached",
    }
)
"""What somebody outside can make happen as often as he likes: it must not displace all others."""
MOST_OF_A_KIND = 20  # within COALESCED_S

_OF_CHECKS = frozenset({"health_check_alert", "health_check_instance_restart"})
"""What a check that flaps five times a second tells again and again, on every instance."""
MOST_OF_CHECKS = 300  # within COALESCED_S
MOST_ALIKE = 50  # of those
KEPT_OF_CHECKS = 300
"""Of each kind: they never displace what else has happened."""


def add(tx: Transaction, drafts: Iterable[EventDraft]) -> list[EventDraft]:
    """Those of rows that are gone are dropped, and so is one that repeats its predecessor. The
    ones that are stored."""
    at = rfc3339(tx.now)
    stored = []
    for draft in drafts:
        if _repeats(tx, draft) or _floods(tx, draft):
            continue
        if not tx.run("deployments", "stamp_event", {"id": draft.deployment_id, "at": at}):
            continue
        tx.run(
            "events",
            "insert",
            {
                "id": tx.new_id(),
                "deployment_id": draft.deployment_id,
                "timestamp": at,
                "level": draft.level.value,
                "message": draft.message,
                "component": draft.component,
                "reason": draft.reason,
            },
        )
        _trim(tx, draft)
        tx.changes.append(EventStamped(draft.deployment_id, tx.now))
        stored.append(draft)
    return stored


def decode(row: sqlite3.Row) -> Event:
    name = f"event {row['id']}"
    return Event(
        id=row["id"],
        deployment_id=DeploymentId(row["deployment_id"]),
        timestamp=moment(row["timestamp"], of=f"{name}: timestamp") or EPOCH,
        level=member(Level, row["level"], Level.INFO, of=f"{name}: level"),
        message=row["message"],
        component=row["component"],
        reason=row["reason"],
    )


def _repeats(tx: Transaction, draft: EventDraft) -> bool:
    if draft.reason in _SINGLE or draft.reason.startswith(("scale_", "health_check_")):
        return False
    last = tx.one("events", "last", {"deployment_id": draft.deployment_id})
    if last is None or (last["reason"], last["message"]) != (draft.reason, draft.message):
        return False
    at = moment(last["timestamp"], of="an event's timestamp")
    return at is not None and abs((tx.now - at).total_seconds()) < COALESCED_S


def _floods(tx: Transaction, draft: EventDraft) -> bool:
    if draft.reason in _PROVOKED:
        return _counted(tx, draft) >= MOST_OF_A_KIND
    if draft.reason in _OF_CHECKS:
        of_all = _counted(tx, draft)
        if of_all >= MOST_ALIKE and _counted(tx, draft, message=draft.message) >= MOST_ALIKE:
            return True
        return of_all >= MOST_OF_CHECKS
    return False


def _counted(tx: Transaction, draft: EventDraft, *, message: str | None = None) -> int:
    """Of this kind within COALESCED_S; message: of these words alone."""
    since = rfc3339(tx.now - timedelta(seconds=COALESCED_S))
    values = {
        "deployment_id": draft.deployment_id,
        "reason": draft.reason,
        "message": message,
        "since": since,
    }
    found = tx.one("events", "count_of", values)
    return 0 if found is None else int(found["events"])


def _trim(tx: Transaction, draft: EventDraft) -> None:
    values = {"deployment_id": draft.deployment_id, "reason": draft.reason}
    if draft.reason in _OF_CHECKS:
        tx.run("events", "trim_kind", {**values, "kept": KEPT_OF_CHECKS})
    tx.run("events", "trim", {"deployment_id": draft.deployment_id, "kept": KEPT})
