"""A server that is killed: the next one takes up where it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ADAPTERS
from tests.e2e.polling import wait_until
from tests.e2e.proxy import Fate
from tests.e2e.story import STUBBORN

if TYPE_CHECKING:
    from tests.e2e.conftest import Tell
    from tests.e2e.proxy import EngineProxy
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

MANY = 50


@ON_ADAPTERS
def test_containers_outlive_their_server(story: Story) -> None:
    story.applied(story.worker(replicas=3))
    before = {one.id for one in story.wait_whole(3)}
    story.crash(min(before))
    wait_until(
        lambda: len(story.ids() - before) == 1 and story.row()["restart_count"] == 1,
        10,
        "the crash is healed",
    )
    there = {one.id for one in story.wait_whole(3)}
    row = story.row()
    story.ring.kill()
    assert {one.id for one in story.docker.running(story.namespace)} == there
    story.ring.start()
    assert story.wait_for("running")["id"] == row["id"]
    assert story.row()["restart_count"] == 1
    wait_until(lambda: story.row()["restart_count"] == 0, 20, "the crash is forgotten")
    story.wait_whole(3)
    assert story.ids() == there
    assert len(story.told("container_crashed")) == 1
    assert story.told("instances_recovered") == []


def test_a_scale_down_that_was_interrupted_is_finished_and_not_counted(story: Story) -> None:
    story.applied(story.worker(command=STUBBORN, replicas=3))
    story.wait_whole(3)
    oldest = min(story.containers(), key=lambda one: story.docker.made(one.id)).id
    story.applied(story.worker(command=STUBBORN, replicas=1))
    wait_until(lambda: len(story.watch.noted("kill")) >= 2, 10, "two were asked to end")
    story.ring.kill()
    story.ring.start()
    (left,) = story.wait_whole(1, within_s=40)
    assert left.id == oldest
    assert story.row()["restart_count"] == 0
    assert story.told("container_crashed") == []
    assert story.told("instances_recovered") == []
    assert story.created() == 3


@ON_ADAPTERS
@pytest.mark.parametrize("begun", [0, 1, 4])
def test_creates_that_were_interrupted_end_in_exactly_the_target(story: Story, begun: int) -> None:
    story.applied(story.worker(replicas=6))
    wait_until(lambda: len(story.containers()) >= begun, 10, f"{begun} containers are there")
    story.ring.kill()
    story.ring.start()
    containers = story.wait_whole(6)
    row = story.row()
    assert {one["id"] for one in row["instances"]} == {one.id for one in containers}
    assert {one.deployment_id for one in story.containers()} == {row["id"]}
    assert row["restart_count"] == 0
    wait_until(lambda: len(story.told("scale_up")) >= 6, 5, "six starts are told")
    assert len(story.told("scale_up")) == 6


def test_a_deletion_that_was_interrupted_is_finished(story: Story) -> None:
    story.applied(story.worker(replicas=4))
    story.wait_whole(4)
    answer = story.ring.run("deployment", "delete", f"{story.namespace}/web")
    assert answer.code == 0, answer
    story.ring.kill()
    story.ring.start()
    story.wait_gone()


def test_a_scale_down_after_a_restart_keeps_the_oldest(story: Story) -> None:
    """A listing tells whole seconds: what was made within one looks equally old."""
    story.applied(story.worker(replicas=4))
    made = story.wait_whole(4)
    oldest = min(made, key=lambda one: story.docker.made(one.id)).id
    story.ring.kill()
    story.ring.start()
    story.applied(story.worker(replicas=1))
    (left,) = story.wait_whole(1)
    assert left.id == oldest


def test_a_create_that_is_carried_out_after_its_row_is_gone_leaves_nothing(
    tell: Tell, proxy: EngineProxy
) -> None:
    """The first server is killed while the engine has yet to hear of its create."""
    story = tell(docker_host=proxy.host, interval_s=1)
    late = proxy.rule("POST /containers/create", Fate.LATE, times=1)
    story.applied(story.worker())
    wait_until(lambda: late.met, 10, "the create is on its way")
    story.ring.kill()
    story.ring.start()
    story.wait_whole(1)
    assert story.ring.run("deployment", "delete", f"{story.namespace}/web").code == 0
    story.wait_gone()
    proxy.lift(late)
    wait_until(lambda: story.created() == 2, 10, "the engine carries it out")
    wait_until(lambda: not story.containers(), 10, "it is removed again")
    said = "left over from a purged deployment"
    wait_until(lambda: said in story.ring.log.read_text(), 10, "it is said")


def test_fifty_containers_outlive_their_server_and_fifty_stops_delay_no_start(
    story: Story,
) -> None:
    """They end ten seconds after they are asked to: their stops take all that time."""
    fast = story.worker("fast", command=["sh", "-c", "exit 3"])
    story.applied(story.worker(command=STUBBORN, replicas=MANY), fast)
    before = {one.id: story.docker.started(one.id) for one in story.wait_whole(MANY, within_s=90)}
    story.wait_for("crash_loop_back_off", "fast", within_s=30)
    row, looping = story.row(), story.row("fast")
    story.ring.kill()
    story.ring.start()
    wait_until(lambda: len(story.row()["instances"]) == MANY, 20, "all are known again")
    there = story.row()
    assert {one["id"] for one in there["instances"]} == set(before)
    assert {one: story.docker.started(one) for one in story.ids()} == before
    kept = ("id", "status", "restart_count", "revision", "image_digest")
    assert {key: there[key] for key in kept} == {key: row[key] for key in kept}
    again = story.row("fast")
    assert {key: again[key] for key in kept} == {key: looping[key] for key in kept}
    assert story.created("fast") == looping["restart_count"]

    assert story.ring.run("deployment", "delete", f"{story.namespace}/web").code == 0
    wait_until(lambda: len(story.watch.noted("kill")) >= 32, 10, "the stops are under way")
    story.applied(story.worker("other"))
    story.wait_whole(1, "other", within_s=8)
    assert story.docker.running(story.namespace, "web"), "the stops are still under way"
    story.wait_gone(within_s=60)
