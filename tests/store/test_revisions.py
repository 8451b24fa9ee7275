"""The numbered history of a deployment: what is written when, and how much of it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ring.core.model.revision import Cause
from ring.core.model.spec import MASK
from ring.core.model.status import Status
from ring.core.plan.view import Plan
from ring.store.revisions import last_good, read
from tests.store.builders import (
    MIRA,
    START,
    WEB,
    ManualClock,
    accepted,
    changed,
    current,
    done,
    memory_store,
    spec,
    sql,
)

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import GroupKey
    from ring.core.model.revision import Revision
    from ring.store.store import Store


def history(store: Store, key: GroupKey = WEB) -> list[Revision]:
    """Newest first."""
    return [kept.revision for kept in read(store.revisions.stored(key))]


def numbers(store: Store) -> list[int]:
    return [revision.number for revision in history(store)]


def run(store: Store, row: Deployment, **fields: Any) -> Deployment:
    """Its first instance has come up."""
    fields = {"status": Status.RUNNING, "was_running": True, **fields}
    assert done(store.commit(changed(current(store, row), **fields)))
    return current(store, row)


def purge(store: Store, row: Deployment) -> None:
    done(store.delete(row.id, MIRA))
    assert done(store.commit(Plan(purge=(current(store, row),))))


def test_each_accepted_spec_is_one(store: Store, clock: ManualClock) -> None:
    first = accepted(store)
    clock.advance(5)
    second = accepted(store, image="nginx:2")

    newer, older = history(store)
    assert (older.number, older.deployment_id, older.spec) == (1, first.id, first.spec)
    assert (newer.number, newer.deployment_id, newer.spec) == (2, second.id, second.spec)
    assert (older.created_at, older.author, older.cause) == (START, "user-mira", Cause.APPLY)
    assert (newer.created_at - older.created_at).total_seconds() == 5
    assert (newer.ready_at, older.ready_at) == (None, None)


def test_an_unchanged_apply_is_none(store: Store) -> None:
    accepted(store)
    done(store.accept(spec(manifest="other"), MIRA, if_changed=True))
    assert numbers(store) == [1]


def test_it_is_ready_when_the_row_is_first_running(store: Store, clock: ManualClock) -> None:
    row = accepted(store)
    clock.advance(7)
    row = run(store, row)
    assert (history(store)[0].ready_at or START).timestamp() == START.timestamp() + 7
    clock.advance(7)
    run(store, row, restart_count=1)
    assert (history(store)[0].ready_at or START).timestamp() == START.timestamp() + 7


def test_a_stopped_row_proves_nothing(store: Store) -> None:
    run(store, accepted(store), stopped=True)
    assert history(store)[0].ready_at is None


@pytest.mark.parametrize("ready", [False, True])
def test_another_count_in_place_is_one_and_inherits_that_it_is_ready(
    store: Store, *, ready: bool
) -> None:
    row = accepted(store)
    if ready:
        run(store, row)
    done(store.accept(spec(replicas=3), MIRA, if_changed=True))

    newer, older = history(store)
    assert (newer.number, newer.deployment_id, newer.cause) == (2, row.id, Cause.SCALE)
    assert (newer.spec.replicas, older.spec.replicas) == (3, 1)
    assert newer.ready_at == older.ready_at
    assert (newer.ready_at is not None) is ready
    run(store, row)
    assert history(store)[0].ready_at is not None


def test_the_registry_password_is_sealed(store: Store) -> None:
    accepted(store, config={"username": "mira", "password": "hunter2-canary"})
    (revision,) = history(store)
    assert revision.spec.config is not None
    assert revision.spec.config.password == MASK
    assert revision.password is not None
    assert b"hunter2" not in revision.password
    assert "hunter2" not in sql(store, "SELECT spec FROM revision")[0]["spec"]


def test_the_newest_ones_are_kept() -> None:
    store = memory_store(revisions_kept=3)
    for number in range(6):
        accepted(store, image=f"nginx:{number}")
    assert numbers(store) == [6, 5, 4]
    done(store.close())


def test_what_was_ready_last_is_kept_however_old_it_is() -> None:
    store = memory_store(revisions_kept=2)
    run(store, accepted(store, image="nginx:1"))
    run(store, accepted(store, image="nginx:2"))
    for number in range(3, 8):
        accepted(store, image=f"nginx:{number}")
    assert numbers(store) == [7, 6, 2]
    done(store.close())


def test_the_way_back_is_kept_however_often_it_is_scaled() -> None:
    store = memory_store(revisions_kept=3)
    run(store, accepted(store, image="nginx:1"))
    run(store, accepted(store, image="nginx:2"))
    for count in range(2, 8):
        done(store.accept(spec(image="nginx:2", replicas=count), MIRA, if_changed=True))
    assert numbers(store) == [8, 7, 6, 1]
    accepted(store, image="nginx:3")
    assert numbers(store) == [9, 8, 7]
    done(store.close())


def test_what_an_active_row_has_is_kept() -> None:
    store = memory_store(revisions_kept=1)
    check = {"type": "tcp", "port": 80, "interval": "5s", "timeout": "1s", "on_failure": "alert"}
    accepted(store, health_checks=[check])
    for number in range(4):  # children of the first row, each in the place of the one before it
        accepted(store, image=f"nginx:{number}", health_checks=[check])
    assert numbers(store) == [5, 1]
    done(store.close())


def test_numbers_are_not_given_twice_while_the_group_is_there(store: Store) -> None:
    first = accepted(store, image="nginx:1")
    second = accepted(store, image="nginx:2")
    third = accepted(store, image="nginx:3")
    purge(store, third)
    assert numbers(store) == [3, 2, 1]
    assert accepted(store, image="nginx:4").revision == 4
    purge(store, first)
    purge(store, second)
    assert numbers(store) == [4, 3, 2, 1]


def test_they_go_with_the_last_row(store: Store) -> None:
    other = accepted(store, name="other")
    first, second = accepted(store), accepted(store, image="nginx:2")
    purge(store, first)
    assert numbers(store) == [2, 1]
    purge(store, second)
    assert numbers(store) == []
    assert len(history(store, other.key)) == 1
    assert accepted(store).revision == 1


def test_a_namespace_leaves_none(store: Store) -> None:
    row = accepted(store)
    done(store.delete(row.id, MIRA))
    namespace = store.namespace_to_change("media")
    assert namespace is not None
    done(store.delete_namespace(namespace, MIRA))
    assert sql(store, "SELECT * FROM revision") == []


def test_the_last_good_one_means_something_else_and_was_ready(store: Store) -> None:
    run(store, accepted(store, image="nginx:1"))
    accepted(store, image="nginx:2")
    run(store, accepted(store, image="nginx:3"))
    row = run(store, accepted(store, image="nginx:3", replicas=2))
    found = done(store._write(lambda tx: last_good(tx, row)))
    assert found is not None
    assert (found.number, found.spec.image) == (1, "nginx:1")
    oldest = history(store)[-1]
    assert done(store._write(lambda tx: last_good(tx, current(store, row)))) == oldest


def test_one_that_cannot_be_read_is_left_out(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    accepted(store, environment={"KEY": "canary"})
    sql(store, "UPDATE revision SET spec = replace(spec, '\"docker\"', '\"doc')")
    assert history(store) == []
    assert "its stored spec cannot be read" in caplog.text
    assert "canary" not in caplog.text


def test_who_made_it_is_told_by_name(store: Store) -> None:
    done(store.seed_admin("hash"))
    admin = store.user_named("admin")
    assert admin is not None
    accepted(store)
    accepted(store, image="nginx:2")
    sql(store, "UPDATE revision SET author = ? WHERE revision = 2", admin.id)
    assert [kept.username for kept in read(store.revisions.stored(WEB))] == ["admin", None]
