"""Webhooks: who is told what, through receivers that fail and servers that are killed."""

from __future__ import annotations

import hashlib
import hmac
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.faketime import WallClock
from tests.e2e.polling import wait_until
from tests.e2e.receivers import Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Tell
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

MINUTE = 60
RETRY_S = (1, 2, 4, 8, 16, 32, 60)
"""Minutes."""


def hooked(story: Story, url: str, *events: str) -> dict[str, Any]:
    body = {"url": url, "events": list(events), "namespaces": [story.namespace]}
    status, made = story.ring.ask("POST", "/webhooks", body)
    assert status == 201, made
    hook: dict[str, Any] = made
    return hook


def deliveries(story: Story, hook: dict[str, Any]) -> list[dict[str, Any]]:
    """Oldest first."""
    status, told = story.ring.ask("GET", f"/webhooks/{hook['id']}/events?limit=200")
    assert status == 200, told
    found: list[dict[str, Any]] = told
    return found[::-1]


def settled(story: Story, hook: dict[str, Any], count: int, *statuses: str) -> bool:
    found = [one["status"] for one in deliveries(story, hook)]
    return len(found) == count and set(found) <= set(statuses or ("delivered",))


def test_a_subscriber_is_told_at_once_and_can_trust_what_it_is_told(
    story: Story, receiver: Receiver
) -> None:
    hook = hooked(story, receiver.url("/all"))
    story.applied(story.worker())
    row = story.wait_for("running")
    seen_at = time.monotonic()
    wait_until(lambda: len(receiver.at("/all")) >= 2, 5, "two deliveries")
    assert receiver.at("/all")[1].at - seen_at < 2
    story.ring.ask("DELETE", f"/deployments/{row['id']}")
    wait_until(lambda: len(receiver.at("/all")) >= 3, 5, "three deliveries")
    up, running, deleted = receiver.at("/all")
    assert (
        up.body
        == (
            f'{{"schema_version":1,"deployment_id":"{row["id"]}","namespace":"{story.namespace}",'
            '"name":"web","kind":"worker","direction":"up","instance_count":1,"replicas":1}'
        ).encode()
    )
    assert b'"old_status":"creating","new_status":"running","restart_count":0' in running.body
    assert (deleted.told["old_status"], deleted.told["new_status"]) == ("running", "deleted")
    for one, kind in ((up, "scaled"), (running, "status_changed"), (deleted, "status_changed")):
        digest = hmac.new(hook["secret"].encode(), one.body, hashlib.sha256).hexdigest()
        assert one.headers["X-Ring-Signature"] == f"sha256={digest}"
        assert one.headers["X-Ring-Event"] == f"deployment.{kind}"
        assert one.headers["X-Ring-Attempt"] == "1"
        assert one.headers["User-Agent"].startswith("ring/")
        assert one.headers["Content-Type"] == "application/json"
    entries = deliveries(story, hook)
    assert [one["id"] for one in entries] == [one.id for one in receiver.at("/all")]
    assert [one["payload"].encode() for one in entries] == [one.body for one in receiver.at("/all")]
    for path in (story.ring.log, story.ring.banner, story.ring.home / "ring.db"):
        assert hook["secret"].encode() not in path.read_bytes()


def test_a_failed_create_is_told_with_its_category(story: Story, receiver: Receiver) -> None:
    hooked(story, receiver.url("/errors"), "deployment.error")
    story.applied(story.worker(command=["/no/such/program"]))
    wait_until(lambda: len(receiver.at("/errors")) >= 2, 20, "two failures are told")
    told = receiver.at("/errors")[0].told
    assert (told["reason"], told["category"]) == ("instance_creation_failed", "transient")
    assert "/no/such/program" in told["message"]


def test_three_bad_receivers_hold_up_nobody_and_a_kill_loses_nothing(
    tell: Tell, receiver: Receiver, address: str, tmp_path: Path
) -> None:
    clock = WallClock(tmp_path / "clock")
    story = tell(interval_s=1, environment=clock.environment)
    gone = Receiver(address)
    gone.close()
    receiver.statuses["/fails"] = [503] * 3
    receiver.hanging.add("/hangs")
    changed = "deployment.status_changed"
    hooks = {
        name: hooked(story, at.url(f"/{name}"), changed)
        for name, at in (
            ("fails", receiver),
            ("hangs", receiver),
            ("gone", gone),
            ("healthy", receiver),
        )
    }
    story.applied(story.worker())
    story.wait_for("running")
    # It would be ten seconds later if it had to wait for the one that hangs.
    wait_until(lambda: len(receiver.at("/healthy")) == 1, 8, "the healthy one is told")
    wait_until(lambda: len(receiver.at("/hangs")) == 1, 5, "the hanging one was asked")
    wait_until(lambda: deliveries(story, hooks["fails"])[0]["attempts"] == 1, 5, "one failed")
    wait_until(lambda: settled(story, hooks["healthy"], 1), 5, "its success is stored")

    story.ring.kill()  # while it waits for the one that hangs
    story.ring.start()
    # A second attempt would come a minute after the first, and have another number.
    wait_until(lambda: len(receiver.at("/hangs")) == 2, 30, "what was in flight is repeated")
    assert {one.headers["X-Ring-Attempt"] for one in receiver.at("/hangs")} == {"1"}
    wait_until(
        lambda: deliveries(story, hooks["hangs"])[0]["last_error"] == "no answer within 10 s",
        15,
        "it has failed by its timeout",
    )
    ahead = 0
    for attempts, minutes in enumerate(RETRY_S, start=2):
        ahead += minutes * MINUTE
        clock.set_off(ahead)
        wait_until(
            lambda attempts=attempts: deliveries(story, hooks["gone"])[0]["attempts"] == attempts,  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            15,
            f"attempt {attempts} at the one that is gone has failed",
        )
        if attempts <= 3:
            wait_until(
                lambda attempts=attempts: (
                    deliveries(story, hooks["fails"])[0]["attempts"] == attempts
                ),  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                15,
                f"failure {attempts} is stored: the next is due by the clock of then",
            )
        if attempts == 3:
            # With its third failure stored, the kill repeats none.
            story.ring.kill()
            story.ring.start()
    wait_until(lambda: settled(story, hooks["gone"], 1, "dead"), 5, "the one that is gone is dead")
    wait_until(lambda: "is dead" in story.ring.log.read_text(), 5, "it is said")
    assert deliveries(story, hooks["gone"])[0]["last_error"].startswith("cannot connect: ")

    wait_until(lambda: settled(story, hooks["fails"], 1), 5, "the fourth attempt is stored")
    attempts_at_it = [one.headers["X-Ring-Attempt"] for one in receiver.at("/fails")]
    assert attempts_at_it == ["1", "2", "3", "4"]
    assert len({one.id for one in receiver.at("/fails")}) == 1
    assert len(receiver.at("/healthy")) == 1
    assert {one.id for one in receiver.at("/hangs")} == {one.id for one in receiver.at("/healthy")}


