"""What people do to containers behind Ring's back."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.e2e.polling import wait_until
from tests.e2e.story import STEADY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Tell
    from tests.e2e.outside import Docker
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine


@pytest.fixture
def strangers(docker: Docker) -> Iterator[list[str]]:
    """Ids of containers that Ring must not touch; removed at the end."""
    made: list[str] = []
    yield made
    for one in made:
        docker.remove(one)


def test_a_container_that_is_removed_is_replaced_and_not_counted(story: Story) -> None:
    story.applied(story.worker(replicas=3))
    before = {one.id for one in story.wait_whole(3)}
    victim = min(before)
    story.docker.remove(victim)
    wait_until(lambda: len(story.ids() - before) == 1, 10, "a replacement is there")
    story.wait_whole(3)
    assert before - story.ids() == {victim}
    assert story.row()["restart_count"] == 0
    assert story.told("container_crashed") == []


def test_a_container_that_is_stopped_cleanly_is_replaced_and_not_counted(story: Story) -> None:
    story.applied(story.worker(replicas=2))
    before = {one.id for one in story.wait_whole(2)}
    victim = min(before)
    story.docker.stop(victim)
    wait_until(lambda: len(story.ids() - before) == 1, 10, "a replacement is there")
    story.wait_whole(2)
    assert story.row()["restart_count"] == 0
    (event,) = story.told("container_stopped_externally")
    assert event.level == "warning"
    assert victim[:12] in event.message
    assert story.told("container_crashed") == []
    assert story.told("container_completed") == []


def test_a_reboot_is_no_crash(story: Story) -> None:
    """The server goes down first, then every container; afterwards the server comes up again."""
    story.applied(story.worker(replicas=3))
    before = {one.id for one in story.wait_whole(3)}
    assert story.ring.stop() == 0
    for one in before:
        story.docker.stop(one)
    story.ring.start()
    story.wait_whole(3)
    assert story.ids().isdisjoint(before)
    assert story.row()["restart_count"] == 0
    assert len(story.told("instances_recovered")) == 1
    assert story.told("container_completed") == []
    assert story.told("container_crashed") == []


def test_containers_of_unknown_deployments_are_left_alone(tell: Tell, strangers: list[str]) -> None:
    story = tell(interval_s=1)
    story.applied(story.worker())
    (own,) = story.wait_whole(1)
    unknown = {"ring_deployment": str(uuid.uuid4())}
    ours = {**unknown, "ring.server": own.labels["ring.server"]}
    for labels in (unknown, ours):
        strangers.append(story.docker.create(story.image, STEADY, labels))
        story.docker.start(strangers[-1])
    name = story.docker.inspect(strangers[1])["Name"].removeprefix("/")
    wait_until(lambda: name in story.ring.log.read_text(), 10, "the log names ours")
    story.ring.stop()
    story.ring.start()
    story.ring.run("deployment", "delete", f"{story.namespace}/web")
    story.wait_gone()
    for one in strangers:
        assert story.docker.inspect(one)["State"]["Running"] is True
    assert story.ring.log.read_text().count(f"instance {name} ") == 2, "once for each start"
