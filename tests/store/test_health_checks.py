"""Results and states of health checks: stored together, kept for a while, gone with their row."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from ring.core.model.health import Health, ResultDraft, SavedState
from ring.core.model.ids import InstanceId
from ring.core.model.ledger import Phase
from ring.core.plan.view import Plan
from ring.store.health_checks import MOST
from tests.store.builders import START, accepted, done, entry, sql

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from ring.core.model.deployment import Deployment
    from ring.store.store import Store

WEEK = timedelta(days=7)


def result(
    row: Deployment, seconds: float, check_type: str = "http", index: int = 0
) -> ResultDraft:
    began = START + timedelta(seconds=seconds)
    return ResultDraft(
        row.id, InstanceId("i-1"), index, check_type, "success", f"at {seconds:g}", began, began
    )


def state(row: Deployment, instance: str = "i-1", index: int = 0, failures: int = 1) -> SavedState:
    return SavedState(row.id, InstanceId(instance), index, "failed", failures, None)


def save(
    store: Store,
    results: Iterable[ResultDraft] = (),
    states: Iterable[SavedState] = (),
    gone: Iterable[str] = (),
) -> None:
    done(store.health_checks.save(results, states, [InstanceId(one) for one in gone]))


def purge(store: Store, row: Deployment, *, kept: int = 50) -> None:
    before = store._clock.wall() - WEEK
    while done(store.health_checks.purge(row, before=before, kept=kept)):
        pass


def messages(store: Store, row: Deployment) -> list[str | None]:
    return [one.message for one in store.health_checks.newest(row.id, 1000)]


def test_results_are_stored_whole_each_with_an_id(store: Store) -> None:
    row = accepted(store)
    save(store, [result(row, 1), result(row, 2, "tcp", 3)])
    newer, older = store.health_checks.newest(row.id, 10)
    assert (newer.check_type, newer.check_index, newer.status) == ("tcp", 3, "success")
    assert (newer.message, newer.instance_id) == ("at 2", "i-1")
    assert newer.started_at == newer.finished_at == START + timedelta(seconds=2)
    assert newer.created_at == START
    assert older.message == "at 1"
    assert newer.id != older.id


def test_the_latest_of_each_type_is_by_its_begin(store: Store) -> None:
    row = accepted(store)
    save(store, [result(row, 9), result(row, 1), result(row, 5, "tcp"), result(row, 8, "tcp", 1)])
    found = store.health_checks.latest(row.id)
    assert [(one.check_type, one.message) for one in found] == [("http", "at 9"), ("tcp", "at 8")]


def test_what_belongs_to_no_row_any_more_is_dropped_without_the_rest(store: Store) -> None:
    gone, row = accepted(store), accepted(store, name="api")
    save(store, [result(gone, 1)], [state(gone)])
    done(store.commit(Plan(purge=(gone,))))
    assert sql(store, "SELECT * FROM health_check") == []
    assert store.health_checks.states() == ()
    save(store, [result(gone, 2), result(row, 3)], [state(gone), state(row, "i-2")])
    assert messages(store, gone) == []
    assert messages(store, row) == ["at 3"]
    assert store.health_checks.states() == (state(row, "i-2"),)


def test_states_are_one_for_each_check_of_each_instance(store: Store) -> None:
    row = accepted(store)
    green = SavedState(row.id, InstanceId("i-1"), 1, "success", 0, START, Health.HEALTHY)
    red = replace(state(row, failures=2), health=Health.UNHEALTHY, streak=3)
    save(store, states=[state(row), state(row, index=1), state(row, "i-2")])
    save(store, states=[red, green])
    assert set(store.health_checks.states()) == {red, green, state(row, "i-2")}
    save(store, gone=["i-1"])
    assert store.health_checks.states() == (state(row, "i-2"),)


def test_a_state_that_cannot_be_read_is_none(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    row = accepted(store)
    save(store, states=[state(row), state(row, index=1), state(row, index=2)])
    sql(store, "UPDATE probe_state SET status = 'fine' WHERE check_index = 0")
    sql(store, "UPDATE probe_state SET ready_since = 'noon' WHERE check_index = 1")
    sql(
        store,
        "UPDATE probe_state SET failures = 'many', streak = 'more', health = 'fine'"
        " WHERE check_index = 2",
    )
    assert store.health_checks.states() == (state(row, index=1), state(row, index=2, failures=0))
    assert "ready_since is not a timestamp" in caplog.text


def test_results_older_than_a_week_go(store: Store) -> None:
    row = accepted(store)
    old = -WEEK.total_seconds()
    save(store, [result(row, old - 1), result(row, old + 1), result(row, 0)])
    purge(store, row)
    assert messages(store, row) == ["at 0", f"at {old + 1:g}"]


def test_the_newest_stay_and_so_does_the_last_of_each_type(store: Store) -> None:
    tcp = {"type": "tcp", "port": 1, "interval": "1s", "timeout": "1s", "on_failure": "alert"}
    http = {**tcp, "type": "http", "url": "http://localhost"}
    del http["port"]
    row = accepted(store, health_checks=[tcp, http])
    other = accepted(store, name="api")
    save(store, [result(row, 0, "tcp"), result(row, 1, "tcp")])
    save(store, [result(row, 2 + number) for number in range(70)])
    save(store, [result(other, number) for number in range(60)])
    latest = store.health_checks.latest(row.id)
    purge(store, row)
    assert len(messages(store, other)) == 60
    assert messages(store, row) == [f"at {number}" for number in range(71, 22, -1)] + ["at 1"]
    assert store.health_checks.latest(row.id) == latest
    purge(store, row)
    assert len(messages(store, row)) == 50


def test_one_transaction_drops_so_many_results_and_no_more(store: Store) -> None:
    row = accepted(store)
    save(store, [result(row, number) for number in range(MOST + 60)])
    assert done(store.health_checks.purge(row, before=START - WEEK, kept=50))
    assert len(messages(store, row)) == 60
    assert not done(store.health_checks.purge(row, before=START - WEEK, kept=50))
    assert len(messages(store, row)) == 50


def test_fewer_than_are_kept_stay_as_they_are(store: Store) -> None:
    row = accepted(store)
    save(store, [result(row, number) for number in range(50)])
    purge(store, row)
    assert len(messages(store, row)) == 50


def test_states_of_instances_that_the_ledger_does_not_know_go(store: Store) -> None:
    row, other = accepted(store), accepted(store, name="api")
    made = entry(row, phase=Phase.LIVE)
    known = replace(made, instance_id=InstanceId("i-1"))
    done(store.commit(Plan(put_entries=(known, entry(row, "00000002")))))
    save(store, states=[state(row), state(row, "i-2"), state(other, "i-3")])
    purge(store, row)
    assert set(store.health_checks.states()) == {state(row), state(other, "i-3")}
