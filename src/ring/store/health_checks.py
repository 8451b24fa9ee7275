"""Results of health checks as they are kept, and where each check stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ring.clock import rfc3339
from ring.core.model.health import OUTCOMES, Health, HealthResult, SavedState
from ring.store.decoding import EPOCH, moment, moment_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from datetime import datetime

    from ring.core.model.deployment import Deployment
    from ring.core.model.health import ResultDraft
    from ring.core.model.ids import DeploymentId, InstanceId
    from ring.store.database import Transaction
    from ring.store.door import Door

MOST = 2000
"""Results dropped at once: other writes wait for it."""


class HealthChecks:
    def __init__(self, door: Door) -> None:
        self._door = door

    def newest(self, deployment_id: DeploymentId, limit: int) -> tuple[HealthResult, ...]:
        """The last begun first."""
        values = {"deployment_id": deployment_id, "limit": limit}
        return tuple(decode(row) for row in self._door.read("health_checks", "newest", values))

    def latest(self, deployment_id: DeploymentId) -> tuple[HealthResult, ...]:
        """The last one of each type, by type."""
        values = {"deployment_id": deployment_id}
        return tuple(decode(row) for row in self._door.read("health_checks", "latest", values))

    def states(self) -> tuple[SavedState, ...]:
        """Of all checks; those that cannot be read are as if there were none."""
        found = self._door.read("health_checks", "states")
        return tuple(decode_state(row) for row in found if row["status"] in OUTCOMES)

    async def save(
        self,
        results: Iterable[ResultDraft],
        states: Iterable[SavedState],
        gone: Iterable[InstanceId],
    ) -> None:
        """In one transaction; those of rows that are purged are dropped, and so are the states of
        instances that are gone."""
        await self._door.write(lambda tx: _save(tx, results, states, gone))

    async def purge(self, row: Deployment, *, before: datetime, kept: int) -> bool:
        """Drops results begun before that time, then all but the newest ones; the last one of each
        type counts as new. And the states of instances that the ledger does not know.

        True: there may be more to drop than one transaction should.
        """
        return await self._door.write(lambda tx: _purge(tx, row, before, kept))


def _save(
    tx: Transaction,
    results: Iterable[ResultDraft],
    states: Iterable[SavedState],
    gone: Iterable[InstanceId],
) -> None:
    created_at = rfc3339(tx.now)
    for result in results:
        tx.run(
            "health_checks",
            "insert",
            {
                "id": tx.new_id(),
                "deployment_id": result.deployment_id,
                "instance_id": result.instance_id,
                "check_index": result.check_index,
                "check_type": result.check_type,
                "status": result.status,
                "message": result.message,
                "created_at": created_at,
                "started_at": rfc3339(result.started_at),
                "finished_at": rfc3339(result.finished_at),
            },
        )
    for one in gone:
        tx.run("health_checks", "drop_states", {"instance_id": one})
    for state in states:
        tx.run(
            "health_checks",
            "put_state",
            {
                "instance_id": state.instance_id,
                "check_index": state.check_index,
                "deployment_id": state.deployment_id,
                "status": state.status,
                "failures": state.failures,
                "ready_since": moment_text(state.ready_since),
                "health": state.health,
                "streak": state.streak,
            },
        )


def _purge(tx: Transaction, row: Deployment, before: datetime, kept: int) -> bool:
    about = {"deployment_id": row.id}
    tx.run("health_checks", "drop_orphaned_states", about)
    tx.run("health_checks", "drop_before", {**about, "before": rfc3339(before)})
    newest = tx.all("health_checks", "heads", {**about, "limit": kept})
    if len(newest) < kept:
        return False
    last = {one["check_type"]: one["seq"] for one in reversed(newest)}
    for check_type in {check.type for check in row.spec.health_checks} - last.keys():
        found = tx.one("health_checks", "head_of_type", {**about, "check_type": check_type})
        if found is not None:
            last[check_type] = found["seq"]
    others = [one["seq"] for one in newest if one["seq"] not in last.values()]
    keep = json.dumps([*last.values(), *others[: kept - len(last)]])
    return tx.run("health_checks", "drop_others", {**about, "kept": keep, "most": MOST}) == MOST


def decode_state(row: sqlite3.Row) -> SavedState:
    name = f"health check {row['check_index']} of instance {row['instance_id']}"
    failures, streak = row["failures"], row["streak"]
    return SavedState(
        deployment_id=row["deployment_id"],
        instance_id=row["instance_id"],
        check_index=row["check_index"],
        status=row["status"],
        failures=failures if isinstance(failures, int) else 0,
        ready_since=moment(row["ready_since"], of=f"{name}: ready_since"),
        health=next((one for one in Health if one == row["health"]), Health.STARTING),
        streak=streak if isinstance(streak, int) else 0,
    )


def decode(row: sqlite3.Row) -> HealthResult:
    name = f"health check {row['id']}"
    return HealthResult(
        id=row["id"],
        deployment_id=row["deployment_id"],
        instance_id=row["instance_id"],
        check_index=row["check_index"],
        check_type=row["check_type"],
        status=row["status"],
        message=row["message"],
        created_at=moment(row["created_at"], of=f"{name}: created_at") or EPOCH,
        started_at=moment(row["started_at"], of=f"{name}: started_at") or EPOCH,
        finished_at=moment(row["finished_at"], of=f"{name}: finished_at") or EPOCH,
    )
