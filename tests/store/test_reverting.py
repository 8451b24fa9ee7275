"""What the engine makes of a row that failed alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.events import Level
from ring.core.model.revision import Cause
from ring.core.model.status import Status
from ring.core.plan.view import Plan, RowChange
from tests.store.builders import MIRA, WEB, accepted, changed, current, done, reasons, spec

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.store.store import Store


def ran(store: Store, **members: object) -> Deployment:
    row = accepted(store, **members)
    done(store.commit(changed(row, status=Status.RUNNING, was_running=True)))
    return row


def fails(store: Store, row: Deployment) -> None:
    (change,) = changed(row, status=Status.CREATE_CONTAINER_ERROR, halt_reason="exit code 127").rows
    assert done(store.commit(Plan(rows=(RowChange(row, change.after),), revert=(row.id,))))


def active(store: Store) -> list[Deployment]:
    return [row for row in store.rows(WEB) if not row.is_deleted]


def test_the_last_revision_that_was_ready_is_made_again(store: Store) -> None:
    ran(store, image="nginx:1.24")
    login = {"username": "u", "password": "p"}
    good = ran(store, image="nginx:1.25", config=login, manifest="old")
    accepted(store, image="nginx:1.26")  # never ran
    bad = accepted(store, image="nginx:1.27", manifest="new")
    fails(store, bad)

    assert current(store, bad).status is Status.DELETED
    (row,) = active(store)
    assert row.spec == good.spec.model_copy(update={"manifest": "new"})
    assert row.password == good.password
    assert (row.revision, row.cause, row.author) == (5, Cause.AUTO_ROLLBACK, None)
    assert (row.status, row.parent_id) == (Status.CREATING, None)
    assert "rolled_back" in reasons(store, row)
    (told,) = [
        event
        for event in store.events(row.id, level=Level.WARNING, limit=9)
        if event.reason == "rolled_back"
    ]
    assert told.component == "scheduler"
    assert "revision 2" in told.message
    assert "exit code 127" in told.message


def test_what_says_the_same_is_no_way_back(store: Store) -> None:
    ran(store)
    again = accepted(store, replicas=5)
    fails(store, again)
    assert active(store) == [current(store, again)]
    assert current(store, again).status is Status.CREATE_CONTAINER_ERROR


def test_without_a_revision_that_was_ready_the_row_stays(store: Store) -> None:
    bad = accepted(store)
    fails(store, bad)
    assert active(store) == [current(store, bad)]


def test_a_plan_made_before_something_newer_was_asked_for_reverts_nothing(store: Store) -> None:
    ran(store, image="nginx:1.24")
    bad = accepted(store, image="nginx:1.27")
    newer = done(store.accept(spec(image="nginx:1.28"), MIRA)).deployment
    assert done(store.commit(Plan(revert=(bad.id,))))
    assert active(store) == [newer]
