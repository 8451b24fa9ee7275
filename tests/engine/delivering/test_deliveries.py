"""Deliveries on virtual time: who gets what, when, and in which order."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.model.status import Status
from ring.engine.delivering.deliveries import MOST_AT_ONCE, Deliveries
from ring.engine.delivering.lanes import WIDTH
from ring.engine.delivering.posting import Undelivered
from ring.security.vault import Vault
from tests.engine.bench import AUTHOR, Bench

if TYPE_CHECKING:
    import pytest

    from ring.core.model.deployment import Deployment
    from ring.store.webhooks import Due, Target, Webhook

MINUTE = 60.0


class Receivers:
    """Hooks by URL: each answers as the test says, and notes what it got and when."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.got: list[tuple[str, str, float]] = []
        """URL, `<deployment>:<payload's status>`, when."""
        self.attempts: list[int] = []
        self.failing: dict[str, int] = {}
        """How often each still fails."""
        self.hanging: set[str] = set()
        self.slow: dict[str, float] = {}
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, target: Target, due: Due) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self._take(target, due)
        finally:
            self.at_once -= 1

    async def _take(self, target: Target, due: Due) -> None:
        self.got.append((target.url, due.event_id, self._bench.clock.mono()))
        self.attempts.append(due.failures + 1)
        if target.url in self.hanging:
            await asyncio.sleep(10)
            raise Undelivered("no answer within 10 s")
        await asyncio.sleep(self.slow.get(target.url, 0.0))
        if self.failing.get(target.url, 0):
            self.failing[target.url] -= 1
            raise Undelivered("subscriber returned 503")

    def at(self, url: str) -> list[float]:
        """Seconds since the start at which it was asked."""
        return [round(when - 1000.0, 3) for to, _, when in self.got if to == url]

    def events(self, url: str) -> list[str]:
        return [event for to, event, _ in self.got if to == url]


class Desk(Bench):
    def __init__(self) -> None:
        super().__init__()
        self.store._door.vault = self.store._database._vault = Vault(bytes(32))
        self.receivers = Receivers(self)
        self.deliveries = self.worker()

    def worker(self) -> Deliveries:
        return Deliveries(self.store.webhooks, self.clock, self.receivers, interval_s=10.0)

    async def hook(self, url: str, *events: str) -> Webhook:
        return await self.store.webhooks.create(
            url, events=events, namespaces=(), secret="whsec_x", author=AUTHOR
        )

    async def event(self, row: Deployment) -> None:
        """One more change of status."""
        status = self.now(row).status
        other = Status.RUNNING if status is not Status.RUNNING else Status.ERROR
        await self.change(row, status=other)

    def queued(self) -> list[str]:
        """All events, oldest first."""
        found = self.store._database._reader.execute("SELECT id FROM event ORDER BY seq")
        return [row["id"] for row in found]


def test_a_new_event_goes_to_every_hook_at_once() -> None:
    desk = Desk()

    async def main() -> None:
        row = await desk.accept()
        await desk.hook("a")
        await desk.hook("b")
        await desk.hook("c", "deployment.scaled")
        desk.spawn(desk.deliveries.run())
        await desk.wait(4)
        await desk.event(row)
        await desk.idle()
        assert desk.receivers.at("a") == desk.receivers.at("b") == [4]
        assert desk.receivers.at("c") == []
        await desk.wait(100)
        assert len(desk.receivers.got) == 2
        assert desk.store.counts.outbound_events() == {"delivered": 1}

    desk.run(main())


def test_what_a_former_server_left_is_delivered_at_the_start() -> None:
    desk = Desk()

    async def main() -> None:
        row = await desk.accept()
        await desk.hook("a")
        for _ in range(3):
            await desk.event(row)
        desk.spawn(desk.deliveries.run())
        await desk.idle()
        assert desk.receivers.events("a") == desk.queued()

    desk.run(main())


def test_one_that_fails_one_that_hangs_and_one_that_is_gone_hold_up_nobody() -> None:
    desk = Desk()

    async def main() -> None:
        row = await desk.accept()
        for url in ("fails", "hangs", "gone", "healthy"):
            await desk.hook(url)
        desk.receivers.failing = {"fails": 3, "gone": 1000}
        desk.receivers.hanging = {"hangs"}
        desk.spawn(desk.deliveries.run())
        await desk.event(row)
        await desk.idle()
        assert desk.receivers.at("healthy") == [0]
        await desk.wait(1)
        await desk.event(row)
        await desk.idle()
        assert desk.receivers.at("healthy") == [0, 1]
        await desk.wait(8 * 60 * MINUTE)
        assert desk.receivers.at("healthy") == [0, 1]
        # Looked for every 10 s: a retry is at most so much late.
        fails = desk.receivers.at("fails")
        assert fails[:2] == [0, 1]
        assert [60 <= at <= 71 for at in fails[2:4]] == [True, True]
        assert len(fails) == 2 + 3
        assert set(desk.receivers.events("fails")) == set(desk.queued())
        assert len(desk.receivers.at("gone")) == len(desk.receivers.at("hangs")) == 16
        assert desk.store.counts.outbound_events() == {"dead": 2}

    desk.run(main())


