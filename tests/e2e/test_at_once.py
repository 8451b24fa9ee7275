"""Several people at the same deployment, and changes of mind while it comes up."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

MANY = 20


def test_a_deployment_that_cannot_start_is_mended_by_the_next_apply(story: Story) -> None:
    story.applied(story.worker(command=["/no/such/binary"], replicas=2))
    story.wait_for("create_container_error")
    story.applied(story.worker(replicas=2))
    story.wait_whole(2)
    row = story.row()
    assert row["restart_count"] == 0
    assert {one.deployment_id for one in story.containers()} == {row["id"]}


def test_a_deployment_that_is_deleted_while_it_comes_up_leaves_nothing(story: Story) -> None:
    story.applied(story.worker(replicas=8))
    wait_until(story.containers, 10, "the first container is there")
    answer = story.ring.run("deployment", "delete", f"{story.namespace}/web")
    assert answer.code == 0, answer
    story.wait_gone()


def test_a_deployment_that_is_applied_again_after_its_deletion_comes_back(story: Story) -> None:
    story.applied(story.worker(replicas=3))
    wait_until(story.containers, 10, "the first container is there")
    story.ring.run("deployment", "delete", f"{story.namespace}/web")
    story.applied(story.worker(replicas=3))
    containers = story.wait_whole(3)
    assert {one.deployment_id for one in containers} == {story.row()["id"]}


def test_equal_applies_at_once_make_one_deployment(story: Story) -> None:
    with ThreadPoolExecutor(MANY) as pool:
        body = story.worker(replicas=2)
        sent = [
            pool.submit(story.ring.ask, "POST", "/deployments?if_changed=true", body)
            for _ in range(MANY)
        ]
    answers = [one.result() for one in sent]
    assert sorted(status for status, _ in answers) == [200] * (MANY - 1) + [201]
    assert len({row["id"] for _, row in answers}) == 1
    story.wait_whole(2)
    assert story.row()["revision"] == 1


def test_different_applies_at_once_leave_one_row_and_its_containers(story: Story) -> None:
    bodies = [story.worker(replicas=2, environment={"TRY": f"{one}"}) for one in range(MANY)]
    with ThreadPoolExecutor(MANY) as pool:
        sent = [pool.submit(story.ring.ask, "POST", "/deployments", body) for body in bodies]
    accepted = [row for status, row in (one.result() for one in sent) if status == 201]
    assert {one.result()[0] for one in sent} <= {201, 409}
    containers = story.wait_whole(2, within_s=60)
    row = story.row()
    assert row["id"] in {one["id"] for one in accepted}
    assert row["revision"] == len(accepted)
    assert {one.deployment_id for one in containers} == {row["id"]}
    wanted = f"TRY={row['environment']['TRY']}"
    assert wanted in story.docker.inspect(containers[0].id)["Config"]["Env"]
    wait_until(lambda: len(story.rows()) == 1, 10, "the replaced rows are purged")


def test_command_lines_at_once_apply_their_own_deployments(story: Story) -> None:
    names = [f"app{number}" for number in range(8)]

    def apply(name: str) -> int:
        text = json.dumps({"deployments": {name: story.worker(name)}})
        return story.ring.run("apply", "-f", "-", stdin=text).code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(apply, names)) == [0] * len(names)
    for name in names:
        story.wait_whole(1, name)
        assert story.created(name) == 1
    assert len(story.containers()) == len(names)
