"""As many instances as are wanted: through ticks that find nothing to do, and after a crash."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ALL, ON_BOTH
from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    from tests.e2e.conftest import Tell
    from tests.e2e.proxy import EngineProxy
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

TICKS = 8
COUNTED_S = 1.0
HEALED_S = 3.0


@ON_BOTH
def test_three_stay_three_and_become_one(tell: Tell, proxy: EngineProxy) -> None:
    story = tell(docker_host=proxy.host, interval_s=1)
    story.applied(story.worker(replicas=3))
    before = story.wait_whole(3, within_s=30)

    def listings() -> int:
        return sum(call.path.startswith("/containers/json") for call in list(proxy.calls))

    first, told = listings(), story.events()
    wait_until(lambda: listings() >= first + TICKS, 60, f"{TICKS} more ticks")
    assert story.containers() == before
    assert story.created() == 3
    assert story.events() == told

    story.applied(story.worker(replicas=1))
    (left,) = story.wait_whole(1)
    assert left in before
    assert story.created() == 3


@ON_ALL
def test_a_crash_is_counted_within_a_second_and_healed_within_three(tell: Tell) -> None:
    """However seldom Ring looks by itself: by what server and engine wrote down, not by when this
    test came to look. Seen on a busy machine: 0.3 s and 0.7 s."""
    story = tell(interval_s=60)
    story.applied(story.worker(replicas=2))
    before = {one.id for one in story.wait_whole(2)}
    victim = min(before)
    killed_at = time.time()
    story.crash(victim)
    wait_until(lambda: len(story.ids() - before) == 1, 20, "another one is made", story.account)
    story.wait_whole(2)
    wait_until(lambda: len(story.watch.noted("start")) == 3, 10, "its start is told")
    (died,) = (*story.watch.noted("die"), *story.watch.noted("died"))
    began = story.watch.noted("start")[-1]
    assert died.id == victim
    assert began.id not in before
    assert counted_at(story) - killed_at < COUNTED_S
    assert began.at - killed_at < HEALED_S
    assert story.row()["restart_count"] == 1

    # what Ring ends itself is no crash
    story.applied(story.worker(replicas=1))
    story.wait_whole(1)
    assert len(story.told("container_crashed")) == 1
    assert len(story.told("container_died")) == 1


def counted_at(story: Story) -> float:
    """When the death was counted, in seconds of the epoch: its event is of the same commit."""
    _, told = story.ring.ask("GET", f"/deployments/{story.row()['id']}/events?limit=1000")
    (event,) = (one for one in told if one["reason"] == "container_crashed")
    return datetime.fromisoformat(event["timestamp"]).astimezone(UTC).timestamp()