def test_retries_wait_one_two_four_minutes_and_the_eighth_failure_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()

    async def main() -> None:
        row = await desk.accept()
        hook = await desk.hook("gone")
        desk.receivers.failing = {"gone": 1000}
        desk.spawn(desk.deliveries.run())
        await desk.event(row)
        await desk.wait(8 * 60 * MINUTE)
        waits = [b - a for a, b in pairwise(desk.receivers.at("gone"))]
        assert [round(wait / MINUTE) for wait in waits] == [1, 2, 4, 8, 16, 32, 60]
        assert desk.receivers.attempts == [1, 2, 3, 4, 5, 6, 7, 8]
        (entry,) = desk.store.webhooks.history(hook.id, 50)
        assert (entry.status, entry.attempts) == ("dead", 8)

    with caplog.at_level(logging.ERROR):
        desk.run(main())
    assert "is dead" in caplog.text
    assert "8 attempts: subscriber returned 503" in caplog.text


def test_events_of_a_deployment_arrive_in_order_however_slow_the_hook() -> None:
    desk = Desk()

    async def main() -> None:
        row = await desk.accept()
        await desk.hook("slow")
        desk.receivers.slow = {"slow": 0.5}
        desk.spawn(desk.deliveries.run())
        for _ in range(20):
            await desk.event(row)
            await desk.wait(0.1)
        await desk.wait(20)
        assert desk.receivers.events("slow") == desk.queued()
        assert desk.receivers.most_at_once == 1

    desk.run(main())


def test_a_healthy_hook_gets_events_of_several_deployments_at_once_but_not_of_many() -> None:
    desk = Desk()

    async def main() -> None:
        rows = [await desk.accept(name=f"web-{number}") for number in range(30)]
        await desk.hook("slow")
        desk.receivers.slow = {"slow": 0.5}
        for row in rows:
            await desk.event(row)
        desk.spawn(desk.deliveries.run())
        await desk.wait(10)
        assert desk.receivers.most_at_once == WIDTH
        assert len(desk.receivers.got) == 30

    desk.run(main())


def test_a_hook_that_hangs_with_thousands_waiting_takes_one_place() -> None:
    desk = Desk()

    async def main() -> None:
        rows = [await desk.accept(name=f"web-{number}") for number in range(20)]
        await desk.hook("hangs")
        healthy = await desk.hook("healthy")
        desk.receivers.hanging = {"hangs"}
        for _ in range(100):
            for row in rows:
                await desk.event(row)
        desk.spawn(desk.deliveries.run())
        await desk.wait(9)
        assert len(desk.receivers.at("healthy")) == 2000
        assert desk.store.webhooks.due(healthy.id, desk.clock.wall(), 50) == []
        assert desk.receivers.most_at_once <= 2 * WIDTH
        await desk.wait(101)
        assert 10 <= len(desk.receivers.at("hangs")) <= WIDTH + 11

    desk.run(main())


def test_many_hooks_that_hang_are_not_asked_all_at_once() -> None:
    desk = Desk()

    async def main() -> None:
        row = await desk.accept()
        for number in range(MOST_AT_ONCE + 30):
            await desk.hook(f"hook-{number}")
        desk.receivers.hanging = {f"hook-{number}" for number in range(MOST_AT_ONCE + 30)}
        desk.spawn(desk.deliveries.run())
        await desk.event(row)
        await desk.wait(9)
        assert desk.receivers.most_at_once == MOST_AT_ONCE
        await desk.wait(2)
        assert len(desk.receivers.got) == MOST_AT_ONCE + 30

    desk.run(main())


def test_a_revoked_hook_is_not_called_again_and_what_is_under_way_is_cut() -> None:
    desk = Desk()

    async def main() -> None:
        row = await desk.accept()
        hook = await desk.hook("hangs")
        failing = await desk.hook("fails")
        desk.receivers.hanging = {"hangs"}
        desk.receivers.failing = {"fails": 1000}
        desk.spawn(desk.deliveries.run())
        await desk.event(row)
        await desk.wait(1)
        assert desk.receivers.at_once == 1
        await desk.store.webhooks.revoke(hook, AUTHOR)
        await desk.store.webhooks.revoke(failing, AUTHOR)
        await desk.idle()
        assert desk.receivers.at_once == 0
        await desk.wait(3 * MINUTE)
        assert (desk.receivers.at("hangs"), desk.receivers.at("fails")) == ([0], [0])
        assert desk.store.counts.outbound_events() == {"delivered": 1}

    desk.run(main())


def test_a_hook_revoked_in_the_instant_it_was_to_be_called_is_not() -> None:
    desk = Desk()

    async def main() -> None:
        row = await desk.accept()
        hook = await desk.hook("a")
        task = desk.spawn(desk.deliveries.run())
        await desk.idle()
        await desk.event(row)
        await desk.store.webhooks.revoke(hook, AUTHOR)
        await desk.wait(30)
        assert desk.receivers.got == []
        assert not task.done()

    desk.run(main())


