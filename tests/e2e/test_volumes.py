"""Mounts: host folders, and volumes that outlive their deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ALL
from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.story import Story


pytestmark = pytest.mark.engine


@ON_ALL
def test_a_read_only_folder_can_be_read_and_not_written(story: Story, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "word").write_text("kept")
    story.applied(story.worker(volumes=[_bind(folder, "ro")]))
    (container,) = story.wait_whole(1)
    assert story.docker.run(container.id, "cat", "/data/word") == (0, "kept")
    code, output = story.docker.run(container.id, "sh", "-c", "echo lost >/data/word")
    assert code != 0
    assert "Read-only file system" in output
    assert (folder / "word").read_text() == "kept"


def test_a_writable_folder_is_the_hosts(story: Story, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    story.applied(story.worker(volumes=[_bind(folder, "rw")]))
    (container,) = story.wait_whole(1)
    assert story.docker.run(container.id, "sh", "-c", "echo told >/data/word") == (0, "")
    assert (folder / "word").read_text() == "told\n"


def test_a_folder_that_is_not_there_is_named(story: Story, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    story.applied(story.worker(volumes=[_bind(missing, "ro")]))
    story.wait_for("create_container_error")
    assert f"{missing}" in story.told("instance_creation_failed")[0].message
    assert not missing.exists()
    missing.mkdir()
    story.wait_whole(1)


@ON_ALL
def test_a_named_volume_and_its_data_survive_the_deployment(story: Story) -> None:
    volume = f"{story.namespace}-data"
    manifest = story.worker(volumes=[_named(volume)])
    story.applied(manifest)
    (first,) = story.wait_whole(1)
    assert story.docker.run(first.id, "sh", "-c", "echo kept >/data/word") == (0, "")
    story.ring.run("deployment", "delete", f"{story.namespace}/web")
    story.wait_gone()
    (found,) = story.docker.volumes(story.namespace)
    assert found["Name"] == volume
    assert found["Labels"] == {
        "ring.managed": "true",
        "ring.namespace": story.namespace,
        "ring.deployment": "web",
        "ring.name": "web",
        "ring.server": first.labels["ring.server"],
    }
    story.applied(manifest)
    (second,) = story.wait_whole(1)
    assert story.docker.run(second.id, "cat", "/data/word") == (0, "kept\n")


def test_a_volume_of_another_namespace_is_refused_until_it_is_gone(
    story: Story, neighbour: Story
) -> None:
    volume = f"{story.namespace}-data"
    story.applied(story.worker(volumes=[_named(volume)]))
    story.wait_whole(1)
    neighbour.applied(neighbour.worker(volumes=[_named(volume)]))
    row = neighbour.wait_for("config_error")
    assert row["restart_count"] == 0
    assert neighbour.containers() == []
    (event,) = neighbour.told("config_error")
    assert event.message == (
        f"Volume '{volume}' belongs to namespace '{story.namespace}'; choose another name "
        "(tried again every 10 s)"
    )

    story.ring.run("deployment", "delete", f"{story.namespace}/web")
    story.wait_gone()
    assert neighbour.status() == "config_error"
    story.docker.remove_volume(volume)
    neighbour.wait_whole(1, within_s=25)
    assert neighbour.row()["id"] == row["id"]
    assert neighbour.row()["restart_count"] == 0
    assert len(neighbour.docker.volumes(neighbour.namespace)) == 1


@ON_ALL
def test_an_anonymous_volume_goes_with_its_instance_whoever_removes_it(story: Story) -> None:
    image = f"ring-test/volume:{story.namespace}"
    made = story.docker.asking_for_a_volume(story.image, image, "/data")
    try:
        story.applied(story.worker(image=image))
        (first,) = story.wait_whole(1)
        volume = _anonymous(story, first.id)
        # As `docker rm -f` does it: the volume stays.
        story.docker.remove(first.id, volumes=False)
        wait_until(lambda: not story.docker.has_volume(volume), 10, "its volume is gone")
        (second,) = story.wait_whole(1)
        volume = _anonymous(story, second.id)
        story.ring.run("deployment", "delete", f"{story.namespace}/web")
        story.wait_gone()
        assert not story.docker.has_volume(volume)
    finally:
        story.docker.remove_images([made])


def _anonymous(story: Story, container_id: str) -> str:
    (volume,) = story.docker.anonymous_volumes(container_id)
    assert story.docker.has_volume(volume)
    return volume


def _bind(folder: Path, permission: str) -> dict[str, str]:
    return {
        "type": "bind",
        "source": f"{folder}",
        "destination": "/data",
        "permission": permission,
    }


def _named(volume: str) -> dict[str, str]:
    return {"type": "volume", "source": volume, "destination": "/data", "permission": "rw"}
