"""Secrets and configs as their users have them: waited for, mounted, renewed, gone."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.contract.outside import missing
from tests.e2e.both import ON_ALL, ON_BOTH
from tests.e2e.guarded import PASSWORD, USER, GuardedRegistry
from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Tell
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

VALUE = "$HOME is not expanded 'canary'"
KEY = {"type": "secret", "source": "key", "destination": "/run/keys/signing"}
NOBODY = 65534
MAIN = {"type": "config", "source": "settings", "key": "main", "destination": "/etc/app/main.ini"}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[GuardedRegistry]:
    folder = tmp_path / "registry"
    folder.mkdir()
    with closing(GuardedRegistry(folder)) as one:
        yield one


def kept(story: Story) -> Path:
    """Where the deployments' files are."""
    return story.ring.home / "run" / "configs"


def test_a_deployment_waits_for_its_secret(tell: Tell) -> None:
    story = tell(interval_s=1)
    story.applied(story.worker(environment={"DB": {"secretRef": "db"}}))
    wait_until(lambda: story.told("secret_resolution_error"), 10, "the missing secret is told")
    settled = time.monotonic() + 3
    wait_until(lambda: time.monotonic() > settled, 5, "three ticks have gone by")
    row = story.row()
    assert (row["status"], row["restart_count"], story.created()) == ("creating", 0, 0)
    (event,) = story.told("secret_resolution_error")
    assert (event.level, event.component) == ("error", "scheduler")
    assert event.message == f"Secret 'db' not found in namespace '{story.namespace}'"

    story.secret("db", VALUE)
    (container,) = story.wait_whole(1)
    code, output = story.docker.run(container.id, "sh", "-c", 'printf %s "$DB"')
    assert (code, output) == (0, VALUE)
    assert len(story.told("secret_resolution_error")) == 1


def test_a_secret_that_is_written_is_used_at_once(story: Story) -> None:
    """The interval is ten seconds."""
    story.applied(story.worker(environment={"DB": {"secretRef": "db"}}))
    wait_until(lambda: story.told("secret_resolution_error"), 10, "the missing secret is told")
    began = time.monotonic()
    story.secret("db", VALUE)
    wait_until(lambda: story.created() == 1, 8, "its container is made")
    assert time.monotonic() - began < 8
    story.wait_whole(1)


@ON_ALL
def test_files_can_be_read_by_anybody_inside_and_written_by_nobody(
    story: Story, tmp_path: Path
) -> None:
    story.secret("key", VALUE)
    story.config("settings", main="port = 1\n", other="x")
    story.applied(story.worker(volumes=[KEY, MAIN], replicas=2))
    for container in story.wait_whole(2):
        for path, content in (("/run/keys/signing", VALUE), ("/etc/app/main.ini", "port = 1\n")):
            read = story.docker.run(container.id, "cat", path, user="1000:1000")
            assert read == (0, content)
            for user in ("", "1000:1000"):
                code, _ = story.docker.run(container.id, "sh", "-c", f"echo >{path}", user=user)
                assert code != 0
    directory = kept(story) / story.row()["id"]
    assert [stat.S_IMODE(one.stat().st_mode) for one in (kept(story), directory)] == [0o700] * 2
    files = [one for one in directory.iterdir() if not one.name.startswith(".server-")]
    assert len(files) == 2, "the replicas share them"
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o444}
    for file in files:
        # However far another user of this host may have come: each of the two stops them.
        for place in (kept(story), directory):
            assert "Permission denied" in _read_by_another_user(place, file)
        assert _read_by_another_user(tmp_path, _copied(file, tmp_path / "copy")) == ""

    story.ring.run("deployment", "delete", f"{story.namespace}/web")
    story.wait_gone()
    wait_until(lambda: not list(kept(story).iterdir()), 5, "the directory is gone")


def _read_by_another_user(place: Path, file: Path) -> str:
    """What a user without rights is told who is in this place already; empty: they can."""
    if os.geteuid() != 0:
        missing("another user has to be taken on: run as root")
    entered = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return subprocess.run(
            ["cat", f"/proc/self/fd/{entered}/{file.relative_to(place)}"],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            pass_fds=[entered],
            capture_output=True,
            text=True,
            check=False,
        ).stderr
    finally:
        os.close(entered)


def _copied(file: Path, folder: Path) -> Path:
    """With the same mode, in a place that lets everybody in."""
    folder.mkdir(exist_ok=True)
    folder.parent.chmod(0o755)
    folder.chmod(0o755)
    return Path(shutil.copy(file, folder))


