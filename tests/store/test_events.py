"""Events: order, coalescing, retention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.events import EventDraft, Level
from ring.core.plan.view import Plan
from ring.store.events import KEPT_OF_CHECKS, MOST_ALIKE, MOST_OF_A_KIND, MOST_OF_CHECKS
from tests.store.builders import ManualClock, accepted, current, done, event, reasons, sql

if TYPE_CHECKING:
    from ring.store.store import Store


def test_events_are_newest_first_filtered_and_limited(store: Store, clock: ManualClock) -> None:
    row = accepted(store)
    clock.advance(1)
    done(store.record([event(row.id, message="one"), event(row.id, message="two")]))

    found = store.events(row.id, level=None, limit=10)

    assert [(e.message, e.level) for e in found[:2]] == [
        ("two", Level.WARNING),
        ("one", Level.WARNING),
    ]
    assert found[0].timestamp == clock.wall() == current(store, row).last_event_at
    assert found[0].component == "docker"
    assert len({e.id for e in found}) == 3
    assert store.events(row.id, level=None, limit=1) == found[:1]
    assert [e.reason for e in store.events(row.id, level=Level.INFO, limit=10)] == [
        "deployment_created"
    ]
    assert store.events(row.id, level=Level.ERROR, limit=10) == ()


def test_events_of_a_row_that_is_gone_are_dropped(store: Store) -> None:
    row = accepted(store)
    done(store.commit(Plan(purge=(row,))))
    done(store.record([event(row.id)]))
    assert sql(store, "SELECT * FROM deployment_event") == []


def test_an_equal_event_within_300_seconds_is_left_out(store: Store, clock: ManualClock) -> None:
    row = accepted(store)
    done(store.record([event(row.id), event(row.id)]))
    stamped = current(store, row).last_event_at
    clock.advance(299.9)
    done(store.commit(Plan(events=(event(row.id),))))
    assert reasons(store, row) == ["runtime_unavailable", "deployment_created"]
    assert current(store, row).last_event_at == stamped

    clock.advance(0.1)
    done(store.record([event(row.id)]))
    assert reasons(store, row)[:2] == ["runtime_unavailable", "runtime_unavailable"]
    assert current(store, row).last_event_at == clock.wall()


def test_only_the_previous_event_of_the_same_deployment_counts(store: Store) -> None:
    row, other = accepted(store), accepted(store, name="api")
    done(store.record([event(row.id)]))
    done(store.record([event(other.id), event(row.id, message="another message")]))
    done(store.record([event(row.id)]))
    assert len(reasons(store, row)) == 4
    assert len(reasons(store, other)) == 2


def test_a_clock_set_back_does_not_silence_events(store: Store, clock: ManualClock) -> None:
    row = accepted(store)
    done(store.record([event(row.id)]))
    clock.advance(-86400)
    done(store.record([event(row.id)]))
    assert len(reasons(store, row)) == 3


@pytest.mark.parametrize(
    "reason",
    [
        "scale_up",
        "scale_down",
        "rolling_update_step",
        "health_check_alert",
        "health_check_stop",
        "health_check_instance_restart",
        "container_crashed",
        "container_died",
        "container_oom",
        "container_killed",
        "non_retryable_exit",
        "image_pull_back_off",
        "instance_creation_failed",
        "network_creation_failed",
        "port_allocation_failed",
        "insufficient_resources",
        "file_system_error",
        "runtime_error",
        "apply_timeout",
    ],
)
def test_steps_crashes_and_failed_creates_are_each_kept(store: Store, reason: str) -> None:
    row = accepted(store)
    done(store.record([event(row.id, reason)] * 3))
    assert reasons(store, row) == [reason] * 3 + ["deployment_created"]


@pytest.mark.parametrize(
    "reason", ["config_error", "runtime_unavailable", "teardown_failed", "scaled"]
)
def test_what_repeats_without_bound_is_coalesced(store: Store, reason: str) -> None:
    row = accepted(store)
    done(store.record([event(row.id, reason)] * 3))
    assert reasons(store, row) == [reason, "deployment_created"]


def test_the_thousand_newest_are_kept(store: Store) -> None:
    row, other = accepted(store), accepted(store, name="api")
    drafts = [event(row.id, message=f"number {i}") for i in range(1005)]
    done(store.record(drafts[:1003]))
    done(store.record(drafts[1003:]))

    found = store.events(row.id, level=None, limit=5000)

    assert [e.message for e in found] == [draft.message for draft in reversed(drafts[5:])]
    assert reasons(store, other) == ["deployment_created"]


def test_recording_nothing_writes_nothing(store: Store) -> None:
    done(store.close())
    done(store.record([]))
    assert store.deployments() == ()


def test_a_level_that_cannot_be_read_is_shown_as_info(store: Store) -> None:
    row = accepted(store)
    sql(store, "UPDATE deployment_event SET level = 'loud', timestamp = 'soon', reason = NULL")
    (found,) = store.events(row.id, level=None, limit=10)
    assert (found.level, found.reason) == (Level.INFO, None)


def test_drafts_keep_their_level_and_component(store: Store) -> None:
    row = accepted(store)
    draft = EventDraft(row.id, Level.ERROR, "job_failed", "it ended with 3", "docker-events")
    done(store.record([draft]))
    (found,) = store.events(row.id, level=Level.ERROR, limit=10)
    assert (found.deployment_id, found.reason, found.message, found.component) == (
        row.id,
        "job_failed",
        "it ended with 3",
        "docker-events",
    )


def test_what_somebody_provokes_does_not_displace_everything_else(
    store: Store, clock: ManualClock
) -> None:
    row = accepted(store)
    for number in range(100):
        reason = "container_paused" if number % 2 else "container_unpaused"
        done(store.record([event(row.id, reason=reason, message=f"{number}")]))
        done(store.record([event(row.id, reason="container_oom", message=f"{number}")]))
    found = reasons(store, row)
    for reason in ("container_paused", "container_unpaused", "container_oom"):
        assert found.count(reason) == MOST_OF_A_KIND
    assert found[-1] == "deployment_created"
    clock.advance(301)
    done(store.record([event(row.id, reason="container_oom")]))
    assert reasons(store, row)[0] == "container_oom"


@pytest.mark.parametrize("reason", ["health_check_alert", "health_check_instance_restart"])
def test_checks_that_flap_neither_flood_nor_silence_each_other(
    store: Store, clock: ManualClock, reason: str
) -> None:
    row = accepted(store)
    done(store.record([event(row.id, reason, message="port 80")] * 200))
    assert reasons(store, row).count(reason) == MOST_ALIKE
    drafts = [event(row.id, reason, message=f"port {number}") for number in range(81, 481)]
    done(store.record(drafts))
    assert reasons(store, row).count(reason) == MOST_OF_CHECKS
    clock.advance(301)
    done(store.record([event(row.id, reason, message="port 80")]))
    assert store.events(row.id, level=None, limit=1)[0].message == "port 80"


def test_checks_that_flap_for_days_displace_nothing_else(store: Store, clock: ManualClock) -> None:
    row = accepted(store)
    for round_ in range(8):
        for reason in ("health_check_alert", "health_check_instance_restart"):
            drafts = [event(row.id, reason, message=f"{round_} {port}") for port in range(200)]
            done(store.record(drafts))
        clock.advance(301)
    found = reasons(store, row)
    assert "deployment_created" in found
    assert found.count("health_check_alert") == KEPT_OF_CHECKS
