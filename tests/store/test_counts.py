"""Counts for metrics never read what they count, only indexes and small tables."""

from __future__ import annotations

import pytest

from ring.store.queries import query
from ring.store.store import Store
from tests.store.builders import ManualClock


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("outbound_events", ["SCAN event USING COVERING INDEX event_due"]),
        ("health_checks", ["SCAN health_check USING COVERING INDEX health_check_status"]),
    ],
)
def test_statuses_are_counted_in_an_index(name: str, plan: list[str]) -> None:
    store = Store.open(None, ManualClock(), inline=True)
    try:
        explained = store._database._reader.execute(f"EXPLAIN QUERY PLAN {query('counts', name)}")
        assert [row["detail"] for row in explained] == plan
    finally:
        store._database.disconnect()


def test_an_empty_store() -> None:
    store = Store.open(None, ManualClock(), inline=True)
    try:
        assert store.counts.nouns() == {
            "namespaces": 0,
            "secrets": 0,
            "volumes": 0,
            "users": 0,
            "webhooks": 0,
            "configs": 0,
        }
        assert store.counts.outbound_events() == store.counts.health_checks() == {}
    finally:
        store._database.disconnect()
