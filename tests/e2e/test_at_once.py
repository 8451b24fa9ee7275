"""Several people at the same deployment, and changes of mind while it comes up."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

MANY = 50


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


def test_as_many_deployments_at_once_each_get_their_own(story: Story) -> None:
    names = [f"app{number}" for number in range(MANY)]
    with ThreadPoolExecutor(MANY) as pool:
        answers = list(
            pool.map(lambda name: story.ring.ask("POST", "/deployments", story.worker(name)), names)
        )
    assert [status for status, _ in answers] == [201] * MANY

    def standing() -> list[tuple[str, str]]:
        return sorted((one.deployment_id, one.state) for one in story.containers())

    wanted = sorted((row["id"], "running") for _, row in answers)
    wait_until(lambda: standing() == wanted, 60, "one container each", standing)
    wait_until(lambda: statuses(story) == {"running": MANY}, 20, "all run", lambda: statuses(story))
    assert sum(story.created(name) for name in names) == MANY


def test_applies_and_deletions_at_once_leave_what_the_rows_say(story: Story) -> None:
    names = [f"app{number}" for number in range(5)]

    def change(number: int) -> list[int]:
        """One of the many applies, and a deletion after every third."""
        name = names[number % len(names)]
        body = story.worker(name, environment={"TRY": f"{number}"})
        status, row = story.ring.ask("POST", "/deployments", body)
        if status != 201 or number % 3:
            return [status]
        return [status, story.ring.ask("DELETE", f"/deployments/{row['id']}")[0]]

    with ThreadPoolExecutor(MANY) as pool:
        answers = list(pool.map(change, range(MANY)))
    given = {status for statuses in answers for status in statuses}
    assert given <= {201, 204, 404, 409}
    assert 201 in given

    def is_settled() -> bool:
        rows = [row for name in names for row in story.rows(name)]
        standing = sorted(one.deployment_id for one in story.docker.running(story.namespace))
        return (
            {row["status"] for row in rows} <= {"running"}
            and standing == sorted(row["id"] for row in rows)
            and len(story.containers()) == len(rows)
        )

    wait_until(is_settled, 60, "one container for each row that is left")
    for name in names:
        story.applied(story.worker(name))
        story.wait_whole(1, name)


def statuses(story: Story) -> dict[str, int]:
    _, rows = story.ring.ask("GET", f"/deployments?namespace={story.namespace}")
    return dict(Counter(row["status"] for row in rows))


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
