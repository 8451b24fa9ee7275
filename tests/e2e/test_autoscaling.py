"""Deployments that are scaled by their load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ALL
from tests.e2e.polling import holds, wait_until

if TYPE_CHECKING:
    from tests.e2e.conftest import Tell
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

BUSY = ("sh", "-c", "while :; do :; done")
LIMITS = {"limits": {"cpu": "500m"}}


@pytest.fixture
def story(tell: Tell) -> Story:
    return tell(interval_s=1)


def measured(story: Story) -> object:
    return story.ring.ask("GET", f"/deployments/{story.row()['id']}/metrics"), story.account()


@ON_ALL
def test_a_deployment_below_its_minimum_goes_to_it_at_once(story: Story) -> None:
    policy = {"min": 2, "max": 4, "target_cpu": 50}
    story.applied(story.worker(replicas=1, autoscale=policy))
    story.wait_whole(2)
    assert story.row()["desired_replicas"] == 2
    assert story.row()["replicas"] == 1
    wait_until(
        lambda: [one for one in story.told("scale_up") if one.component == "autoscaler"],
        15,
        "the autoscaler has told",
    )
    (told, *_) = [one for one in story.told("scale_up") if one.component == "autoscaler"]
    assert told.message.startswith("Autoscaled from 1 to 2 instances")
    holds(lambda: len(story.containers()) == 2, 4, "idle instances stay as many")


def test_a_busy_deployment_takes_one_step_and_rests(story: Story) -> None:
    policy = {"min": 2, "max": 4, "target_cpu": 1}
    busy = story.worker(replicas=2, autoscale=policy, command=list(BUSY), resources=LIMITS)
    story.applied(busy)
    wait_until(
        lambda: len(story.row()["instances"]) == 3, 60, "there are three", lambda: measured(story)
    )
    (told,) = [one for one in story.told("scale_up") if one.component == "autoscaler"]
    assert told.message.startswith("Autoscaled from 2 to 3 instances (average CPU ")
    assert told.message.endswith("% against a 1% target)")
    assert story.row()["desired_replicas"] == 3
    holds(lambda: len(story.row()["instances"]) == 3, 5, "the next step waits a minute")
    story.ring.kill()
    story.ring.start()
    wait_until(lambda: len(story.row()["instances"]) == 3, 10, "the new server has listed them")
    holds(lambda: len(story.row()["instances"]) == 3, 5, "it does so over a kill of the server")
    assert "unchanged" in story.applied(busy).out
    changed = {**busy, "environment": {"A": "b"}}
    story.applied(changed)
    story.wait_whole(3)
    assert story.row()["desired_replicas"] == 3
    assert story.row()["replicas"] == 2


def test_within_ten_points_nothing_is_scaled(story: Story) -> None:
    policy = {"min": 1, "max": 3, "target_cpu": 9}
    story.applied(story.worker(replicas=2, autoscale=policy))
    story.wait_whole(2)
    holds(lambda: len(story.row()["instances"]) == 2, 8, "it is left as it is")