@ON_BOTH
def test_files_are_renewed_on_recreation_and_go_with_the_deployment(story: Story) -> None:
    secret = story.secret("key", "first")
    story.applied(story.worker(volumes=[KEY]))
    (container,) = story.wait_whole(1)
    row = story.row()["id"]
    assert story.ring.ask("PUT", f"/secrets/{secret}", {"value": "second"})[0] == 200
    assert story.docker.run(container.id, "cat", "/run/keys/signing") == (0, "first")
    story.docker.remove(container.id)
    wait_until(lambda: story.created() == 2, 10, "another one is made")
    (renewed,) = story.wait_whole(1)
    assert story.docker.run(renewed.id, "cat", "/run/keys/signing") == (0, "second")
    assert [one.name for one in kept(story).iterdir()] == [row]
    story.ring.run("deployment", "delete", f"{story.namespace}/web")
    story.wait_gone()
    wait_until(lambda: not list(kept(story).iterdir()), 5, "its files are gone")


def test_a_missing_config_or_key_shows(story: Story) -> None:
    story.applied(story.worker(volumes=[MAIN]))
    assert story.wait_for("config_error")["restart_count"] == 0
    made = story.config("settings", other="x")
    where = f"in namespace '{story.namespace}'"
    told = [
        f"Config 'settings' not found {where}",
        f"Key 'main' not found in config 'settings' {where}",
    ]
    wait_until(
        lambda: [e.message for e in story.told("volume_resolution_error")] == told,
        5,
        "the missing key is told",
    )
    body = {"name": "settings", "data": '{"main": "x"}', "labels": ""}
    assert story.ring.ask("PUT", f"/configs/{made}", body)[0] == 200
    story.wait_whole(1, within_s=5)


def test_a_secret_that_goes_takes_nothing_with_it(story: Story) -> None:
    secret = story.secret("db", VALUE)
    story.applied(story.worker(environment={"DB": {"secretRef": "db"}}))
    before = story.wait_whole(1)
    assert story.ring.ask("DELETE", f"/secrets/{secret}")[0] == 200
    assert story.wait_whole(1) == before
    story.ring.run("deployment", "delete", f"{story.namespace}/web")
    story.wait_gone()


def test_named_volumes_are_registered(story: Story) -> None:
    name = f"{story.namespace}-data"
    volume = {"type": "volume", "source": name, "destination": "/data"}
    story.applied(story.worker(volumes=[volume]))
    story.wait_whole(1)
    _, listed = story.ring.ask("GET", f"/volumes?namespace={story.namespace}")
    assert [(one["name"], one["backend_type"], one["host_path"]) for one in listed] == [
        (name, "local", name)
    ]


# registries


@ON_ALL
def test_a_login_in_the_manifest_or_a_pull_secret_lets_in(
    story: Story, guarded: GuardedRegistry
) -> None:
    image = guarded.hold(story.docker, story.image, f"{story.namespace}/app")
    inline = {"username": USER, "password": PASSWORD}
    story.applied(story.worker("inline", image=image, config=inline))
    story.wait_whole(1, "inline")
    story.secret("hub", guarded.document())
    story.applied(story.worker("secret", image=image, config={"image_pull_secret": "hub"}))
    story.wait_whole(1, "secret")
    row = story.row("inline")
    assert row["config"]["password"] == "***"
    again = story.apply(story.worker("inline", image=image, config=inline))
    assert "unchanged" in again.out
    other = story.apply(story.worker("inline", image=image, config={**inline, "password": "no"}))
    assert "unchanged" not in other.out


@ON_ALL
def test_a_login_that_is_refused_is_named_by_where_it_stands(
    story: Story, guarded: GuardedRegistry
) -> None:
    image = guarded.hold(story.docker, story.image, f"{story.namespace}/app")
    story.secret("hub", guarded.document("wrong-canary"))
    logins: dict[str, dict[str, str]] = {
        "anonymous": {},
        "inline": {"username": USER, "password": "wrong-canary"},
        "secret": {"image_pull_secret": "hub"},
    }
    for name, config in logins.items():
        story.applied(story.worker(name, image=image, config=config))
        story.wait_for("image_pull_back_off", name)
        message = story.told("image_pull_back_off", name)[0].message
        assert f"registry authentication failed for '{image}'" in message
        assert ("image_pull_secret 'hub'" if name == "secret" else "config.password") in message
        assert "canary" not in message


@ON_BOTH
def test_a_missing_pull_secret_is_waited_for(story: Story, guarded: GuardedRegistry) -> None:
    image = guarded.hold(story.docker, story.image, f"{story.namespace}/app")
    story.applied(story.worker(image=image, config={"image_pull_secret": "nope"}))
    reason = "image_pull_secret_resolution_error"
    wait_until(lambda: story.told(reason), 10, "the missing secret is told")
    (event,) = story.told(reason)
    assert event.message == f"image_pull_secret 'nope' not found in namespace '{story.namespace}'"
    assert story.row()["status"] == "creating"
    story.secret("nope", guarded.document())
    story.wait_whole(1, within_s=10)
