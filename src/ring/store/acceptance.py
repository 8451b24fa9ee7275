"""Accepting and deleting a deployment: namespace, rows, events and audit in one transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from ring.core.errors import Conflict
from ring.core.model import labels
from ring.core.model.deployment import Deployment
from ring.core.model.events import EventDraft, Level
from ring.core.model.ids import DeploymentId, GroupKey
from ring.core.model.revision import Cause
from ring.core.model.status import Status
from ring.core.plan.decisions import Create, Replace, Roll, Scale, Unchanged
from ring.core.webhooks import notices
from ring.store import audit, deployments, events, inputs, namespaces, outbox, revisions, weighing
from ring.store.records import Accepted, Author

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.core.model.spec import DeploymentSpec
    from ring.store.database import Transaction
    from ring.store.weighing import Request


def accept(tx: Transaction, request: Request) -> Accepted:
    """Decides on the rows as they are now, and writes. Raises Denied, Conflict."""
    weighed = weighing.weigh(tx, request)
    match weighed.decision:
        case Unchanged(row, manifest_differs):
            if manifest_differs:
                row = deployments.update_with_spec(tx, replace(row, spec=weighed.spec))
            return Accepted(row, "unchanged")
        case Scale(row):
            return scale(tx, row, weighed.spec, request.author)
        case Create() | Replace() | Roll() as decision:
            password = weighed.password
            sealed = None if password is None else tx.vault.seal(password)
            row = create(tx, decision, weighed.spec, request.author, sealed)
            events.add(tx, _of_fields(row, request.unknown_fields))
            record(tx, row, request.author, "create")
            return Accepted(replace(row, last_event_at=tx.now), "created")
        case _:
            assert_never(weighed.decision)


def delete(tx: Transaction, deployment_id: DeploymentId, author: Author) -> Deployment | None:
    """Marks it; what is already marked stays as it is."""
    row = deployments.by_id(tx, deployment_id)
    if row is None or row.is_deleted:
        return row
    record(tx, row, author, "delete")
    return end(tx, row)


def end(tx: Transaction, row: Deployment) -> Deployment:
    """The row as it is afterwards; its subscribers are told."""
    ended = deployments.update(tx, replace(row, status=Status.DELETED, next_create_at=None))
    outbox.publish(tx, [notices.status_changed(ended, row.status)])
    return ended


def scale(
    tx: Transaction, row: Deployment, spec: DeploymentSpec, author: Author, by: str = ""
) -> Accepted:
    """The same row with another count. What is stopped is started, with its whole group.

    by: who wants it, and why, for the event.
    """
    before = 0 if row.stopped else row.spec.replicas
    for other in deployments.active(tx, row.key) if row.stopped else ():
        if other.stopped and other.id != row.id:
            deployments.update(tx, replace(other, stopped=False))
    is_counted = row.spec.replicas != spec.replicas
    scaled = replace(row, spec=spec, retired_count=0, stopped=False)
    if is_counted:
        scaled = replace(scaled, revision=deployments.next_revision(tx, row.key))
    scaled = deployments.update_with_spec(tx, scaled)
    if is_counted:
        known = revisions.find(tx, row.key, row.revision)
        revisions.add(
            tx,
            scaled,
            author=author.user_id,
            cause=Cause.SCALE,
            ready_at=None if known is None else known.ready_at,
        )
    after = scaled.full_target if row.stopped else spec.replicas
    message = f"Scaled from {before} to {after} replicas{by}"
    events.add(tx, [event(scaled, Level.INFO, "scaled", message)])
    record(tx, scaled, author, "scale")
    scaled = replace(scaled, last_event_at=tx.now)
    return Accepted(scaled, "scaled", scaled_from=before, scaled_to=after)


def create(
    tx: Transaction,
    decision: Create | Replace | Roll,
    spec: DeploymentSpec,
    author: Author,
    sealed: bytes | None,
    *,
    cause: Cause = Cause.APPLY,
) -> Deployment:
    """A new row of this spec, with what that means for the others. `sealed` is the registry
    password, masked in the spec. Raises Denied, Conflict."""
    namespaces.ensure(tx, spec.namespace, author)
    for replaced in _ending(decision):  # before the insert: there is one active root at a time
        end(tx, replaced)
    scaled = _scaled_before(decision, spec)
    row = Deployment(
        id=DeploymentId(tx.new_id()),
        spec=spec,
        status=Status.CREATING,
        created_at=tx.now,
        parent_id=decision.parent.id if isinstance(decision, Roll) else None,
        desired_replicas=None if scaled is None else scaled.desired_replicas,
        last_scaled_at=None if scaled is None else scaled.last_scaled_at,
        revision=deployments.next_revision(tx, GroupKey(spec.namespace, spec.name)),
        author=author.user_id,
        cause=cause,
        password=sealed,
    )
    try:
        deployments.insert(tx, row)
    except sqlite3.IntegrityError as error:
        raise Conflict(
            f"A deployment with name '{spec.name}' already exists in namespace '{spec.namespace}'"
        ) from error
    revisions.add(tx, row, author=row.author, cause=cause)
    inputs.record(tx, row.id, inputs.now(tx, spec))
    events.add(tx, _birth(row, decision))
    return row


def _ending(decision: Create | Replace | Roll) -> tuple[Deployment, ...]:
    """The rows that end with this one's beginning."""
    match decision:
        case Create():
            return ()
        case Replace(rows):
            return rows
        case Roll(superseded=superseded, ended=ended):
            return (*ended, *superseded)
        case _:
            assert_never(decision)