def test_after_a_kill_only_what_was_under_way_is_repeated() -> None:
    desk = Desk()

    async def main() -> None:
        rows = [await desk.accept(name=f"web-{number}") for number in range(3)]
        await desk.hook("a")
        first = desk.spawn(desk.deliveries.run())
        await desk.event(rows[0])
        await desk.idle()
        desk.receivers.slow = {"a": 5.0}
        await desk.event(rows[1])
        await desk.wait(1)
        first.cancel()  # with what it had begun
        await desk.event(rows[2])
        desk.receivers.slow = {}
        desk.deliveries = desk.worker()
        desk.spawn(desk.deliveries.run())
        await desk.idle()
        one, two, three = desk.queued()
        assert sorted(desk.receivers.events("a")) == sorted([one, two, two, three])

    desk.run(main())


def test_a_stop_lets_what_is_under_way_end_and_begins_nothing() -> None:
    desk = Desk()

    async def main() -> None:
        row = await desk.accept()
        hook = await desk.hook("slow")
        desk.receivers.slow = {"slow": 2.0}
        desk.spawn(desk.deliveries.run())
        await desk.event(row)
        await desk.event(row)
        await desk.wait(0.5)
        began = desk.clock.mono()
        await desk.deliveries.drain(6.0)
        assert round(desk.clock.mono() - began, 3) == 1.5
        await desk.wait(30)
        assert len(desk.receivers.got) == 1
        statuses = [entry.status for entry in desk.store.webhooks.history(hook.id, 50)]
        assert statuses == ["pending", "delivered"]

    desk.run(main())


def test_a_stop_waits_for_a_hanging_hook_no_longer_than_it_may() -> None:
    desk = Desk()

    async def main() -> None:
        row = await desk.accept()
        await desk.hook("hangs")
        desk.receivers.hanging = {"hangs"}
        desk.spawn(desk.deliveries.run())
        await desk.event(row)
        await desk.wait(0.5)
        began = desk.clock.mono()
        await desk.deliveries.drain(6.0)
        assert round(desk.clock.mono() - began, 3) == 6.0

    desk.run(main())


def test_a_store_that_cannot_be_written_does_not_make_it_send_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()

    async def main() -> None:
        row = await desk.accept()
        hook = await desk.hook("a")
        settle = desk.store.webhooks.settle
        is_full = True

        async def full(webhook_id: str, due: Due, error: str | None) -> bool:
            if is_full:
                raise HostError("the disk is full")
            return await settle(webhook_id, due, error)

        desk.store.webhooks.settle = full  # type: ignore[method-assign]  # the seam under test
        desk.spawn(desk.deliveries.run())
        await desk.event(row)
        await desk.wait(60)
        assert len(desk.receivers.got) == 1
        is_full = False
        await desk.wait(10)
        assert len(desk.receivers.got) == 1
        (entry,) = desk.store.webhooks.history(hook.id, 50)
        assert entry.status == "delivered"

    with caplog.at_level(logging.WARNING):
        desk.run(main())
    assert "cannot be stored, and is tried again: the disk is full" in caplog.text


def test_a_defect_in_sending_counts_as_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()

    async def broken(target: Target, due: Due) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        row = await desk.accept()
        hook = await desk.hook("a")
        deliveries = Deliveries(desk.store.webhooks, desk.clock, broken, interval_s=10.0)
        desk.spawn(deliveries.run())
        await desk.event(row)
        await desk.wait(30)
        (entry,) = desk.store.webhooks.history(hook.id, 50)
        assert (entry.status, entry.attempts) == ("pending", 1)
        assert entry.last_error == "internal error; the server's log has it"

    desk.run(main())
    assert "ZeroDivisionError" in caplog.text


def test_a_secret_that_cannot_be_opened_is_a_failure_that_says_so() -> None:
    desk = Desk()

    async def main() -> None:
        row = await desk.accept()
        hook = await desk.hook("a")
        desk.store._door.vault = Vault(bytes(31) + b"x")
        desk.spawn(desk.deliveries.run())
        await desk.event(row)
        await desk.idle()
        (entry,) = desk.store.webhooks.history(hook.id, 50)
        assert entry.last_error is not None
        assert entry.last_error.startswith("the secret of the webhook cannot be read")
        assert desk.receivers.got == []

    desk.run(main())


def test_a_wall_clock_that_is_set_back_holds_up_no_retry_for_ever() -> None:
    desk = Desk()

    async def main() -> None:
        row = await desk.accept()
        await desk.hook("a")
        desk.receivers.failing = {"a": 1}
        desk.spawn(desk.deliveries.run())
        await desk.event(row)
        await desk.idle()
        desk.clock.jump(timedelta(days=-1))
        await desk.event(row)
        await desk.wait(25)
        assert len(desk.receivers.got) == 3

    desk.run(main())


def test_old_events_are_forgotten_as_time_goes_by() -> None:
    desk = Desk()

    async def main() -> None:
        row = await desk.accept()
        await desk.hook("a")
        desk.spawn(desk.deliveries.run())
        await desk.event(row)
        await desk.wait(7 * 86400 - 3600)
        assert len(desk.queued()) == 1
        await desk.wait(2 * 3600)
        assert desk.queued() == []

    desk.run(main())
