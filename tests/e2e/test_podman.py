"""Podman does what Docker does: the same stories, told shortly, on a service of their own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.contract.outside import missing, required
from tests.e2e.both import ON_PODMAN
from tests.e2e.podman import OwnPodman
from tests.e2e.polling import wait_until
from tests.e2e.story import WEB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.conftest import Tell
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def _service(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPodman]:
    required("RING_TEST_PODMAN_HOST", "a Podman service")
    if os.geteuid() != 0:
        missing("a Podman service of its own is needed: run as root")
    one = OwnPodman(tmp_path_factory.getbasetemp() / "own-podman", image)
    yield one
    one.end()


@pytest.fixture
def service(_service: OwnPodman, namespaces: tuple[str, str]) -> Iterator[OwnPodman]:
    """It is left running and empty."""
    yield _service
    _service.start()
    for name in namespaces:
        _service.outside.clean(name)


@ON_PODMAN
def test_a_deployment_lives_as_on_docker(
    tell: Tell, neighbour_of: Callable[[Story], Story]
) -> None:
    story = tell(interval_s=60)  # events tell it all
    neighbour = neighbour_of(story)
    limits = {"limits": {"memory": "64Mi"}}
    story.applied(story.worker(command=WEB, replicas=3, resources=limits), story.worker("client"))
    neighbour.applied(neighbour.worker("client"))
    replicas = story.wait_whole(3)
    (client,) = story.wait_whole(1, "client")
    (foreigner,) = neighbour.wait_whole(1, "client")

    # names and addresses inside the namespace, none across
    wait_until(lambda: _get(story, client.id, "http://web/") is not None, 10, "the name answers")
    found = {story.docker.address(one.id, story.namespace) for one in replicas}
    assert _addresses(story, client.id) == found
    code, output = story.docker.run(foreigner.id, "nslookup", "web")
    assert code != 0, output
    address = story.docker.address(replicas[0].id, story.namespace)
    assert _get(story, client.id, f"http://{address}/") is not None
    assert _get(story, client.id, f"http://{replicas[0].name}/") is not None
    assert _get(neighbour, foreigner.id, f"http://{address}/") is None

    # what they take
    _, shown = story.ring.ask("GET", f"/deployments/{story.row()['id']}/metrics")
    assert shown["instance_count"] == 3
    assert shown["total_memory"]["usage_bytes"] > 0
    assert shown["total_memory"]["limit_bytes"] == 3 * 64 * 1024 * 1024

    # a crash is healed at once and counted once; a scale-down is none
    before = story.ids()
    story.crash(replicas[0].id)
    wait_until(
        lambda: story.row()["restart_count"] == 1 and replicas[0].id not in story.ids(),
        20,
        "the crash is counted and healed",
        story.account,
    )
    healed = {one.id for one in story.wait_whole(3)}
    assert len(healed & before) == 2
    (crash,) = story.told("container_crashed")
    assert crash.component == "podman"
    story.applied(story.worker(command=WEB, replicas=1, resources=limits))
    (left,) = story.wait_whole(1)
    assert left.id in healed
    assert len(story.told("container_crashed")) == 1

    # what is deleted is gone, and its network stays
    assert story.ring.run("deployment", "delete", f"{story.namespace}/web").code == 0
    story.wait_gone()
    assert story.docker.has_network(story.namespace)


def test_containers_outlive_server_and_service(service: OwnPodman, tell: Tell) -> None:
    story = tell(docker=service.outside, runtime="podman")
    story.applied(story.worker(replicas=2))
    there = {one.id for one in story.wait_whole(2)}
    victim = min(there)
    pid = story.docker.pid(victim)
    service.stop()
    os.kill(pid, 9)
    service.start()
    wait_until(
        lambda: story.row()["restart_count"] == 1 and victim not in story.ids(),
        30,
        "the death is counted and healed",
        story.account,
    )
    after = {one.id for one in story.wait_whole(2)}
    assert len(after & there) == 1
    assert story.row()["restart_count"] == 1
    assert len(story.told("container_crashed")) == 1

    story.ring.kill()
    story.ring.start()
    story.wait_for("running")
    assert {one.id for one in story.wait_whole(2)} == after
    assert len(story.told("container_crashed")) == 1


def _get(story: Story, client: str, url: str) -> str | None:
    """What a GET from inside a container answers; None when nobody does."""
    code, output = story.docker.run(client, "timeout", "2", "wget", "-q", "-O", "-", url)
    return output.strip() if code == 0 else None


def _addresses(story: Story, client: str) -> set[str]:
    _, output = story.docker.run(client, "nslookup", "web.")
    answers = output.partition("Name:")[2]
    return {line.split()[-1] for line in answers.splitlines() if line.startswith("Address")}