def test_what_was_published_while_the_receiver_was_down_comes_after_a_restart(
    tell: Tell, address: str, tmp_path: Path
) -> None:
    clock = WallClock(tmp_path / "clock")
    story = tell(interval_s=1, environment=clock.environment)
    first = Receiver(address)
    first.close()
    hook = hooked(story, first.url("/x"))
    story.applied(story.worker())
    story.wait_for("running")
    wait_until(
        lambda: [one["attempts"] for one in deliveries(story, hook)] == [1, 1], 5, "both failed"
    )
    assert story.ring.stop() == 0
    with closing(Receiver(address, first.port)) as second:
        story.ring.start()
        clock.set_off(MINUTE)
        wait_until(lambda: len(second.at("/x")) == 2, 10, "both are delivered")
        wait_until(lambda: settled(story, hook, 2), 5, "it is stored")
        assert [one["id"] for one in deliveries(story, hook)] == [one.id for one in second.got]


def test_many_events_through_kills_all_arrive(story: Story, receiver: Receiver) -> None:
    hook = hooked(story, receiver.url("/all"))
    for number in range(3):
        story.applied(story.worker(replicas=4 + number))
        wait_until(lambda: bool(receiver.got), 20, "something was told")
        story.ring.kill()
        story.ring.start()
    story.wait_whole(6)
    wait_until(lambda: len(story.told("scale_up")) >= 6, 5, "six starts are told")
    told = len(story.told("scale_up"))

    def all_taken() -> list[dict[str, Any]]:
        found = deliveries(story, hook)
        ups = [one for one in found if one["kind"] == "deployment.scaled"]
        pending = [one for one in found if one["status"] != "delivered"]
        return found if len(ups) == told and not pending else []

    entries = wait_until(all_taken, 10, "each start is told outside, and nothing is pending")
    assert {one["id"] for one in entries} == {one.id for one in receiver.got}
    firsts = list(dict.fromkeys(one.id for one in receiver.got))
    assert firsts == [one["id"] for one in entries]


def test_a_redirect_is_a_failure_and_is_not_followed(story: Story, receiver: Receiver) -> None:
    receiver.statuses["/moved"] = [302] * 10
    hook = hooked(story, receiver.url("/moved"), "deployment.status_changed")
    story.applied(story.worker())
    wait_until(
        lambda: (
            [one["last_error"] for one in deliveries(story, hook)] == ["subscriber returned 302"]
        ),
        20,
        "it has failed",
    )
    assert receiver.at("/elsewhere") == []


def test_a_deleted_hook_is_told_nothing_more(story: Story, receiver: Receiver) -> None:
    hook = hooked(story, receiver.url("/gone"))
    other = hooked(story, receiver.url("/other"))
    story.applied(story.worker())
    row = story.wait_for("running")
    wait_until(lambda: settled(story, hook, 2), 5, "both were delivered")
    for _ in range(2):
        assert story.ring.ask("DELETE", f"/webhooks/{hook['id']}")[0] == 204
    story.ring.ask("DELETE", f"/deployments/{row['id']}")
    wait_until(lambda: settled(story, other, 3), 5, "the other one is told")
    assert len(receiver.at("/gone")) == 2
    assert len(deliveries(story, hook)) == 2
    assert story.ring.ask("DELETE", "/webhooks/nope")[0] == 404


def test_a_receiver_that_hangs_does_not_hold_up_the_end(story: Story, receiver: Receiver) -> None:
    receiver.hanging.add("/hangs")
    hooked(story, receiver.url("/hangs"))
    story.applied(story.worker())
    wait_until(lambda: len(receiver.at("/hangs")) == 1, 20, "it was asked")
    began = time.monotonic()
    assert story.ring.stop() == 0
    assert time.monotonic() - began < 10
    assert "ring server stopped" in story.ring.log.read_text()
