"""What people do to containers behind Ring's back."""

from __future__ import annotations

import http.client
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import short_id
from tests.e2e.both import ON_ADAPTERS, ON_ALL, ON_BOTH
from tests.e2e.polling import wait_until
from tests.e2e.ring import free_port
from tests.e2e.story import STEADY, WEB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Tell
    from tests.e2e.outside import Docker
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine


@pytest.fixture
def strangers(engine: Docker) -> Iterator[list[str]]:
    """Ids of containers that Ring must not touch; removed at the end."""
    made: list[str] = []
    yield made
    for one in made:
        engine.remove(one)


@pytest.fixture
def copies(engine: Docker, namespaces: tuple[str, str], strangers: list[str]) -> Iterator[str]:
    """The name of an image that a test makes of a container; gone at the end, after those of it."""
    image = f"{namespaces[0]}-copy"
    yield image
    for one in strangers:
        engine.remove(one)
    engine.remove_images([image])


@ON_ALL
def test_a_container_that_is_removed_is_replaced_and_not_counted(story: Story) -> None:
    story.applied(story.worker(replicas=3))
    before = {one.id for one in story.wait_whole(3)}
    victim = min(before)
    story.docker.remove(victim)
    wait_until(lambda: len(story.ids() - before) == 1, 10, "a replacement is there")
    story.wait_whole(3)
    assert before - story.ids() == {victim}
    counted = 0 if story.docker.tells_removals else 1
    assert story.row()["restart_count"] == counted
    assert len(story.told("container_crashed")) == counted


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
    assert short_id(victim) in event.message
    assert story.told("container_crashed") == []
    assert story.told("container_completed") == []


@ON_ADAPTERS
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
    name = f"{story.namespace}-ours"
    for called, labels in ((f"{story.namespace}-theirs", unknown), (name, ours)):
        strangers.append(story.docker.create(story.image, STEADY, labels, called))
        story.docker.start(strangers[-1])
    wait_until(lambda: name in story.ring.log.read_text(), 10, "the log names ours")
    story.ring.stop()
    story.ring.start()
    story.ring.run("deployment", "delete", f"{story.namespace}/web")
    story.wait_gone()
    for one in strangers:
        assert story.docker.is_running(one)
    assert story.ring.log.read_text().count(f"instance {name} ") == 2, "once for each start"


@ON_ALL
def test_a_container_that_is_paused_is_left_so_and_told(story: Story) -> None:
    story.applied(story.worker(replicas=2))
    before = {one.id for one in story.wait_whole(2)}
    victim = min(before)
    story.docker.pause(victim)
    wait_until(lambda: story.told("container_paused"), 10, "the pause is told")
    (event,) = story.told("container_paused")
    assert (event.level, event.component) == ("warning", f"{story.runtime}-events")
    assert short_id(victim) in event.message
    assert "unpause it, or remove it to have it replaced" in event.message
    wait_until(lambda: len(story.row()["instances"]) == 1, 5, "only the other one runs")
    assert story.status() == "running"
    assert story.ids() == before
    story.docker.unpause(victim)
    wait_until(lambda: story.told("container_unpaused"), 10, "its going on is told")
    assert {one.id for one in story.wait_whole(2)} == before
    assert story.row()["restart_count"] == 0
    assert story.created() == 2


@ON_BOTH
def test_a_deployment_with_a_paused_container_is_deleted(story: Story) -> None:
    story.applied(story.worker())
    (only,) = story.wait_whole(1)
    story.docker.pause(only.id)
    assert story.ring.run("deployment", "delete", f"{story.namespace}/web").code == 0
    story.wait_gone()


@ON_BOTH
def test_a_container_that_is_renamed_goes_on_under_its_new_name(tell: Tell) -> None:
    story = tell(interval_s=1)
    story.applied(story.worker(replicas=2))
    victim, other = story.wait_whole(2)
    name = f"{story.namespace}-favourite"
    story.docker.told("POST", f"/containers/{victim.id}/rename", {"name": name})
    wait_until(lambda: story.told("container_renamed"), 10, "the new name is told")
    (event,) = story.told("container_renamed")
    assert event.level == "warning"
    assert victim.name in event.message
    assert name in event.message
    assert story.ids() == {victim.id, other.id}
    story.crash(victim.id)
    wait_until(lambda: story.row()["restart_count"] == 1, 10, "its death is counted")
    story.wait_whole(2)
    assert story.created() == 3
    assert story.ring.run("deployment", "delete", f"{story.namespace}/web").code == 0
    story.wait_gone()


@ON_BOTH
def test_a_rename_while_the_server_is_away_is_followed(story: Story) -> None:
    story.applied(story.worker())
    (only,) = story.wait_whole(1)
    assert story.ring.stop() == 0
    story.docker.told("POST", f"/containers/{only.id}/rename", {"name": f"{story.namespace}-new"})
    story.ring.start()
    wait_until(lambda: story.told("container_renamed"), 10, "the new name is told")
    assert {one.id for one in story.wait_whole(1)} == {only.id}
    assert story.created() == 1


