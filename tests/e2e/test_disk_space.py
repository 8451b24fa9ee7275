"""Disk space: images that nobody needs, and what belongs to nothing, listed and removed on request.

What somebody else has brought is never touched, and no rollback loses its image.
"""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.outside import required
from tests.e2e.polling import wait_until
from tests.e2e.registry import RegistryProxy
from tests.e2e.ring import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.outside import Docker
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

COLLECTING = """
[server.images]
gc = true
gc_min_age = "0s"
gc_max_age = "0s"
gc_interval = "1s"
"""


@pytest.fixture
def registry() -> str:
    return required("RING_TEST_REGISTRY", "a registry")


@pytest.fixture
def way(registry: str) -> Iterator[RegistryProxy]:
    """The engine's only way to the registry; open."""
    with closing(RegistryProxy(registry, free_port())) as one:
        one.open()
        yield one


@pytest.fixture
def app(story: Story, registry: str, way: RegistryProxy) -> Iterator[str]:
    """A repository with the versions 1 to 4, none of them here; as the server and the engine call
    it."""
    path = f"{story.namespace}/app"
    for version in ("1", "2", "3", "4"):
        made = story.docker.variant(story.image, f"{story.namespace}-local", version)
        story.docker.push(made, f"{registry}/{path}:{version}")
        story.docker.remove_images([made])
    yield f"{way.address}/{path}"
    story.ring.kill()
    story.docker.clean(story.namespace)
    for version in ("1", "2", "3", "4"):
        story.docker.remove_images([f"{way.address}/{path}:{version}"])


def _is_here(story: Story, reference: str) -> bool:
    return story.docker.ask("GET", f"/images/{reference}/json")[0] == 200


def _gone(story: Story, name: str) -> None:
    """The deployment is deleted, and purged."""
    row_id = story.row(name)["id"]
    assert story.ring.run("deployment", "delete", row_id).code == 0
    wait_until(lambda: not story.rows(name), 30, f"{name} is purged", story.account)


def _listed(story: Story, prefix: str) -> dict[str, dict[str, Any]]:
    found = story.ring.read("image", "list")
    return {row["reference"]: row for row in found if row["reference"].startswith(prefix)}


def test_images(story: Story, app: str, way: RegistryProxy) -> None:
    # One goes, two follow each other, and one is brought by somebody else.
    story.applied(story.worker("gone", image=f"{app}:3"), story.worker(image=f"{app}:1"))
    story.wait_whole(1, "gone")
    story.wait_whole(1)
    story.applied(story.worker(image=f"{app}:2"))
    wait_until(lambda: len(story.rows()) == 1, 60, "the first version is gone", story.account)
    story.wait_whole(1)
    _gone(story, "gone")
    story.docker.pull(f"{app}:4")

    listed = _listed(story, app)
    assert [listed[f"{app}:{n}"]["managed"] for n in (1, 2, 3, 4)] == [True, True, True, False]
    users = {ref[-1]: {user["kind"] for user in row["used_by"]} for ref, row in listed.items()}
    assert users == {"1": {"revision"}, "2": {"container", "deployment"}, "3": set(), "4": set()}

    # It is listed, and then removed: that one alone.
    would = story.ring.read("image", "prune", "--dry-run", "--older-than", "0s")
    assert [row["reference"] for row in would["removed"]] == [f"{app}:3"]
    assert _is_here(story, f"{app}:3")
    assert story.ring.read("image", "prune")["removed"] == [], "it was in use a moment ago"
    done = story.ring.run("image", "prune", "--older-than", "0s")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Image {app}:3 removed\nRemoved: 1, ")
    assert [_is_here(story, f"{app}:{n}") for n in (1, 2, 3, 4)] == [True, True, False, True]
    told = f"removed image {app}:3 from docker"
    wait_until(lambda: told in story.ring.log.read_text(), 10, "it is said")

    # Without a registry the way back is open.
    way.close()
    back = story.ring.run("deployment", "rollback", f"{story.namespace}/web")
    assert back.code == 0, back
    wait_until(lambda: story.row()["image"] == f"{app}:1", 30, "it is back", story.account)
    wait_until(lambda: len(story.rows()) == 1, 60, "the second version is gone", story.account)
    story.wait_whole(1)

    # Only on request does what a rollback would need go.
    assert story.ring.read("image", "prune", "--older-than", "0s")["removed"] == []
    every = story.ring.read("image", "prune", "--all", "--older-than", "0s")
    assert [row["reference"] for row in every["removed"]] == [f"{app}:2"]
    assert [_is_here(story, f"{app}:{n}") for n in (1, 2, 3, 4)] == [True, False, False, True]

    # By itself it happens where the file says so, and to nothing that runs.
    story.ring.stop()
    with (story.ring.home / "config.toml").open("a") as config:
        config.write(COLLECTING)
    story.ring.start()
    looked = len(story.ring.log.read_text())
    story.applied(story.worker("other"))
    story.wait_whole(1, "other")
    assert _is_here(story, f"{app}:1"), "it runs"
    _gone(story, "web")
    wait_until(lambda: not _is_here(story, f"{app}:1"), 30, "it is collected", story.account)
    assert _is_here(story, f"{app}:4"), "somebody else's"
    done_line = "image collection on docker: removed 1, "
    wait_until(lambda: done_line in story.ring.log.read_text()[looked:], 10, "it is told")


