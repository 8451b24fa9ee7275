"""What the store's tests are made of: a clock that stands still, specs, plans, inline calls."""

from __future__ import annotations

import itertools
import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ring.core.model.events import EventDraft, Level
from ring.core.model.ids import DeploymentId, GroupKey, InstanceName
from ring.core.model.ledger import Entry, Phase
from ring.core.model.logs import USUAL, Allowance
from ring.core.model.spec import DeploymentSpec
from ring.core.plan.view import Plan, RowChange
from ring.security.vault import Vault
from ring.store.store import Author, Store

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Coroutine

    from ring.core.model.deployment import Deployment

T = TypeVar("T")

START = datetime(2027, 3, 2, 8, 15, 4, 120934, tzinfo=UTC)
MIRA = Author("user-mira", may_create_namespace=True)
BOUND = Author("user-bound", may_create_namespace=False)
WEB = GroupKey("media", "web")


class ManualClock:
    """Both clocks move only when told to."""

    def __init__(self) -> None:
        self.passed = 0.0

    def advance(self, seconds: float) -> None:
        self.passed += seconds

    def mono(self) -> float:
        return self.passed

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.passed)


def done(call: Coroutine[Any, Any, T]) -> T:
    """What an inline write returns; it must not wait for anything."""
    try:
        call.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    call.close()
    raise AssertionError("an inline write waited")


def memory_store(
    clock: ManualClock | None = None,
    *,
    revisions_kept: int = 10,
    allowance: Allowance = USUAL,
) -> Store:
    numbers = itertools.count(1)
    return Store.open(
        None,
        clock or ManualClock(),
        vault=Vault(bytes(32)),
        inline=True,
        new_id=lambda: f"id-{next(numbers)}",
        revisions_kept=revisions_kept,
        allowance=allowance,
    )


def spec(**members: object) -> DeploymentSpec:
    base = {"name": "web", "namespace": "media", "runtime": "docker", "image": "nginx:1.25"}
    return DeploymentSpec.model_validate_json(json.dumps({**base, **members}))


def accepted(store: Store, **members: object) -> Deployment:
    return done(store.accept(spec(**members), MIRA)).deployment


def current(store: Store, row: Deployment) -> Deployment:
    found = store.deployment(row.id)
    assert found is not None
    return found


def changed(row: Deployment, **fields: Any) -> Plan:
    return Plan(rows=(RowChange(row, replace(row, **fields)),))


def entry(row: Deployment, suffix: str = "00000001", phase: Phase = Phase.CREATING) -> Entry:
    name = InstanceName(f"{row.spec.namespace}_{row.spec.name}_{suffix}")
    return Entry(name, row.id, None, phase, START)


def event(
    deployment_id: str, reason: str = "runtime_unavailable", message: str = "Docker is away"
) -> EventDraft:
    return EventDraft(DeploymentId(deployment_id), Level.WARNING, reason, message, "docker")


def reasons(store: Store, row: Deployment) -> list[str | None]:
    """Newest first."""
    return [found.reason for found in store.events(row.id, level=None, limit=2000)]


def contents(store: Store) -> tuple[object, ...]:
    """Everything the mirror says."""
    groups = sorted(store.groups())
    return (
        store.deployments(),
        {key: store.rows(key) for key in groups},
        {key: dict(store.ledger(key)) for key in groups},
        store.server_id,
    )


def sql(store: Store, statement: str, *values: object) -> list[sqlite3.Row]:
    """Reads or damages the database behind the store's back."""
    with closing(store._database._writer.execute(statement, values)) as cursor:
        return cursor.fetchall()


def audit(store: Store) -> list[tuple[object, ...]]:
    """(action, target type, target name, namespace, user), oldest first."""
    found = sql(store, "SELECT * FROM audit_log ORDER BY seq")
    keys = ("action", "target_type", "target_name", "namespace", "user_id")
    return [tuple(row[key] for key in keys) for row in found]