@ON_BOTH
def test_a_copy_of_a_container_is_left_alone(tell: Tell, strangers: list[str], copies: str) -> None:
    story = tell(interval_s=1)
    story.applied(story.worker())
    (original,) = story.wait_whole(1)
    story.docker.commit(original.id, copies)
    copy = story.docker.create(f"{copies}:latest", STEADY, {}, name=f"{story.namespace}-mine")
    strangers.append(copy)
    story.docker.start(copy)
    named = f"container {story.namespace}-mine on {story.runtime} carries the labels of instance"
    wait_until(lambda: named in story.ring.log.read_text(), 10, "the log names it")
    assert story.status() == "running"
    assert [one["id"] for one in story.row()["instances"]] == [original.id]

    # neither in place of the original, nor by a server that begins anew
    story.docker.remove(original.id)
    wait_until(lambda: len(story.watch.noted("start")) == 3, 10, "a replacement is there")
    assert story.ring.stop() == 0
    story.ring.start()
    wait_until(lambda: len(story.row()["instances"]) == 1, 10, "the replacement is known")
    assert story.ids() - {copy} == {one["id"] for one in story.row()["instances"]}
    assert story.ring.log.read_text().count(named) == 2, "once for each start"

    # and not when the deployment goes
    assert story.ring.run("deployment", "delete", f"{story.namespace}/web").code == 0
    wait_until(lambda: not story.rows(), 30, "the row is gone", story.account)
    alone = f"instance {story.namespace}-mine on {story.runtime} carries this server's label"
    wait_until(lambda: alone in story.ring.log.read_text(), 10, "the log names it again")
    assert story.ids() == {copy}
    assert story.docker.is_running(copy)


@ON_ALL
def test_a_container_that_is_taken_off_its_network_is_connected_again(story: Story) -> None:
    port = free_port()
    mapping = [{"published": port, "target": 80}]
    story.applied(story.worker(command=WEB, ports=mapping), story.worker("client"))
    (web,) = story.wait_whole(1)
    (client,) = story.wait_whole(1, "client")
    story.docker.disconnect(web.id, story.namespace)
    wait_until(lambda: story.told("instance_attached"), 10, "it is connected again")
    assert found_by_name(story, client.id) == web.name
    wait_until(lambda: _answers(port) == web.name, 10, "the published port answers again")
    assert story.docker.run(client.id, "nslookup", web.name)[0] == 0
    _, hosts = story.docker.run(web.id, "cat", "/etc/hosts")
    address = story.docker.address(web.id, story.namespace)
    assert [line for line in hosts.splitlines() if line.split()[:1] == [address]] != []
    (event,) = story.told("instance_detached")
    assert event.level == "warning"
    assert web.name in event.message
    assert story.ids() == {web.id}
    assert story.row()["restart_count"] == 0
    assert story.told("instance_detached", "client") == []


@ON_ADAPTERS
def test_a_network_that_is_removed_comes_back_with_its_containers_on_it(story: Story) -> None:
    """While the server is away, for it would connect them faster than anybody disconnects all."""
    story.applied(story.worker(command=WEB, replicas=2), story.worker("client"))
    web = story.wait_whole(2)
    before = {one.id for one in web}
    (client,) = story.wait_whole(1, "client")
    story.ring.kill()
    for one in (*before, client.id):
        story.docker.disconnect(one, story.namespace)
    story.docker.remove_network(story.namespace)
    story.ring.start()
    wait_until(lambda: len(story.told("instance_attached")) == 2, 10, "both are connected again")
    wait_until(lambda: story.told("instance_attached", "client"), 10, "so is their client")
    assert found_by_name(story, client.id) in {one.name for one in web}
    assert {one.id for one in story.wait_whole(2)} == before
    assert story.row()["restart_count"] == 0
    assert len(story.told("instance_detached")) == 2


def test_a_network_that_is_removed_while_nothing_is_on_it_is_made_again(story: Story) -> None:
    story.applied(story.worker(replicas=1))
    story.wait_whole(1)
    story.applied(story.worker(replicas=0))
    wait_until(lambda: not story.containers(), 15, "nothing is on the network")
    story.docker.remove_network(story.namespace)
    story.applied(story.worker(replicas=2))
    story.wait_whole(2)
    assert story.row()["restart_count"] == 0
    assert story.told("network_creation_failed") == []


def found_by_name(story: Story, client_id: str) -> str:
    """What the deployment's name leads to, as another one of the namespace sees it."""
    code, said = story.docker.run(client_id, "timeout", "2", "wget", "-qO-", "http://web/")
    assert code == 0, said
    return said.strip()


def _answers(port: int) -> str | None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode().strip()
        except (OSError, http.client.HTTPException):
            return None
