"""Accepting and deleting a deployment: namespace, rows, events and audit in one transaction."""

from __future__ import annotations

import hmac
import sqlite3
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from ring.core.errors import Conflict, RingError
from ring.core.model import labels
from ring.core.model.deployment import Deployment
from ring.core.model.events import EventDraft, Level
from ring.core.model.ids import DeploymentId, GroupKey
from ring.core.model.spec import masked
from ring.core.model.status import Status
from ring.core.plan.decisions import Create, Replace, Scale, Unchanged, decide
from ring.core.references import have_changed
from ring.core.webhooks import notices
from ring.store import audit, deployments, events, inputs, namespaces, outbox
from ring.store.records import Accepted, Author

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.core.model.spec import DeploymentSpec
    from ring.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Request:
    """One manifest as it was posted, checked already."""

    spec: DeploymentSpec
    author: Author
    force: bool
    if_changed: bool
    image_moved: bool
    unknown_fields: Sequence[str]


def accept(tx: Transaction, request: Request) -> Accepted:
    """Decides on the rows as they are now, and writes. Raises Denied, Conflict."""
    password = request.spec.config.password if request.spec.config else None
    request = replace(request, spec=masked(request.spec))
    active = deployments.active(tx, GroupKey(request.spec.namespace, request.spec.name))
    decision = decide(
        request.spec,
        active,
        force=request.force,
        if_changed=request.if_changed,
        image_moved=request.image_moved,
        inputs_changed=bool(active) and _inputs_changed(tx, active[-1], password),
    )
    match decision:
        case Unchanged(row, manifest_differs):
            if manifest_differs:
                row = deployments.update_with_spec(tx, replace(row, spec=request.spec))
            return Accepted(row, "unchanged")
        case Scale(row):
            return _scale(tx, row, request)
        case Create() | Replace():
            return _create(tx, decision, request, password)
        case _:
            assert_never(decision)


def delete(tx: Transaction, deployment_id: DeploymentId, author: Author) -> Deployment | None:
    """Marks it; what is already marked stays as it is."""
    row = deployments.by_id(tx, deployment_id)
    if row is None or row.is_deleted:
        return row
    _audit(tx, row, author, "delete")
    return _end(tx, row)


def _end(tx: Transaction, row: Deployment) -> Deployment:
    """The row as it is afterwards; its subscribers are told."""
    ended = deployments.update(tx, replace(row, status=Status.DELETED, next_create_at=None))
    outbox.publish(tx, [notices.status_changed(ended, row.status)])
    return ended


def _inputs_changed(tx: Transaction, row: Deployment, password: str | None) -> bool:
    """A registry password is one of them: the specs do not tell one from another."""
    changed = have_changed(inputs.recorded(tx, row.id), inputs.now(tx, row.spec))
    return changed or not _is_password(tx, row, password)


def _scale(tx: Transaction, row: Deployment, request: Request) -> Accepted:
    before = row.spec.replicas
    scaled = deployments.update_with_spec(
        tx,
        replace(
            row,
            spec=request.spec,
            revision=deployments.next_revision(tx, row.key),
            retired_count=0,
        ),
    )
    message = f"Scaled from {before} to {request.spec.replicas} replicas"
    events.add(tx, [_event(scaled, Level.INFO, "scaled", message)])
    _audit(tx, scaled, request.author, "scale")
    return Accepted(replace(scaled, last_event_at=tx.now), "scaled", scaled_from=before)


def _is_password(tx: Transaction, row: Deployment, password: str | None) -> bool:
    """Whether it is the row's registry password. One that cannot be opened any more is not."""
    if row.password is None or password is None:
        return row.password is None and password is None
    try:
        return hmac.compare_digest(tx.vault.open(row.password).encode(), password.encode())
    except RingError:
        return False


def _create(
    tx: Transaction, decision: Create | Replace, request: Request, password: str | None
) -> Accepted:
    namespaces.ensure(tx, request.spec.namespace, request.author)
    if isinstance(decision, Replace):
        for replaced in decision.rows:
            _end(tx, replaced)
    key = GroupKey(request.spec.namespace, request.spec.name)
    row = Deployment(
        id=DeploymentId(tx.new_id()),
        spec=request.spec,
        status=Status.CREATING,
        created_at=tx.now,
        revision=deployments.next_revision(tx, key),
        author=request.author.user_id,
        password=None if password is None else tx.vault.seal(password),
    )
    try:
        deployments.insert(tx, row)
    except sqlite3.IntegrityError as error:
        raise Conflict(
            f"A deployment with name '{row.spec.name}' already exists"
            f" in namespace '{row.spec.namespace}'"
        ) from error
    inputs.record(tx, row.id, inputs.now(tx, row.spec))
    events.add(tx, _birth(row, decision, request.unknown_fields))
    _audit(tx, row, request.author, "create")
    return Accepted(replace(row, last_event_at=tx.now), "created")


def _birth(
    row: Deployment, decision: Create | Replace, unknown_fields: Sequence[str]
) -> list[EventDraft]:
    born = [
        _event(row, Level.INFO, "deployment_created", f"Deployment '{row.spec.name}' created"),
    ]
    if isinstance(decision, Replace):
        replaced = ", ".join(replaced.id for replaced in decision.rows)
        message = f"Replaces {replaced} at once: {decision.reason}"
        born.append(_event(row, Level.WARNING, "force_replace", message))
    if unknown_fields:
        message = f"Unknown fields ignored: {', '.join(unknown_fields)}"
        born.append(_event(row, Level.WARNING, "unknown_fields", message))
    if taken := labels.own_among(row.spec.labels):
        fields = ", ".join(f"labels.{key}" for key in taken)
        message = f"Labels ignored, because Ring writes its own: {fields}"
        born.append(_event(row, Level.WARNING, "ignored_labels", message))
    return born


def _event(row: Deployment, level: Level, reason: str, message: str) -> EventDraft:
    return EventDraft(row.id, level, reason, message, component="api")


def _audit(tx: Transaction, row: Deployment, author: Author, action: str) -> None:
    target = audit.Target("deployment", row.spec.name, namespace=row.spec.namespace)
    audit.record(tx, author.user_id, action, target)
