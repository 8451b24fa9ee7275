"""Pulling with the registry logins of the server's host, and all that may be wrong with them."""

from __future__ import annotations

import base64
import json
import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ALL, ON_BOTH
from tests.e2e.guarded import PASSWORD, USER, GuardedRegistry
from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import Tell
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

HOST = {"use_host_auth": True}
WRONG = "canary-wrong-host"
DOWN = "127.0.0.1:1"
CANARIES = (
    PASSWORD,
    WRONG,
    *(
        base64.b64encode(f"{USER}:{word}".encode()).decode().rstrip("=")
        for word in (PASSWORD, WRONG)
    ),
)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[GuardedRegistry]:
    folder = tmp_path / "registry"
    folder.mkdir()
    with closing(GuardedRegistry(folder)) as one:
        yield one


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Credential helpers: `keeps` writes down what it is asked, `hangs` says nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    kept = json.dumps({"ServerURL": "", "Username": USER, "Secret": PASSWORD})
    answer = f"echo \"$@: $(cat)\" >>{folder}/asked\necho '{kept}'\n"
    for name, text in {"keeps": answer, "hangs": "sleep 600 & wait\n"}.items():
        program = folder / f"docker-credential-{name}"
        program.write_text(f"#!/bin/sh\n{text}")
        program.chmod(0o755)
    return folder


@pytest.fixture
def story(tell: Tell, programs: Path) -> Story:
    path = f"{programs}:{os.environ.get('PATH', os.defpath)}"
    return tell(environment={"PATH": path, "RING_LOG": "debug"})


def log_in(story: Story, **document: object) -> None:
    """On the host, as the server's user."""
    folder = story.ring.home / ".docker"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(document))


def allow(story: Story) -> None:
    """The operator's half of it."""
    assert story.ring.stop() == 0
    config = story.ring.home / "config.toml"
    table = f"[server.runtime.{story.runtime}]\n"
    config.write_text(config.read_text().replace(table, f"{table}use_host_registry_auth = true\n"))
    story.ring.start()


def entry(password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{USER}:{password}".encode()).decode()}


@ON_ALL
def test_a_login_of_the_host_needs_both_to_agree(
    story: Story, guarded: GuardedRegistry, programs: Path
) -> None:
    image = guarded.hold(story.docker, story.image, f"{story.namespace}/app")
    log_in(story, auths={guarded.address: entry(PASSWORD)})
    story.applied(story.worker(image=image, config=HOST))
    row = story.wait_for("image_pull_back_off")
    assert row["config"]["use_host_auth"] is True
    told = story.told("image_pull_back_off")[0]
    assert (told.level, told.component) == ("error", story.runtime)
    assert told.message.startswith(f"Failed to pull image '{image}': ")
    assert "not authorized" in told.message
    assert "use_host_registry_auth" in told.message
    assert story.created() == 0

    allow(story)
    before = len(story.told("image_pull_back_off"))
    story.wait_whole(1)
    log_in(story, credHelpers={guarded.address: "keeps"})
    story.applied(story.worker("helped", image=image, config=HOST))
    story.wait_whole(1, "helped")
    log_in(story, credsStore="keeps")
    story.applied(story.worker("stored", image=image, config=HOST))
    story.wait_whole(1, "stored")
    asked = (programs / "asked").read_text().splitlines()
    assert set(asked) == {f"get: {guarded.address}"}
    assert len(asked) >= 2
    assert len(story.told("image_pull_back_off")) == before
    assert story.told("image_pull_back_off", "helped") == []
    assert story.told("image_pull_back_off", "stored") == []

    guarded.close()
    (story.ring.home / ".docker" / "config.json").unlink()
    (container,) = story.containers("stored")
    story.crash(container.id)
    wait_until(lambda: story.created("stored") == 2, 10, "it is healed without login and registry")
    story.wait_whole(1, "stored")
    look_through(story)


@ON_BOTH
def test_a_login_of_the_host_that_does_not_help_says_why(
    story: Story, guarded: GuardedRegistry
) -> None:
    image = guarded.hold(story.docker, story.image, f"{story.namespace}/app")
    path = image.partition("/")[2]
    other = f"localhost:{guarded.address.rpartition(':')[2]}"
    log_in(
        story,
        auths={guarded.address: entry(PASSWORD), other: entry(WRONG), DOWN: entry(WRONG)},
        credHelpers={"hangs.example": "hangs", "missing.example": "nowhere"},
    )
    allow(story)
    images = {
        "hangs": "hangs.example/x:1",
        "missing": "missing.example/x:1",
        "unknown": "unknown.example/x:1",
        "wrong": f"{other}/{path}",
        "down": f"{DOWN}/x/y:1",
        "absent": f"{guarded.address}/{path.partition(':')[0]}-absent:1",
    }
    story.applied(*(story.worker(name, image=shown, config=HOST) for name, shown in images.items()))
    told = {name: failure(story, name) for name in images if name != "hangs"}
    assert "docker-credential-nowhere is not in the PATH" in told["missing"]
    assert "no host credential for the registry 'unknown.example'" in told["unknown"]
    assert f"registry authentication failed for '{other}/{path}'" in told["wrong"]
    assert "check use_host_auth" in told["wrong"]
    assert f"cannot reach the registry for '{images['down']}'" in told["down"]
    assert told["absent"].startswith(f"Image '{images['absent']}' not found: ")
    assert story.row("absent")["restart_count"] == 0

    log_in(story, auths=["damaged"])
    story.applied(story.worker("damaged", image=image, config=HOST))
    told["damaged"] = failure(story, "damaged")
    (story.ring.home / ".docker" / "config.json").unlink()
    story.applied(story.worker("gone", image=image, config=HOST))
    told["gone"] = failure(story, "gone")
    for name in ("damaged", "gone"):
        assert f"{story.ring.home}/.docker/config.json" in told[name]
        assert "host_registry_config" in told[name]
    told["hangs"] = failure(story, "hangs")
    assert "docker-credential-hangs gave no answer within 10 s" in told["hangs"]
    for name, message in told.items():
        assert images.get(name, image) in message
        assert "not authorized" not in message
        assert ("no host credential" in message) is (name == "unknown")
        assert ("not found" in message) is (name == "absent")
    assert story.containers() == []
    look_through(story)


def failure(story: Story, name: str) -> str:
    """The first thing said about its pull."""
    wait_until(
        lambda: story.told("image_pull_back_off", name),
        30,
        f"{name} fails",
        lambda: story.account(name),
    )
    told = story.told("image_pull_back_off", name)[0]
    assert (told.level, told.component) == ("error", story.runtime)
    assert story.status(name) in {"image_pull_back_off", "crash_loop_back_off"}
    return told.message


def look_through(story: Story) -> None:
    """No canary in an answer of the server, its log or its database."""
    said = [json.dumps(story.ring.ask("GET", f"/deployments?namespace={story.namespace}")[1])]
    said += [
        json.dumps(story.ring.ask("GET", f"/deployments/{row['id']}/events?limit=1000")[1])
        for row in json.loads(said[0])
    ]
    for folder, _, names in os.walk(story.ring.home):
        if not folder.endswith("/.docker"):
            paths = [story.ring.home / folder / name for name in names]
            said += [path.read_bytes().decode("latin-1") for path in paths if path.is_file()]
    assert len(said) > 5
    assert "DEBUG" in story.ring.log.read_text()
    assert [canary for canary in CANARIES for text in said if canary in text] == []
