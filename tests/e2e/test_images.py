"""Images that are not there, cannot be had, or change under their tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ALL, ON_BOTH
from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine


@ON_ALL
def test_an_absent_image_that_must_not_be_pulled_halts(story: Story) -> None:
    image = f"{story.namespace}/absent:1"
    story.applied(story.worker(image=image, config={"image_pull_policy": "Never"}))
    row = story.wait_for("image_pull_back_off")
    assert row["restart_count"] == 0
    (event,) = story.told("image_pull_back_off")
    assert event.level == "error"
    assert image in event.message
    assert "image_pull_policy=Never" in event.message
    assert story.created() == 0

    mended = story.worker()
    assert "Deployment 'web' created\n" in story.applied(mended).out
    story.wait_whole(1)


@ON_ALL
def test_a_registry_that_does_not_answer_is_no_missing_image(story: Story) -> None:
    image = "127.0.0.1:1/x/y:latest"
    story.applied(story.worker(image=image, config={"image_pull_policy": "Always"}))
    story.wait_for("image_pull_back_off", within_s=30)
    (event, *_) = story.told("image_pull_back_off")
    assert f"cannot reach the registry for '{image}'" in event.message
    assert "not found" not in event.message
    assert story.row()["restart_count"] >= 1
    assert story.containers() == []


@ON_BOTH
def test_a_tag_that_moves_means_the_old_image_until_the_next_deployment(story: Story) -> None:
    repository = f"{story.namespace}/app"
    old = story.docker.variant(story.image, repository, "old")
    manifest = story.worker(image=f"{repository}:1", replicas=2)
    try:
        story.applied(manifest)
        before = {one.id for one in story.wait_whole(2)}
        pinned = story.row()["image_digest"]
        assert (pinned == old) is not story.docker.digests_of_variants
        new = story.docker.variant(story.image, repository, "new")
        assert new != old
        story.crash(min(before))
        wait_until(lambda: story.row()["restart_count"] == 1, 5, "the crash is counted")
        assert {one.image_id for one in story.wait_whole(2)} == {old}
        assert "Deployment 'web' unchanged\n" in story.applied(manifest).out
        assert story.row()["image_digest"] == pinned

        answer = story.applied(manifest, flags=("--redeploy",))
        assert "Deployment 'web' created\n" in answer.out
        assert {one.image_id for one in story.wait_whole(2)} == {new}
        moved = story.row()["image_digest"]
        assert moved != pinned
        assert (moved == new) is not story.docker.digests_of_variants
    finally:
        story.ring.kill()
        story.docker.clean(story.namespace)
        story.docker.remove_images([f"{repository}:1", old])


def test_more_memory_than_there_is_creates_nothing(story: Story) -> None:
    story.applied(story.worker(resources={"requests": {"memory": "999Ti"}}))
    row = story.wait_for("insufficient_resources")
    assert row["restart_count"] == 0
    (event,) = story.told("insufficient_resources")
    assert event.level == "error"
    wanted = 999 * 1024 * 1024
    head, _, rest = event.message.partition(f"needs {wanted} MiB but only ")
    assert "insufficient host memory" in head
    assert "'web'" in head
    figure, _, _ = rest.partition(" MiB is available")
    assert 0 < int(figure) < wanted
    assert story.created() == 0
    assert story.docker.has_network(story.namespace) is False
