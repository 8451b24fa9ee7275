"""Registries that have no such image, are down, or break off; and images that cannot be run."""

from __future__ import annotations

import io
import os
import re
import tarfile
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from scripts import engines
from tests.contract.outside import required
from tests.e2e.both import ON_ALL, ON_BOTH
from tests.e2e.polling import wait_until
from tests.e2e.registry import Mode, RegistryProxy
from tests.e2e.ring import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Tell
    from tests.e2e.outside import Container
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

ALWAYS = {"image_pull_policy": "Always"}
LAYER_BYTES = 4 * 1024 * 1024


@pytest.fixture
def registry() -> str:
    return required("RING_TEST_REGISTRY", "a registry")


@pytest.fixture
def way(registry: str) -> Iterator[RegistryProxy]:
    """The engine's only way to the registry; open."""
    with closing(RegistryProxy(registry, free_port())) as one:
        one.open()
        yield one


def _image(program: bytes, size: int = 0) -> bytes:
    """A layer with one program, and as much that cannot be compressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in {"busybox": program, "ballast": os.urandom(size)}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _pushed(story: Story, registry: str, way: RegistryProxy, change: str = "") -> str:
    """A large image that is in the registry and not here; its reference, by way of the proxy."""
    tag = f"{registry}/{story.namespace}/big:1"
    content = _image(engines.busybox().read_bytes(), LAYER_BYTES)
    builder = story.docker.builder
    image_id = builder.import_image(tag, content, change)
    engines.push(builder.host, tag, tag)
    builder.remove_images([image_id])
    return f"{way.address}/{story.namespace}/big:1"


def _sleeper(story: Story, image: str, name: str = "web", **fields: object) -> dict[str, object]:
    return story.worker(name, image=image, command=["/busybox", "sleep", "3600"], **fields)


@ON_ALL
def test_an_image_that_a_live_registry_does_not_have_is_final(story: Story, registry: str) -> None:
    image = f"{registry}/{story.namespace}/absent:1"
    story.applied(story.worker(image=image))
    row = story.wait_for("image_pull_back_off")
    assert row["restart_count"] == 0
    (event,) = [one for one in story.events() if one.level == "error"]
    assert event.reason == "image_pull_back_off"
    assert f"Image '{image}' not found" in event.message
    assert story.created() == 0

    story.docker.push(story.image, image)
    shown = story.ring.read("deployment", "inspect", f"{story.namespace}/web")
    assert shown["status"] == "image_pull_back_off", "final: only another apply tries again"
    story.applied(story.worker(image=image), flags=("--redeploy",))
    story.wait_whole(1)


@ON_BOTH
def test_a_registry_that_comes_back_is_asked_again(
    story: Story, registry: str, way: RegistryProxy
) -> None:
    image = _pushed(story, registry, way)
    way.close()
    story.applied(_sleeper(story, image))
    story.wait_for("image_pull_back_off")
    wait_until(lambda: story.row()["restart_count"] >= 2, 20, "it has failed twice")
    assert story.containers() == []
    way.open()
    story.wait_whole(1)
    failures = story.told("image_pull_back_off")
    assert len(failures) == story.row()["restart_count"] <= 4
    assert all(f"cannot reach the registry for '{image}'" in one.message for one in failures)
    assert all("not found" not in one.message for one in failures)
    assert story.created() == 1
    wait_until(lambda: story.row()["restart_count"] == 0, 30, "it is forgotten")


@ON_ALL
def test_a_pull_that_is_cut_in_a_layer_is_told_and_tried_again(
    story: Story, registry: str, way: RegistryProxy
) -> None:
    image = _pushed(story, registry, way)
    way.set(Mode.CUT)
    story.applied(_sleeper(story, image, replicas=2))
    story.wait_for("image_pull_back_off")
    assert way.interrupted >= 1
    way.set(Mode.OPEN)
    story.wait_whole(2)
    failures = story.told("image_pull_back_off")
    assert len(failures) == story.row()["restart_count"] <= 4
    for one in failures:
        assert one.level == "error"
        assert f"Failed to pull image '{image}'" in one.message
        assert "the registry broke it off" in one.message
    assert story.created() == 2


@ON_ALL
def test_a_crash_needs_no_registry_and_a_moved_tag_is_for_the_next_row(
    story: Story, registry: str, way: RegistryProxy
) -> None:
    image = _pushed(story, registry, way)
    manifest = _sleeper(story, image, config=ALWAYS)
    story.applied(manifest)
    (first,) = story.wait_whole(1)
    digest = story.row()["image_digest"]
    way.close()
    assert _healed(story, first).image_id == first.image_id

    way.open()
    assert _pushed(story, registry, way) == image
    (second,) = story.containers()
    assert _healed(story, second).image_id == first.image_id
    assert story.row()["image_digest"] == digest
    assert story.told("image_pull_back_off") == []

    story.applied(manifest, flags=("--redeploy",))
    (renewed,) = story.wait_whole(1)
    moved = story.row()["image_digest"]
    assert moved != digest
    assert renewed.image_id != first.image_id

    # a digest that is here is asked of nobody
    way.close()
    exact = f"{image.rpartition(':')[0]}@{moved}"
    story.applied(_sleeper(story, exact, "exact", config=ALWAYS))
    (container,) = story.wait_whole(1, "exact")
    assert container.image_id == renewed.image_id
    assert story.row("exact")["image_digest"] == moved


def _healed(story: Story, container: Container) -> Container:
    """The one in place of it once it has crashed."""
    made = story.created()
    story.crash(container.id)
    wait_until(lambda: story.created() == made + 1, 20, "it is healed", story.account)
    (healed,) = story.wait_whole(1)
    return healed


def test_a_pull_that_stalls_is_given_up_and_delays_no_other(
    tell: Tell, registry: str, way: RegistryProxy
) -> None:
    story = tell(environment={"RING_APPLY_TIMEOUT": "5"})
    image = _pushed(story, registry, way)
    way.set(Mode.STALL)
    story.applied(_sleeper(story, image))
    wait_until(lambda: way.interrupted >= 1, 15, "a layer stalls")
    story.applied(story.worker("other"))
    story.wait_whole(1, "other", within_s=15)
    wait_until(lambda: story.told("apply_timeout"), 15, "it is given up", story.account)
    assert story.status() == "creating"
    way.set(Mode.OPEN)
    story.wait_whole(1)
    (*_, last) = story.told("apply_timeout")
    assert "5 seconds" in last.message
    assert len(story.told("apply_timeout")) == story.row()["restart_count"]
    assert story.told("image_pull_back_off") == []
    assert story.row("other")["restart_count"] == 0


@ON_ALL
def test_a_server_that_is_killed_in_a_pull_pulls_again(
    story: Story, registry: str, way: RegistryProxy
) -> None:
    image = _pushed(story, registry, way)
    way.set(Mode.STALL)
    story.applied(_sleeper(story, image, replicas=2))
    wait_until(lambda: way.interrupted >= 1, 15, "a layer stalls")
    wait_until(lambda: story.told("image_pulling"), 15, "it is told", story.account)
    told = story.told("image_pulling")[0]
    assert (told.level, told.component) == ("info", story.runtime)
    assert f"Pulling image '{image}': 0 of 1 layers" in told.message
    has_sizes = re.search(r"layers, \d\.\d of [45]\.\d MiB$", told.message) is not None
    assert has_sizes is story.docker.tells_layer_sizes
    assert told.message in story.ring.run("deployment", "why", f"{story.namespace}/web").out
    story.ring.kill()
    way.set(Mode.OPEN)
    story.ring.start()
    story.wait_whole(2)
    assert story.row()["restart_count"] == 0
    assert story.created() == 2
    assert [one for one in story.events() if one.level == "error"] == []


@ON_BOTH
@pytest.mark.parametrize(
    ("command", "why"),
    [
        pytest.param(["sh", "-c", "sleep 3600"], '"sh": executable file not found', id="no-shell"),
        pytest.param(None, None, id="no-command"),
    ],
)
def test_an_image_that_cannot_be_started_says_why(
    tell: Tell, command: list[str] | None, why: str | None
) -> None:
    story = tell(environment={"RING_CRASH_LOOP_RETRY": "never"})
    tag = f"{story.namespace}/bare:1"
    image_id = story.docker.import_image(tag, _image(engines.busybox().read_bytes()))
    manifest = story.worker(image=tag)
    del manifest["command"]
    if command is not None:
        manifest["command"] = command
    try:
        story.applied(manifest)
        story.wait_for("create_container_error")
        story.wait_for("crash_loop_back_off", within_s=40)
        wait_until(lambda: not story.containers(), 15, "no container is left")
        failures = story.told("instance_creation_failed")
        assert len(failures) == story.row()["restart_count"] == 5
        said = re.compile(why or story.docker.no_command)
        assert [one.message for one in failures if not said.search(one.message)] == []
        assert len(story.told("restart_limit_reached")) == 1
        assert story.told("scale_up") == []
    finally:
        story.ring.kill()
        story.docker.clean(story.namespace)
        story.docker.remove_images([image_id])


@pytest.mark.parametrize(
    ("code", "status", "failures"), [(0, "completed", 0), (1, "crash_loop_back_off", 5)]
)
def test_an_image_whose_own_command_ends_at_once(
    tell: Tell, code: int, status: str, failures: int
) -> None:
    story = tell(environment={"RING_CRASH_LOOP_RETRY": "never"})
    tag = f"{story.namespace}/short:1"
    content = _image(engines.busybox().read_bytes())
    change = f'CMD ["/busybox", "sh", "-c", "exit {code}"]'
    image_id = story.docker.import_image(tag, content, change)
    manifest = story.worker(image=tag)
    del manifest["command"]
    try:
        story.applied(manifest)
        story.wait_for(status, within_s=40)
        wait_until(lambda: not story.containers(), 15, "no container is left")
        assert story.row()["restart_count"] == failures
        assert len(story.told("container_crashed")) == failures
        assert len(story.told("container_completed")) == (0 if failures else 1)
        assert story.created() == max(failures, 1)
        assert story.told("state_transition") == [], "it was never seen running"
    finally:
        story.ring.kill()
        story.docker.clean(story.namespace)
        story.docker.remove_images([image_id])
