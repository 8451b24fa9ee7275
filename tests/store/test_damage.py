"""What is damaged in the file is logged, and never hides a row."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ledger import Phase, Why
from ring.core.model.spec import User, canonical
from ring.core.model.status import Status
from ring.core.plan.view import Plan
from ring.store.specs import UNREADABLE
from tests.store.builders import (
    MIRA,
    WEB,
    accepted,
    changed,
    contents,
    current,
    done,
    entry,
    spec,
    sql,
)

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.store.store import Store


def reloaded(store: Store, row: Deployment) -> Deployment:
    return current(store.reopen(), row)


def store_spec(store: Store, text: str | bytes) -> None:
    sql(store, "UPDATE deployment SET spec = CAST(? AS TEXT)", text)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "17", b"\xff\xfe"])
def test_a_spec_that_is_no_json_object_shows_its_columns_and_starts_nothing(
    store: Store, text: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    row = accepted(store, replicas=3, kind="worker", command=["nginx"])
    store_spec(store, text)

    found = reloaded(store, row)

    assert found.spec == spec(replicas=3)
    assert found.halt_reason == UNREADABLE
    assert (found.id, found.status, found.created_at) == (row.id, row.status, row.created_at)
    assert row.id in caplog.text


@pytest.mark.parametrize(
    ("written", "acts_as", "told"),
    [
        ("never", "Never", False),
        ("IFNOTPRESENT", "IfNotPresent", False),
        ("sometimes", "Always", True),
        ("", "Always", True),
    ],
)
def test_a_pull_policy_that_nobody_writes_now_costs_nothing_else(
    store: Store, written: str, acts_as: str, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    row = accepted(store, config={"user": {"id": 1000}})
    stored = json.loads(canonical(row.spec))
    stored["config"]["image_pull_policy"] = written
    store_spec(store, json.dumps(stored))

    found = reloaded(store, row)

    assert found.spec.pull_policy == acts_as
    assert found.spec.config is not None
    assert found.spec.config.user == User(id=1000)
    assert ("acts as Always" in caplog.text) is told
    assert "cannot be read" not in caplog.text


@pytest.mark.parametrize(
    ("member", "damage"),
    [
        ("volumes", "nonsense"),
        ("labels", {"tier": 7}),
        ("ports", [{"published": "eighty"}]),
        ("command", {"a": 1}),
        ("config", {"password": 12345678901}),
    ],
)
def test_a_damaged_member_takes_its_empty_value(
    store: Store, member: str, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    row = accepted(store, replicas=3, environment={"A": "1"})
    store_spec(store, json.dumps({**json.loads(canonical(row.spec)), member: damage}))

    found = reloaded(store, row)

    assert found.spec == row.spec
    assert found.halt_reason is None
    assert f"'{member}'" in caplog.text
    assert "12345678901" not in caplog.text


def test_a_mandatory_member_comes_from_its_column(store: Store) -> None:
    row = accepted(store, labels={"tier": "front"})
    members = json.loads(canonical(row.spec))
    del members["image"]
    store_spec(store, json.dumps({**members, "runtime": 1}))
    assert reloaded(store, row).spec == row.spec


def test_a_row_damaged_beyond_its_columns_is_still_shown(store: Store) -> None:
    row = accepted(store)
    sql(store, "UPDATE deployment SET spec = '{\"kind\":1}', kind = 'cron', runtime = 'jail'")
    found = reloaded(store, row)
    assert (found.spec.name, found.spec.kind, found.spec.runtime) == ("web", "cron", "jail")
    assert found.spec.replicas == 1
    assert found.halt_reason == UNREADABLE


def test_what_halted_a_row_before_is_not_forgotten(store: Store) -> None:
    row = accepted(store)
    done(store.commit(changed(row, halt_reason="exit code 127")))
    store_spec(store, "")
    assert reloaded(store, row).halt_reason == "exit code 127"


def test_a_damaged_row_is_replaced_by_the_next_apply(store: Store) -> None:
    row = accepted(store)
    store_spec(store, "{")
    again = store.reopen()
    result = done(again.accept(spec(), MIRA, if_changed=True))
    assert result.change == "created"
    assert current(again, row).is_deleted
    assert contents(again.reopen()) == contents(again)


def test_a_damaged_row_can_be_changed_and_deleted(store: Store) -> None:
    row = accepted(store)
    store_spec(store, "{")
    again = store.reopen()
    assert done(again.commit(changed(current(again, row), restart_count=1)))
    deleted = done(again.delete(row.id, MIRA))
    assert deleted is not None
    assert (deleted.status, deleted.restart_count) == (Status.DELETED, 1)
    assert contents(again.reopen()) == contents(again)


def test_timestamps_that_cannot_be_read_are_unset(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    row = accepted(store)
    sql(
        store,
        "UPDATE deployment SET created_at = '', next_create_at = 'soon', updated_at = 'x',"
        " counted_death_at = 7, last_event_at = 'now', status = 'asleep'",
    )
    with caplog.at_level(logging.WARNING):
        found = reloaded(store, row)
    assert found.created_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert (found.next_create_at, found.updated_at) == (None, None)
    assert (found.counted_death_at, found.last_event_at) == (None, None)
    assert found.status is Status.ERROR
    assert f"deployment {row.id}: next_create_at is not a timestamp" in caplog.text


def test_a_damaged_ledger_entry_stays_in_the_ledger(store: Store) -> None:
    row = accepted(store)
    put = entry(row)
    done(store.commit(Plan(put_entries=(put,))))
    sql(store, "UPDATE instance SET phase = 'dancing', since = 'then', reason = 'why'")
    found = store.reopen().ledger(WEB)[put.name]
    assert (found.deployment_id, found.phase) == (row.id, Phase.LIVE)
    assert found.reason is Why.LEFTOVER
    assert found.since == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_tombstone_of_unknown_age_has_expired(store: Store) -> None:
    row = accepted(store)
    done(store.commit(Plan(purge=(row,))))
    sql(store, "UPDATE tombstone SET purged_at = 'once'")
    assert not store.reopen().is_tombstone(row.id)
