"""What instances wrote before they ended: of the last few, as long as their deployment is there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceId, InstanceName
from ring.core.model.logs import LastWords, LogLine
from ring.core.plan.view import Plan
from ring.store.last_words import KEPT
from tests.store.builders import accepted, done, sql

if TYPE_CHECKING:
    from ring.store.store import Store

AT = datetime(2027, 3, 2, 8, 0, 1, 5, tzinfo=UTC)


def words(number: int, *lines: LogLine) -> LastWords:
    said = lines or (LogLine("stderr", f"no database {number}", AT),)
    return LastWords(InstanceId(f"id{number}"), InstanceName(f"shop_web_{number:08x}"), said)


def test_they_come_back_as_they_were(store: Store) -> None:
    row = accepted(store)
    lines = (LogLine("stdout", "ünder \u0000 way", AT), LogLine("stderr", "bye", None))
    done(store.keep_words(row.id, words(1, *lines)))
    assert store.last_words(row.id) == (words(1, *lines),)


def test_the_oldest_make_room_within_their_own_deployment(store: Store) -> None:
    row, other = accepted(store), accepted(store, name="other")
    done(store.keep_words(other.id, words(99)))
    for number in range(KEPT + 2):
        done(store.keep_words(row.id, words(number)))
    assert store.last_words(row.id) == tuple(words(number) for number in range(2, KEPT + 2))
    assert store.last_words(other.id) == (words(99),)


def test_they_go_with_the_row_and_come_too_late_after_it(store: Store) -> None:
    row = accepted(store)
    done(store.keep_words(row.id, words(1)))
    done(store.commit(Plan(purge=(row,))))
    done(store.keep_words(row.id, words(2)))
    assert sql(store, "SELECT * FROM last_words") == []


@pytest.mark.parametrize("stored", ["", "[", "{}", '[["stdin", "x", null]]', "[[1]]", "[7]"])
def test_damage_loses_them_and_nothing_else(store: Store, stored: str) -> None:
    row = accepted(store)
    done(store.keep_words(row.id, words(1)))
    done(store.keep_words(row.id, words(2)))
    sql(store, "UPDATE last_words SET lines = ? WHERE instance_id = 'id1'", stored)
    damaged, whole = store.last_words(row.id)
    assert damaged == LastWords(words(1).id, words(1).name, ())
    assert whole == words(2)
