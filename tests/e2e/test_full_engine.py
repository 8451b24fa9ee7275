"""An engine whose disk is full: it says so, and goes on once there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    from tests.e2e.engine import OwnEngine
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

NO_SPACE = "no space left on device"


def test_a_disk_without_room_is_told_and_what_runs_runs_on(
    own_story: Story, own_engine: OwnEngine
) -> None:
    story = own_story
    story.applied(story.worker("before"))
    (before,) = story.wait_whole(1, "before")
    with own_engine.full():
        story.applied(story.worker(replicas=2))
        story.wait_for("file_system_error")
        wait_until(lambda: story.row()["restart_count"] >= 2, 20, "it has failed twice")
        assert story.status() == "file_system_error"
        failures = story.told("file_system_error")
        assert all(one.level == "error" and NO_SPACE in one.message for one in failures)
        assert story.status("before") == "running"
        assert story.ids("before") == {before.id}
    story.wait_whole(2)
    assert len(story.told("file_system_error")) == story.row()["restart_count"]
    wait_until(lambda: story.row()["restart_count"] == 0, 30, "it is forgotten", story.account)
    assert story.row("before")["restart_count"] == 0
    assert story.ids("before") == {before.id}
    assert len(story.told("scale_up")) == 2


def test_an_image_that_the_disk_has_no_room_for_is_pulled_once_it_has(
    own_story: Story, own_engine: OwnEngine
) -> None:
    story = own_story
    image = f"{own_engine.registry}/{story.namespace}/app:1"
    story.docker.push(story.docker.variant(story.image, f"{story.namespace}/app", "x"), image)
    story.docker.remove_images([f"{story.namespace}/app:1"])
    with own_engine.full():
        story.applied(story.worker(image=image))
        story.wait_for("image_pull_back_off")
        (event, *_) = story.told("image_pull_back_off")
        assert f"Failed to pull image '{image}'" in event.message
        assert NO_SPACE in event.message
    story.wait_whole(1)
    assert len(story.told("image_pull_back_off")) == story.row()["restart_count"] <= 4
    assert story.created() == 1
