"""Probes of real containers: their pace, their counters, a killed server between them."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.e2e.polling import wait_until
from tests.e2e.story import WEB, alarm

if TYPE_CHECKING:
    from tests.e2e.story import Row, Story

pytestmark = pytest.mark.engine

COUNT = 8


def began(results: list[Row]) -> list[float]:
    return [datetime.fromisoformat(one["started_at"]).timestamp() for one in results]


def test_an_interval_of_a_second_gives_a_result_a_second_whatever_the_tick(story: Story) -> None:
    story.applied(story.worker(command=WEB, health_checks=[alarm(interval="1s")]))
    story.wait_for("running")
    wait_until(lambda: len(story.probes()) >= COUNT, COUNT + 5, "results are stored")
    results = story.probes()
    assert all(0.9 < later - earlier < 1.5 for earlier, later in pairwise(began(results)))
    (container,) = story.wait_whole(1)
    assert {one["instance_id"] for one in results} == {container.id}


def test_two_checks_of_one_type_have_counters_of_their_own(story: Story) -> None:
    good = alarm(type="http", url="http://localhost/", port=None, interval="1s", threshold=3)
    bad = {**good, "url": "http://localhost/no-such-page"}
    story.applied(story.worker(command=WEB, health_checks=[good, bad]))
    story.wait_for("running")
    wait_until(lambda: bool(story.told("health_check_alert")), 15, "the bad one tells")

    def found() -> Counter[tuple[int, str]]:
        return Counter((one["check_index"], one["status"]) for one in story.probes())

    wait_until(
        lambda: min(found()[0, "success"], found()[1, "failed"]) >= 3, 10, "results are stored"
    )
    assert {key for key, count in found().items() if count > 1} == {(0, "success"), (1, "failed")}
    assert len(story.wait_whole(1)) == 1


def test_probes_go_on_after_a_kill_with_their_counters(story: Story) -> None:
    closed = alarm(port=81, interval="1s", threshold=8, on_failure="restart")
    story.applied(story.worker(command=WEB, health_checks=[closed]))
    (container,) = story.wait_whole(1)
    wait_until(lambda: len(story.probes()) >= 5, 15, "five have failed")
    story.ring.kill()
    story.ring.start()
    wait_until(lambda: container.id not in story.ids(), 15, "the eighth failure restarts it")
    wait_until(lambda: bool(story.told("health_check_instance_restart")), 5, "and is told")

    def ours() -> list[Row]:
        return [one for one in story.probes() if one["instance_id"] == container.id]

    wait_until(lambda: len(ours()) >= 8, 5, "all results are stored")
    assert len(ours()) <= 9  # the last one before the kill may not have been stored
    assert story.row()["restart_count"] == 0