def _scaled_before(decision: Create | Replace | Roll, spec: DeploymentSpec) -> Deployment | None:
    """The row whose autoscaling goes on: an apply under load keeps what it has reached, and the
    rest after its last step."""
    match decision:
        case Create():
            return None
        case Roll(parent):
            return parent
        case Replace(rows):
            reached = [row for row in rows if row.desired_replicas is not None]
            return reached[-1] if reached and spec.autoscale is not None else None
        case _:
            assert_never(decision)


def _birth(row: Deployment, decision: Create | Replace | Roll) -> list[EventDraft]:
    born = [
        event(row, Level.INFO, "deployment_created", f"Deployment '{row.spec.name}' created"),
    ]
    if isinstance(decision, Replace):
        replaced = ", ".join(replaced.id for replaced in decision.rows)
        message = f"Replaces {replaced} at once: {decision.reason}"
        born.append(event(row, Level.WARNING, "force_replace", message))
    if isinstance(decision, Roll) and decision.superseded:
        gone = ", ".join(superseded.id for superseded in decision.superseded)
        message = f"Takes the place of {gone} in the rolling update of {decision.parent.id}"
        born.append(event(row, Level.WARNING, "rolling_update_superseded", message))
    return born


def _of_fields(row: Deployment, unknown_fields: Sequence[str]) -> list[EventDraft]:
    """What of the manifest has no effect."""
    told = []
    if unknown_fields:
        message = f"Unknown fields ignored: {', '.join(unknown_fields)}"
        told.append(event(row, Level.WARNING, "unknown_fields", message))
    if taken := labels.own_among(row.spec.labels):
        fields = ", ".join(f"labels.{key}" for key in taken)
        message = f"Labels ignored, because Ring writes its own: {fields}"
        told.append(event(row, Level.WARNING, "ignored_labels", message))
    return told


def event(row: Deployment, level: Level, reason: str, message: str) -> EventDraft:
    return EventDraft(row.id, level, reason, message, component="api")


def record(tx: Transaction, row: Deployment, author: Author, action: str) -> None:
    """In the audit log."""
    target = audit.Target("deployment", row.spec.name, namespace=row.spec.namespace)
    audit.record(tx, author.user_id, action, target)
