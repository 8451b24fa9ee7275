"""Outbound events: queued with what they tell, settled for each hook by itself."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ring.core.errors import RingError
from ring.core.model.status import Status
from ring.core.plan.view import Plan
from ring.security.vault import Vault
from ring.store.store import Store
from tests.store.builders import (
    MIRA,
    ManualClock,
    accepted,
    audit,
    changed,
    current,
    done,
    event,
    sql,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ring.core.model.deployment import Deployment
    from ring.store.webhooks import Webhook

URL = "https://hook.example/x"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Iterator[Store]:
    one = Store.open(None, clock, vault=Vault(bytes(32)), inline=True)
    yield one
    done(one.close())


def hooked(
    store: Store,
    *events: str,
    namespaces: tuple[str, ...] = (),
    secret: str = "whsec_x",  # noqa: S107 - of the test
) -> Webhook:
    return done(
        store.webhooks.create(URL, events=events, namespaces=namespaces, secret=secret, author=MIRA)
    )


def runs(store: Store, row: Deployment) -> Deployment:
    assert done(store.commit(changed(row, status=Status.RUNNING)))
    return current(store, row)


def due(store: Store, hook: Webhook, clock: ManualClock) -> list[str]:
    return [one.event_id for one in store.webhooks.due(hook.id, clock.wall(), 50)]


def queue(store: Store) -> list[tuple[object, ...]]:
    return [tuple(row) for row in sql(store, "SELECT kind, status FROM event ORDER BY seq")]


def test_without_a_hook_an_event_is_done_as_it_is_queued(store: Store) -> None:
    runs(store, accepted(store))
    assert queue(store) == [("deployment.status_changed", "delivered")]
    assert sql(store, "SELECT * FROM delivery") == []


def test_a_hook_gets_what_it_subscribed_to_from_its_namespaces(
    store: Store, clock: ManualClock
) -> None:
    everything = hooked(store)
    family = hooked(store, "deployment.*", namespaces=("media",))
    elsewhere = hooked(store, namespaces=("prod",))
    scaled = hooked(store, "deployment.scaled")
    runs(store, accepted(store))
    assert due(store, everything, clock) == due(store, family, clock)
    assert len(due(store, family, clock)) == 1
    assert due(store, elsewhere, clock) == due(store, scaled, clock) == []


def test_a_change_that_is_refused_queues_nothing(store: Store, clock: ManualClock) -> None:
    hook = hooked(store)
    row = accepted(store)
    runs(store, row)
    assert not done(store.commit(changed(row, status=Status.ERROR)))
    assert len(due(store, hook, clock)) == 1


def test_deleting_and_replacing_are_told(store: Store, clock: ManualClock) -> None:
    hook = hooked(store)
    first = runs(store, accepted(store))
    second = accepted(store, image="nginx:1.26")
    done(store.delete(second.id, MIRA))
    done(store.delete(second.id, MIRA))
    bodies = [json.loads(one.payload) for one in reversed(store.webhooks.history(hook.id, 50))]
    assert [(body["deployment_id"], body["old_status"], body["new_status"]) for body in bodies] == [
        (first.id, "creating", "running"),
        (first.id, "running", "deleted"),
        (second.id, "creating", "deleted"),
    ]


def test_an_event_that_is_left_out_is_not_told_again(store: Store, clock: ManualClock) -> None:
    hook = hooked(store)
    row = accepted(store)
    plan = Plan(based_on=(row,), events=(event(row.id, "config_error", "no config 'a'"),))
    assert done(store.commit(plan))
    assert done(store.commit(replace(plan, based_on=(current(store, row),))))
    assert len(due(store, hook, clock)) == 1
    clock.advance(301)
    assert done(store.commit(replace(plan, based_on=(current(store, row),))))
    assert len(due(store, hook, clock)) == 2


def test_what_cannot_be_queued_fails_nothing(
    store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    hooked(store)
    row = accepted(store)
    sql(store, "ALTER TABLE delivery RENAME TO gone")
    with caplog.at_level(logging.ERROR):
        assert runs(store, row).status is Status.RUNNING
    assert "1 outbound events could not be queued" in caplog.text
    assert queue(store) == []
    assert sql(store, "SELECT status FROM deployment")[0]["status"] == "running"


def test_whoever_listens_is_told_once_it_is_committed(store: Store) -> None:
    queued: list[frozenset[str]] = []
    revoked: list[str] = []
    store.webhooks.listen(queued.append, revoked.append)
    hook = hooked(store, namespaces=("media",))
    row = accepted(store)
    assert queued == []
    runs(store, row)
    runs(store, accepted(store, namespace="prod"))
    assert queued == [frozenset({hook.id})]
    done(store.webhooks.revoke(hook, MIRA))
    done(store.webhooks.revoke(hook, MIRA))
    assert revoked == [hook.id]


def test_the_secret_is_sealed_and_opened_for_the_one_who_signs(store: Store) -> None:
    hook = hooked(store, secret="plain-as-day")
    (row,) = sql(store, "SELECT secret FROM webhook")
    assert b"plain-as-day" not in row["secret"]
    target = store.webhooks.target(hook.id)
    assert target is not None
    assert (target.url, target.secret) == (URL, "plain-as-day")
    assert "plain-as-day" not in repr(target) + repr(hook)


def test_a_secret_of_another_key_is_an_error_without_it(store: Store) -> None:
    hook = hooked(store)
    sql(store, "UPDATE webhook SET secret = ?", Vault(bytes(31) + b"x").seal("plain-as-day"))
    with pytest.raises(RingError, match="the secret of the webhook cannot be read") as caught:
        store.webhooks.target(hook.id)
    assert "plain-as-day" not in str(caught.value)


def test_failures_wait_longer_each_time_and_the_eighth_is_the_end(
    store: Store, clock: ManualClock
) -> None:
    hook, healthy = hooked(store), hooked(store)
    runs(store, accepted(store))
    (one,) = store.webhooks.due(healthy.id, clock.wall(), 50)
    assert done(store.webhooks.settle(healthy.id, one, None)) is False
    waits = []
    for number in range(1, 9):
        (one,) = store.webhooks.due(hook.id, clock.wall(), 50)
        assert one.failures == number - 1
        clock.advance(0.25)
        is_dead = done(store.webhooks.settle(hook.id, one, "subscriber returned 500"))
        assert is_dead == (number == 8)
        (entry,) = store.webhooks.history(hook.id, 50)
        assert entry.attempts == number
        assert entry.status == ("dead" if number == 8 else "pending")
        assert entry.last_error == "subscriber returned 500"
        assert entry.updated_at == clock.wall()
        waits.append((entry.next_attempt_at - clock.wall()) / timedelta(minutes=1))
        assert queue(store) == [("deployment.status_changed", entry.status)]
        clock.advance(3600)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 0]
    assert store.webhooks.due(hook.id, clock.wall(), 50) == []
    (taken,) = store.webhooks.history(healthy.id, 50)
    assert (taken.status, taken.attempts, taken.last_error) == ("delivered", 0, None)


def test_an_event_is_pending_while_any_hook_has_not_got_it(
    store: Store, clock: ManualClock
) -> None:
    first, second = hooked(store), hooked(store)
    runs(store, accepted(store))
    (one,) = store.webhooks.due(first.id, clock.wall(), 50)
    done(store.webhooks.settle(first.id, one, None))
    assert store.counts.outbound_events() == {"pending": 1}
    done(store.webhooks.settle(second.id, one, None))
    assert store.counts.outbound_events() == {"delivered": 1}


def test_what_is_pending_for_a_revoked_hook_is_dropped(store: Store, clock: ManualClock) -> None:
    hook, other = hooked(store), hooked(store)
    row = runs(store, accepted(store))
    (taken,) = store.webhooks.due(hook.id, clock.wall(), 50)
    done(store.webhooks.settle(hook.id, taken, None))
    done(store.delete(row.id, MIRA))
    (late,) = store.webhooks.due(hook.id, clock.wall(), 50)
    done(store.webhooks.revoke(hook, MIRA))
    assert store.webhooks.target(hook.id) is None
    assert done(store.webhooks.settle(hook.id, late, "subscriber returned 500")) is False
    assert [entry.event_id for entry in store.webhooks.history(hook.id, 50)] == [taken.event_id]
    assert len(due(store, other, clock)) == 2
    done(store.webhooks.revoke(other, MIRA))
    assert store.counts.outbound_events() == {"delivered": 2}
    runs(store, accepted(store))
    assert store.webhooks.active() == []
    assert store.counts.outbound_events() == {"delivered": 3}


def test_hooks_are_audited_under_their_url(store: Store) -> None:
    hook = hooked(store)
    done(store.webhooks.revoke(hook, MIRA))
    done(store.webhooks.revoke(hook, MIRA))
    assert audit(store) == [
        ("create", "webhook", URL, None, MIRA.user_id),
        ("delete", "webhook", URL, None, MIRA.user_id),
    ]


def test_what_is_due_comes_in_the_order_in_which_it_became_so(
    store: Store, clock: ManualClock
) -> None:
    hook = hooked(store)
    row = accepted(store)
    runs(store, row)
    first = due(store, hook, clock)
    clock.advance(1)
    done(store.delete(row.id, MIRA))
    clock.advance(1)
    assert due(store, hook, clock)[:1] == first
    assert len(store.webhooks.due(hook.id, clock.wall(), 1)) == 1


def test_a_clock_that_was_set_back_holds_nothing_up(store: Store, clock: ManualClock) -> None:
    hook = hooked(store)
    row = accepted(store)
    runs(store, row)
    (one,) = store.webhooks.due(hook.id, clock.wall(), 50)
    done(store.webhooks.settle(hook.id, one, "subscriber returned 500"))
    done(store.delete(row.id, MIRA))
    clock.advance(-30)
    assert due(store, hook, clock) == []
    done(store.webhooks.pull_forward(clock.wall()))
    assert len(due(store, hook, clock)) == 1  # the other one waits its minute
    clock.advance(-3600)
    done(store.webhooks.pull_forward(clock.wall()))
    assert len(due(store, hook, clock)) == 2


def test_what_ended_long_ago_is_forgotten(store: Store, clock: ManualClock) -> None:
    hook = hooked(store)
    dead = runs(store, accepted(store))
    for _ in range(8):
        (one,) = store.webhooks.due(hook.id, clock.wall(), 50)
        done(store.webhooks.settle(hook.id, one, "subscriber returned 500"))
        clock.advance(3600)
    done(store.delete(dead.id, MIRA))
    (taken,) = store.webhooks.due(hook.id, clock.wall(), 50)
    clock.advance(7 * 86400)
    done(store.webhooks.settle(hook.id, taken, None))  # late, but it ended only now
    for days, left in ((0, 2), (6, 2), (2, 1), (14, 1), (8, 0)):
        clock.advance(days * 86400)
        done(store.webhooks.purge(clock.wall()))
        assert len(store.webhooks.history(hook.id, 50)) == left
    assert sql(store, "SELECT * FROM delivery") == []


def test_pending_events_are_never_forgotten(store: Store, clock: ManualClock) -> None:
    hook = hooked(store)
    runs(store, accepted(store))
    clock.advance(100 * 86400)
    done(store.webhooks.purge(clock.wall()))
    assert len(due(store, hook, clock)) == 1


def test_history_looks_at_no_more_than_four_times_what_is_asked_for(
    store: Store, clock: ManualClock
) -> None:
    hook = hooked(store, namespaces=("media",))
    row = accepted(store)
    runs(store, row)
    for _ in range(3):
        runs(store, accepted(store, namespace="prod", name="web"))
        prod = store.deployments()[-1]
        done(store.delete(prod.id, MIRA))
    assert len(store.webhooks.history(hook.id, 2)) == 1
    assert store.webhooks.history(hook.id, 1) == ()
    assert store.webhooks.history(hook.id, 0) == ()


def test_damaged_lists_leave_the_hook_readable_and_closed(
    store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    hook = hooked(store, namespaces=("prod",))
    sql(store, "UPDATE webhook SET events = '{', namespaces = '[1]'")
    with caplog.at_level(logging.WARNING):
        runs(store, accepted(store))
        (read,) = store.webhooks.all()
    assert (read.id, read.events, read.namespaces) == (hook.id, (), None)
    assert due(store, hook, clock) == []
    assert "namespaces is not a list of names" in caplog.text


def test_another_start_finds_what_is_due(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "ring.db"
    store = Store.open(path, clock, vault=Vault(bytes(32)), inline=True)
    hook = hooked(store)
    runs(store, accepted(store))
    before = due(store, hook, clock)
    done(store.close())
    store = Store.open(path, clock, vault=Vault(bytes(32)), inline=True)
    assert due(store, hook, clock) == before != []
    done(store.close())
