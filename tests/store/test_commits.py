"""Plans: whole or not at all, and never on rows that have moved on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import DeploymentId, InstanceId
from ring.core.model.ledger import Phase, Why
from ring.core.model.operations import InspectInstance, StartInstance
from ring.core.model.status import Status
from ring.core.plan.view import Plan, RowChange
from tests.store.builders import (
    MIRA,
    START,
    WEB,
    ManualClock,
    accepted,
    changed,
    contents,
    current,
    done,
    entry,
    event,
    reasons,
    spec,
    sql,
)

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.store.store import Store


def test_a_plan_changes_rows_ledger_and_events_together(store: Store, clock: ManualClock) -> None:
    row = accepted(store)
    first, second = entry(row, "00000001"), entry(row, "00000002")
    assert done(store.commit(Plan(put_entries=(first,))))
    clock.advance(5)
    waits = clock.wall() + timedelta(seconds=4)
    after = replace(
        row,
        status=Status.CRASH_LOOP_BACK_OFF,
        restart_count=5,
        next_create_at=waits,
        counted_death_at=clock.wall(),
        halt_reason="budget spent",
        retired_count=1,
        was_running=True,
        image_digest="sha256:ab",
        parent_id=DeploymentId("parent"),
    )
    plan = Plan(
        rows=(RowChange(row, after),),
        put_entries=(second,),
        drop_entries=(first.name,),
        events=(event(row.id),),
    )

    assert done(store.commit(plan))

    expected = replace(
        after, updated_at=clock.wall(), last_event_at=clock.wall(), version=row.version + 1
    )
    assert store.rows(WEB) == (expected,)
    assert dict(store.ledger(WEB)) == {second.name: second}
    assert reasons(store, row) == ["runtime_unavailable", "deployment_created"]
    assert contents(store.reopen()) == contents(store)


def test_an_entry_is_kept_as_it_was_put(store: Store) -> None:
    row = accepted(store)
    creating = entry(row)
    stopping = replace(
        creating,
        instance_id=InstanceId("ab" * 32),
        phase=Phase.STOPPING,
        reason=Why.SCALE_DOWN,
        since=START + timedelta(microseconds=1),
    )
    done(store.commit(Plan(put_entries=(creating,))))
    done(store.commit(Plan(put_entries=(stopping,))))
    assert dict(store.ledger(WEB)) == {creating.name: stopping}
    assert dict(store.reopen().ledger(WEB)) == {creating.name: stopping}


def test_a_ledger_that_was_handed_out_does_not_change(store: Store) -> None:
    row = accepted(store)
    done(store.commit(Plan(put_entries=(entry(row, "00000001"),))))
    seen = store.ledger(WEB)
    before = dict(seen)
    done(
        store.commit(
            Plan(
                put_entries=(entry(row, "00000001", Phase.LIVE), entry(row, "00000002")),
                drop_entries=(entry(row, "00000001").name,),
            )
        )
    )
    assert dict(seen) == before
    assert len(store.ledger(WEB)) == 2


def test_dropping_an_unknown_entry_is_no_error(store: Store) -> None:
    row = accepted(store)
    assert done(store.commit(Plan(drop_entries=(entry(row).name,))))
    assert dict(store.ledger(WEB)) == {}


def test_a_plan_made_of_an_older_row_is_refused_whole(store: Store) -> None:
    row, other = accepted(store), accepted(store, name="api")
    done(store.commit(changed(row, restart_count=1)))
    before = contents(store)
    stale = Plan(
        rows=(
            RowChange(other, replace(other, restart_count=9)),
            RowChange(row, replace(row, restart_count=9)),
        ),
        put_entries=(entry(other),),
        events=(event(other.id),),
    )

    assert not done(store.commit(stale))

    assert contents(store) == before
    assert contents(store.reopen()) == before
    assert reasons(store, other) == ["deployment_created"]


def test_every_write_of_a_row_makes_plans_of_it_stale(store: Store) -> None:
    row = accepted(store, replicas=2)
    scaled = done(store.accept(spec(replicas=3), MIRA, if_changed=True)).deployment
    assert not done(store.commit(changed(row, status=Status.RUNNING)))
    assert done(store.commit(changed(scaled, status=Status.RUNNING)))
    running = current(store, row)
    done(store.delete(row.id, MIRA))
    assert not done(store.commit(changed(running, restart_count=1)))
    assert current(store, row).status is Status.DELETED


def test_events_make_no_plan_stale(store: Store, clock: ManualClock) -> None:
    row = accepted(store)
    clock.advance(5)
    done(store.record([event(row.id)]))
    noted = clock.wall()
    clock.advance(5)

    assert done(store.commit(changed(row, status=Status.RUNNING)))

    assert current(store, row).last_event_at == noted
    assert contents(store.reopen()) == contents(store)


@pytest.mark.parametrize("restart_count", [0, 1])
def test_a_row_written_to_the_same_values_has_a_new_version(
    store: Store, restart_count: int
) -> None:
    row = accepted(store)
    assert done(store.commit(changed(row, restart_count=restart_count)))
    assert current(store, row).version == row.version + 1


def test_a_purge_leaves_a_tombstone_and_nothing_else(store: Store, clock: ManualClock) -> None:
    row, other = accepted(store), accepted(store, name="api")
    done(store.commit(Plan(put_entries=(entry(row), entry(other)))))
    done(store.delete(row.id, MIRA))
    deleted = current(store, row)

    assert done(store.commit(Plan(purge=(deleted,))))

    assert store.deployment(row.id) is None
    assert store.rows(WEB) == ()
    assert dict(store.ledger(WEB)) == {}
    assert list(store.groups()) == [other.key]
    assert store.events(row.id, level=None, limit=10) == ()
    assert [r["deployment_id"] for r in sql(store, "SELECT * FROM instance")] == [other.id]
    assert store.is_tombstone(row.id)
    assert not store.is_tombstone(other.id)
    assert contents(store.reopen()) == contents(store)
    assert store.reopen().is_tombstone(row.id)
    assert not done(store.commit(Plan(purge=(deleted,))))


def test_a_purge_leaves_the_entries_of_its_group_alone(store: Store) -> None:
    old = accepted(store)
    new = accepted(store, image="nginx:1.26")
    kept = entry(new, "00000002")
    done(store.commit(Plan(put_entries=(entry(old, "00000001"), kept))))

    assert done(store.commit(Plan(purge=(current(store, old),))))

    assert store.rows(WEB) == (new,)
    assert dict(store.ledger(WEB)) == {kept.name: kept}


def test_a_tombstone_is_kept_for_seven_days(store: Store, clock: ManualClock) -> None:
    week_s = 7 * 24 * 3600.0
    first = accepted(store)
    done(store.commit(Plan(purge=(first,))))
    clock.advance(week_s - 1)
    assert store.is_tombstone(first.id)
    clock.advance(1)
    assert not store.is_tombstone(first.id)

    second = accepted(store)
    done(store.commit(Plan(purge=(second,))))

    assert [r["deployment_id"] for r in sql(store, "SELECT * FROM tombstone")] == [second.id]
    assert store.is_tombstone(second.id)
    clock.advance(-week_s)
    assert not store.is_tombstone(first.id)


def test_entries_of_a_purged_row_are_refused(store: Store) -> None:
    row, other = accepted(store), accepted(store, name="api")
    done(store.commit(Plan(purge=(row,))))
    assert not done(store.commit(Plan(put_entries=(entry(other), entry(row)))))
    assert dict(store.ledger(other.key)) == {}


@pytest.mark.parametrize("with_entry", [True, False])
def test_nothing_is_started_for_a_row_that_is_deleted_by_now(
    store: Store, with_entry: bool
) -> None:
    row = accepted(store)
    wanted = entry(row)
    plan = Plan(
        put_entries=(wanted,) if with_entry else (),
        actions=(StartInstance(row.id, wanted.name),),
    )
    done(store.delete(row.id, MIRA))

    assert not done(store.commit(plan))
    assert dict(store.ledger(WEB)) == {}
    done(store.commit(Plan(purge=(current(store, row),))))
    assert not done(store.commit(plan))


def test_a_deleted_row_still_gets_its_teardown(store: Store) -> None:
    row = accepted(store)
    done(store.commit(Plan(put_entries=(entry(row),))))
    done(store.delete(row.id, MIRA))
    stopping = entry(row, phase=Phase.STOPPING)
    assert done(store.commit(Plan(put_entries=(stopping,), events=(event(row.id),))))
    assert store.ledger(WEB)[stopping.name] == stopping


def test_events_of_a_purged_row_do_not_hold_a_plan_up(store: Store) -> None:
    row, other = accepted(store), accepted(store, name="api")
    done(store.commit(Plan(purge=(row,))))
    assert done(store.commit(Plan(events=(event(row.id), event(other.id)))))
    assert reasons(store, other) == ["runtime_unavailable", "deployment_created"]


def test_a_plan_that_writes_and_starts_nothing_asks_no_database(store: Store) -> None:
    row = accepted(store)
    done(store.close())
    look = InspectInstance(row.id, entry(row).name, InstanceId("ab"))
    assert done(store.commit(Plan(actions=(look,))))


def test_rows_of_a_group_are_oldest_first_and_all_rows_in_creation_order(store: Store) -> None:
    made: list[Deployment] = [
        accepted(store, name=name, image=image)
        for image in ("nginx:1.25", "nginx:1.26")
        for name in ("web", "api")
    ]
    ids = [row.id for row in made]
    assert [row.id for row in store.deployments()] == ids
    assert [row.id for row in store.rows(WEB)] == ids[::2]
    assert [row.id for row in store.reopen().deployments()] == ids
    assert sorted(store.groups()) == [made[1].key, made[0].key]


def test_a_name_in_another_deployments_ledger_stays_there(store: Store) -> None:
    """Whoever renames containers by hand must not make one deployment forget its instance."""
    web, other = accepted(store), accepted(store, name="other")
    theirs = entry(other, "00000001")
    assert done(store.commit(Plan(put_entries=(theirs,))))
    ours = replace(theirs, deployment_id=web.id, instance_id=InstanceId("renamed"))
    assert done(store.commit(Plan(put_entries=(ours,))))
    assert dict(store.ledger(other.key)) == {theirs.name: theirs}
    assert dict(store.ledger(web.key)) == {}
    again = store.reopen()
    assert dict(again.ledger(other.key)) == {theirs.name: theirs}
