"""From nothing to a deployment that heals, scales, stays as it is and goes away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import short_id
from tests.e2e.both import ON_ADAPTERS
from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    from tests.e2e.conftest import Tell
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine


@ON_ADAPTERS
def test_a_deployment_from_apply_to_delete(tell: Tell) -> None:
    story = tell(interval_s=60)
    first = _applied(story)
    _healed(story)
    _scaled(story, first)
    _unchanged(story)
    _deleted(story)


def _applied(story: Story) -> str:
    answer = story.applied(story.worker(replicas=2))
    row = story.row()
    assert answer.out.splitlines() == [
        "Processing deployment 'web'",
        "Deployment 'web' created",
        f"  id: {row['id']}",
        "",
        "Summary:",
        "  Successful: 1",
    ]
    containers = story.wait_whole(2)
    listed = story.ring.run("deployment", "list", "-n", story.namespace)
    (line,) = [line for line in listed.out.splitlines() if row["id"] in line]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[3:] == [
        story.namespace,
        "web",
        story.image,
        story.runtime,
        "worker",
        "2/2",
        "running",
    ]
    shown = story.ring.run("deployment", "inspect", f"{story.namespace}/web")
    assert "Status       : running" in shown.out
    for container in containers:
        address = story.docker.address(container.id, story.namespace)
        assert f"  {container.id} ({address})" in shown.out
        assert container.labels["ring_deployment"] == row["id"]
        assert container.name.startswith(f"{story.namespace}_web_")
    assert story.docker.has_network(story.namespace)
    return str(row["id"])


def _healed(story: Story) -> None:
    """One crash is healed within three seconds, counted once and forgotten again."""
    before = story.ids()
    victim = min(before)
    killed_at = time.time()
    story.crash(victim)
    wait_until(
        lambda: len(story.row()["instances"]) == 2 and victim not in story.ids(),
        5,
        "the replacement runs",
    )
    wait_until(lambda: len(story.watch.noted("start")) == 3, 5, "its start is told")
    (died,) = story.watch.noted("die")
    (_, _, began) = story.watch.noted("start")
    assert died.id == victim
    assert began.id not in before
    assert began.at - killed_at < 3.0  # the promise; how fast it is on a quiet machine is measured
    (crashed,) = story.told("container_crashed")
    assert crashed.message == (
        f"Instance {short_id(victim)} exited with code 137 "
        "(restart count 1 of 5; next attempt at once)"
    )
    assert story.row()["restart_count"] == 1
    assert story.row()["status"] == "running"
    wait_until(lambda: story.row()["restart_count"] == 0, 15, "the crash is forgotten")
    assert time.time() - killed_at > 9.5
    assert len(story.told("restart_count_reset")) == 1


def _scaled(story: Story, first: str) -> None:
    assert story.row()["revision"] == 1
    for revision, (before, after) in enumerate(((2, 5), (5, 1)), start=2):
        there = story.ids()
        answer = story.applied(story.worker(replicas=after))
        assert f"Deployment 'web' scaled from {before} to {after}\n" in answer.out
        story.wait_whole(after)
        assert story.row()["id"] == first
        assert story.row()["revision"] == revision
        assert there < story.ids() or story.ids() < there
    wait_until(lambda: len(story.told("scale_down")) == 4, 5, "four removals are told")
    assert len(story.told("scale_up")) == 2 + 1 + 3
    assert story.row()["restart_count"] == 0
    assert len(story.told("container_crashed")) == 1


def _unchanged(story: Story) -> None:
    before = (story.events(), story.ids(), story.row())
    answer = story.applied(story.worker(replicas=1))
    assert "Deployment 'web' unchanged\n" in answer.out
    assert (story.events(), story.ids(), story.row()) == before


def _deleted(story: Story) -> None:
    row = story.row()
    answer = story.ring.run("deployment", "delete", f"{story.namespace}/web")
    assert (answer.code, answer.out) == (0, f"Deployment {row['id']} deleted\n")
    assert [row["status"] for row in story.rows()] == ["deleted"]
    story.wait_gone()
    shown = story.ring.run("deployment", "inspect", row["id"])
    assert (shown.code, shown.err) == (4, f"error: deployment '{row['id']}' not found\n")
    assert story.ring.ask("GET", f"/deployments/{row['id']}")[0] == 404
    assert story.docker.has_network(story.namespace)
    assert story.ring.run("namespace", "prune", story.namespace).code == 0
    assert story.docker.has_network(story.namespace), "it may be somebody's address plan"
