"""What instances wrote before they ended: of the last few, within a total size, while there is a
deployment that they belonged to."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceId, InstanceName
from ring.core.model.logs import USUAL, Allowance, LastWords, LogLine
from ring.core.model.status import Status
from ring.core.plan.view import Plan
from ring.store.store import Store
from tests.store.builders import (
    MIRA,
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
    from collections.abc import Iterable
    from pathlib import Path

    from ring.core.model.ids import GroupKey

AT = datetime(2027, 3, 2, 8, 0, 1, 5, tzinfo=UTC)


def words(number: int, *lines: LogLine) -> LastWords:
    said = lines or (LogLine("stderr", f"no database {number}", AT),)
    return LastWords(InstanceId(f"id{number}"), InstanceName(f"shop_web_{number:08x}"), said)


def kept(store: Store, key: GroupKey = WEB) -> list[LastWords]:
    return [
        LastWords(ended.id, ended.name, store.words.lines(ended))
        for ended in store.words.ended(key)
    ]


def keep(store: Store, numbers: Iterable[int], key: GroupKey = WEB) -> None:
    for number in numbers:
        done(store.words.keep(key, words(number)))


def stored_bytes(store: Store) -> int:
    """As they lie in the table, whatever its column of sizes says."""
    ((total,),) = sql(store, "SELECT ifnull(sum(length(lines)), 0) FROM last_words")
    assert isinstance(total, int)
    return total


def test_they_come_back_as_they_were(store: Store) -> None:
    accepted(store)
    lines = (LogLine("stdout", "ünder \u0000 way", AT), LogLine("stderr", "bye", None))
    done(store.words.keep(WEB, words(1, *lines)))
    assert kept(store) == [words(1, *lines)]


def test_the_last_ones_of_them(store: Store) -> None:
    accepted(store)
    lines = [LogLine("stdout", f"{number}", AT) for number in range(3)]
    done(store.words.keep(WEB, words(1, *lines)))
    (ended,) = store.words.ended(WEB)
    for tail in range(5):
        assert list(store.words.lines(ended, tail)) == lines[3 - min(tail, 3) :]


def test_the_first_word_of_an_instance_counts(store: Store) -> None:
    accepted(store)
    done(store.words.keep(WEB, words(1)))
    done(store.words.keep(WEB, words(1, LogLine("stdout", "and another thing", AT))))
    assert kept(store) == [words(1)]


# how much there is


def test_the_oldest_make_room_within_their_own_deployment(store: Store) -> None:
    accepted(store)
    other = accepted(store, name="other").key
    keep(store, [99], other)
    keep(store, range(USUAL.instances + 2))
    assert kept(store) == [words(number) for number in range(2, USUAL.instances + 2)]
    assert kept(store, other) == [words(99)]


def test_in_a_namespace_the_oldest_go_whosever_they_are(store: Store) -> None:
    web, other = accepted(store).key, accepted(store, name="other").key
    keep(store, [1], other)
    each = stored_bytes(store)
    store = memory_store(allowance=Allowance(size=3 * each))
    accepted(store)
    accepted(store, name="other")
    keep(store, [1], other)
    keep(store, [2, 3], web)
    assert (kept(store, other), kept(store, web)) == ([words(1)], [words(2), words(3)])
    keep(store, [4], other)
    assert (kept(store, other), kept(store, web)) == ([words(4)], [words(2), words(3)])
    keep(store, [5], other)
    assert (kept(store, other), kept(store, web)) == ([words(4), words(5)], [words(3)])


def test_a_namespace_that_leaves_much_takes_no_room_from_one_that_leaves_little(
    store: Store,
) -> None:
    accepted(store)
    keep(store, [1])
    each = stored_bytes(store)
    store = memory_store(allowance=Allowance(size=4 * each))
    accepted(store)
    noisy = [accepted(store, namespace="edge", name=f"noisy{number}").key for number in range(3)]
    keep(store, [1])
    for number in range(2, 8):
        keep(store, [number], noisy[number % 3])
    assert kept(store) == [words(1)]
    assert [kept(store, key) for key in noisy] == [[words(6)], [words(7)], [words(5)]]
    keep(store, [8])
    assert kept(store) == [words(1), words(8)]
    assert [kept(store, key) for key in noisy] == [[words(6)], [words(7)], []]


def test_the_size_holds_after_every_write_and_no_more_goes_than_has_to() -> None:
    size = 20_000
    store = memory_store(allowance=Allowance(instances=100, size=size))
    keys = [accepted(store, name=f"web{number}").key for number in range(5)]
    drawn = random.Random(7)
    sizes: list[int] = []
    for number in range(300):
        noise = drawn.randbytes(drawn.randrange(4000)).hex()
        done(store.words.keep(drawn.choice(keys), words(number, LogLine("stdout", noise, AT))))
        ((newest,),) = sql(store, "SELECT length(lines) FROM last_words ORDER BY seq DESC LIMIT 1")
        sizes.append(int(str(newest)))
        found = sql(store, "SELECT instance_id FROM last_words ORDER BY seq")
        count = len(found)
        assert [each for (each,) in found] == [
            f"id{one}" for one in range(number + 1 - count, number + 1)
        ]
        assert stored_bytes(store) == sum(sizes[-count:]) <= size
        if count <= number:
            assert sum(sizes[-count - 1 :]) > size
    assert len(found) < 300


def test_what_does_not_fit_alone_takes_no_room_from_others() -> None:
    store = memory_store(allowance=Allowance(size=500))
    accepted(store)
    keep(store, [1])
    noise = random.Random(7).randbytes(1000).hex()
    done(store.words.keep(WEB, words(2, LogLine("stdout", noise, AT))))
    assert kept(store) == [words(1)]


@pytest.mark.parametrize("allowance", [Allowance(instances=0), Allowance(size=0)])
def test_none_are_kept_where_nothing_is_allowed(allowance: Allowance) -> None:
    store = memory_store(allowance=allowance)
    accepted(store)
    keep(store, [1])
    assert not store.words.are_kept
    assert sql(store, "SELECT * FROM last_words") == []


@pytest.mark.parametrize(
    ("allowance", "left"),
    [
        (Allowance(instances=2), [3, 4]),
        (Allowance(size=0), []),
        (Allowance(instances=0), []),
        (USUAL, [1, 2, 3, 4]),
    ],
    ids=["fewer", "no size", "none", "the same"],
)
def test_a_start_with_less_allowed_drops_the_rest(
    tmp_path: Path, allowance: Allowance, left: list[int]
) -> None:
    path = tmp_path / "ring.db"
    store = Store.open(path, ManualClock(), inline=True)
    accepted(store)
    keep(store, [1, 2, 3, 4])
    done(store.close())
    store = Store.open(path, ManualClock(), inline=True, allowance=allowance)
    assert kept(store) == [words(number) for number in left]
    done(store.close())


def test_a_start_that_cannot_drop_them_is_a_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "ring.db"
    store = Store.open(path, ManualClock(), inline=True)
    accepted(store)
    keep(store, [1, 2])
    sql(
        store,
        "CREATE TRIGGER full BEFORE DELETE ON last_words "
        "BEGIN SELECT RAISE(ABORT, 'disk is full'); END",
    )
    done(store.close())
    store = Store.open(path, ManualClock(), inline=True, allowance=Allowance(size=0))
    assert [row.spec.name for row in store.deployments()] == ["web"]
    assert kept(store) == [words(1), words(2)]
    (record,) = caplog.records
    assert "cannot write the database: disk is full" in record.getMessage()
    sql(store, "DROP TRIGGER full")
    done(store.close())
    store = Store.open(path, ManualClock(), inline=True, allowance=Allowance(size=0))
    assert kept(store) == []
    done(store.close())


# as long as their deployment


def test_they_outlast_the_row_that_is_replaced(store: Store) -> None:
    row = accepted(store)
    keep(store, [1])
    successor = done(store.accept(spec(image="nginx:2"), MIRA, force=True)).deployment
    assert successor.id != row.id
    keep(store, [2])
    assert done(store.commit(Plan(purge=(current(store, row),))))
    assert kept(store) == [words(1), words(2)]
    done(store.delete(successor.id, MIRA))
    assert done(store.commit(Plan(purge=(current(store, successor),))))
    assert sql(store, "SELECT * FROM last_words") == []


def test_a_namespace_leaves_none_to_the_next_of_its_name(store: Store) -> None:
    row = accepted(store)
    keep(store, [1])
    done(store.delete(row.id, MIRA))
    namespace = store.namespace(WEB.namespace)
    assert namespace is not None
    done(store.delete_namespace(namespace, MIRA))
    accepted(store)
    assert kept(store) == []


@pytest.mark.parametrize("is_purged", [False, True])
def test_they_come_too_late_once_it_is_deleted(store: Store, *, is_purged: bool) -> None:
    row = accepted(store)
    end = Plan(purge=(row,)) if is_purged else changed(row, status=Status.DELETED)
    assert done(store.commit(end))
    keep(store, [2])
    assert sql(store, "SELECT * FROM last_words") == []


@pytest.mark.parametrize(
    "stored", ["", "[", "{}", '[["stdin", "x", null]]', "[[1]]", "[7]", b"", b"x", b"\x00" * 40]
)
def test_damage_loses_them_and_nothing_else(store: Store, stored: str | bytes) -> None:
    accepted(store)
    keep(store, [1, 2])
    sql(store, "UPDATE last_words SET lines = ? WHERE instance_id = 'id1'", stored)
    damaged, whole = kept(store)
    assert damaged == LastWords(words(1).id, words(1).name, ())
    assert whole == words(2)


def test_what_went_meanwhile_is_none(store: Store) -> None:
    accepted(store)
    keep(store, [1])
    (ended,) = store.words.ended(WEB)
    sql(store, "DELETE FROM last_words")
    assert store.words.lines(ended) == ()