@pytest.fixture
def made_by_hand(docker: Docker) -> Iterator[list[str]]:
    """Paths of the engine's API of what the test makes; removed at the end."""
    paths: list[str] = []
    yield paths
    for path in paths:
        docker.ask("DELETE", path, {"force": "1"} if path.startswith("/containers/") else None)


def _leave(
    story: Story, made_by_hand: list[str], server_id: str, namespace: str
) -> tuple[str, str, Path]:
    """A stopped container, a network and a directory that say that they are this server's, of a
    deployment that nobody knows."""
    owner = str(uuid.uuid4())
    labels = {"ring.managed": "true", "ring.namespace": namespace, "ring.server": server_id}
    body = {"Name": f"ring_{namespace}", "Labels": labels}
    network = story.docker.told("POST", "/networks/create", body=body)["Id"]
    container = story.docker.create(
        story.image, ["true"], {**labels, "ring.name": "web", "ring_deployment": owner}
    )
    made_by_hand += [f"/containers/{container}", f"/networks/{network}"]
    directory = story.ring.home / "run" / "configs" / owner
    directory.mkdir(mode=0o700)
    (directory / f".server-{server_id}").touch()
    return container, network, directory


def test_orphans(story: Story, made_by_hand: list[str]) -> None:
    story.config("site", page="hello")
    mount = {"type": "config", "source": "site", "key": "page", "destination": "/etc/page"}
    story.applied(story.worker(volumes=[mount]))
    story.wait_whole(1)
    (container,) = story.containers()
    ours, theirs = container.labels["ring.server"], str(uuid.uuid4())
    kept = story.ring.home / "run" / "configs" / container.deployment_id
    assert (kept / f".server-{ours}").exists()
    network = story.docker.told("GET", f"/networks/ring_{story.namespace}")
    assert network["Labels"]["ring.server"] == ours

    mine = _leave(story, made_by_hand, ours, f"{story.namespace}-a")
    others = _leave(story, made_by_hand, theirs, f"{story.namespace}-b")
    listed = {row["id"] for row in story.ring.read("node", "orphans") if row["removable"]}
    assert listed == {
        f"instance:docker:{mine[0]}",
        f"network:docker:{mine[1]}",
        f"directory::{mine[2].name}",
    }
    examined = story.ring.run("doctor").out
    assert "  [+] orphans: 1 directory: `ring node orphans` lists them" in examined
    assert "  [+] orphans: 1 instance, 1 network" in examined

    removed = story.ring.run("node", "orphans", "--remove", "--yes")
    assert (removed.code, removed.err) == (0, "")
    assert removed.out.endswith("\nRemoved: 3\n")
    assert story.docker.ask("GET", f"/containers/{mine[0]}/json")[0] == 404
    assert story.docker.ask("GET", f"/networks/{mine[1]}")[0] == 404
    assert not mine[2].exists()
    assert story.docker.ask("GET", f"/containers/{others[0]}/json")[0] == 200
    assert story.docker.ask("GET", f"/networks/{others[1]}")[0] == 200
    assert others[2].exists()
    assert kept.exists()
    assert [one.id for one in story.containers()] == [container.id], "what is in use stays"
    _, entries = story.ring.ask("GET", "/audit?action=delete")
    assert {one["target_type"] for one in entries} == {"instance", "network", "directory"}
