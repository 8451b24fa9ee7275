"""Values that must not be found anywhere: a server with secrets goes through everything that can
fail, and then all that it wrote, said or holds open to others is looked through."""

from __future__ import annotations

import base64
import json
import os
import stat
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e import receivers
from tests.e2e.both import ON_ALL
from tests.e2e.guarded import PASSWORD, USER, GuardedRegistry
from tests.e2e.polling import wait_until
from tests.e2e.receivers import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Tell
    from tests.e2e.outside import Docker
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

IN_ENVIRONMENT = "canary-env-5c1e7d\nsecond canary line"
IN_FILE = "canary-file-9b20aa"
RENEWED = "canary-renewed-41d0f3"
WRONG = "canary-wrong-e77c21"
IN_PULL_SECRET = "canary-pull-08be5d"
OF_WEBHOOK = "canary-hook-63fa18"
KEY = {"type": "secret", "source": "key", "destination": "/run/key"}
ENVIRONMENT = {"DB": {"secretRef": "db"}}

CANARIES = (
    *IN_ENVIRONMENT.splitlines(),
    IN_FILE,
    RENEWED,
    WRONG,
    IN_PULL_SECRET,
    OF_WEBHOOK,
    PASSWORD,
    # as a login has it, and as it goes to the engine
    *(
        base64.b64encode(text.encode()).decode().rstrip("=")
        for word in (PASSWORD, WRONG, IN_PULL_SECRET)
        for text in (f"{USER}:{word}", json.dumps({"username": USER, "password": word})[:-1])
    ),
)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[GuardedRegistry]:
    folder = tmp_path / "registry"
    folder.mkdir()
    with closing(GuardedRegistry(folder)) as one:
        yield one


@pytest.fixture
def receiver(docker: Docker) -> Iterator[Receiver]:
    with receivers.address(docker) as address, closing(Receiver(address)) as one:
        yield one


def found(text: str | bytes) -> list[str]:
    """The canaries in it."""
    content = text.encode() if isinstance(text, str) else text
    return [canary for canary in CANARIES if canary.encode() in content]


@ON_ALL
def test_no_secret_is_found_anywhere(
    tell: Tell, guarded: GuardedRegistry, receiver: Receiver
) -> None:
    story = tell(interval_s=1, environment={"RING_LOG": "debug"})
    said: list[str] = []
    receiver.statuses["/fails"] = [500, 500, 500]
    for path in ("/takes", "/fails"):
        hook = {"url": receiver.url(path), "secret": OF_WEBHOOK}
        assert story.ring.ask("POST", "/webhooks", hook)[0] == 201
    image = guarded.hold(story.docker, story.image, f"{story.namespace}/app")
    key = _told_the_server(story, guarded)
    _apply_everything(story, image, said)
    _see_it_fail(story)
    _restart(story)
    assert story.ring.ask("PUT", f"/secrets/{key}", {"value": RENEWED})[0] == 200
    before = story.created("whole")
    story.crash(story.docker.running(story.namespace, "whole")[0].id)
    wait_until(lambda: story.created("whole") == before + 1, 20, "it is made anew")
    story.wait_whole(1, "whole")
    wait_until(lambda: len({one.path for one in receiver.got}) == 2, 20, "the webhooks are told")
    assert [found(one.body) for one in receiver.got if found(one.body)] == []

    _look_through_answers(story, said)
    assert [found(text) for text in said if found(text)] == []
    _look_through_processes(story)
    _look_through_files(story)
    assert story.ring.stop() == 0
    _look_through_files(story)


def _told_the_server(story: Story, guarded: GuardedRegistry) -> str:
    """All the secrets; the id of the one that is mounted."""
    story.secret("db", IN_ENVIRONMENT)
    story.secret("hub", guarded.document())
    story.secret("hub-wrong", guarded.document(IN_PULL_SECRET))
    story.secret("hub-damaged", IN_PULL_SECRET)
    return story.secret("key", IN_FILE)


def _apply_everything(story: Story, image: str, said: list[str]) -> None:
    uses = {"environment": ENVIRONMENT, "volumes": [KEY]}
    right = {"username": USER, "password": PASSWORD}
    wrong = {"username": USER, "password": WRONG}
    nowhere = {"type": "bind", "source": "/nowhere/at/all", "destination": "/data"}
    bodies = (
        story.worker("whole", image=image, config=right, **uses),
        story.worker("pulled", image=image, config={"image_pull_secret": "hub"}, **uses),
        story.worker("refused", image=image, config=wrong, **uses),
        story.worker("denied", image=image, config={"image_pull_secret": "hub-wrong"}, **uses),
        story.worker("damaged", image=image, config={"image_pull_secret": "hub-damaged"}),
        story.worker("absent", image=f"{image}-absent", config=right, **uses),
        story.worker("rejected", environment=ENVIRONMENT, volumes=[KEY, nowhere]),
        story.worker("unknown", command=["/no/such/binary"], **uses),
        story.worker("loop", command=["sh", "-c", "exit 1"], **uses),
        story.worker("waiting", environment={**ENVIRONMENT, "NO": {"secretRef": "nope"}}),
    )
    manifest = json.dumps({"deployments": {str(one["name"]): one for one in bodies}})
    for flags in (("--dry-run", "--verbose"), (), ("--redeploy",)):
        answer = story.ring.run("apply", "-f", "-", *flags, stdin=manifest)
        said += [answer.out, answer.err]


def _see_it_fail(story: Story) -> None:
    for name in ("whole", "pulled"):
        story.wait_whole(1, name, within_s=60)
    for name, reason in {
        "refused": "image_pull_back_off",
        "denied": "image_pull_back_off",
        "damaged": "image_pull_secret_resolution_error",
        "absent": "image_pull_back_off",
        "rejected": "instance_creation_failed",
        "unknown": "instance_creation_failed",
        "loop": "container_crashed",
        "waiting": "secret_resolution_error",
    }.items():
        wait_until(lambda: story.told(reason, name), 30, f"{name} fails")  # noqa: B023 - used up here
    assert (
        "registry authentication failed" in story.told("image_pull_back_off", "refused")[0].message
    )


def _restart(story: Story) -> None:
    """Killed once, and ended in order once."""
    story.ring.kill()
    story.ring.start()
    assert story.ring.stop() == 0
    story.ring.start()
    until = time.monotonic() + 2
    wait_until(lambda: time.monotonic() > until, 5, "two ticks have gone by")


def _look_through_answers(story: Story, said: list[str]) -> None:
    """What the API and the command line say of everything."""
    _, rows = story.ring.ask("GET", f"/deployments?namespace={story.namespace}&instances=true")
    assert len(rows) >= 10
    paths = ["/secrets", "/configs", "/volumes", "/deployments", "/namespaces"]
    paths += [f"/namespaces/{story.namespace}/audit", "/audit?limit=1000", "/webhooks", "/tokens"]
    _, hooks = story.ring.ask("GET", "/webhooks")
    paths += [f"/webhooks/{hook['id']}/events?limit=200" for hook in hooks]
    for row in rows:
        paths += [f"/deployments/{row['id']}", f"/deployments/{row['id']}/events?limit=1000"]
    said += [json.dumps(story.ring.ask("GET", path)[1]) for path in paths]
    for args in (
        ("deployment", "list"),
        ("secret", "list"),
        *(("deployment", verb, f"{story.namespace}/{row['name']}") for verb in ("inspect", "events")
          for row in rows if row["status"] != "deleted"),
    ):  # fmt: skip
        for flags in ((), ("-o", "json")):
            answer = story.ring.run(*args, *flags)
            said += [answer.out, answer.err]


def _look_through_processes(story: Story) -> None:
    """What everybody's `ps` shows, and what the server was started with."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        assert found(line) == [], line
    assert found(Path(f"/proc/{story.ring.pid}/environ").read_bytes()) == []
    status = Path(f"/proc/{story.ring.pid}/limits").read_text()
    (core,) = [line.split() for line in status.splitlines() if line.startswith("Max core file")]
    assert core[4:6] == ["0", "0"]


def _look_through_files(story: Story) -> None:
    """Database, log, output and all: a canary is only in the file that is mounted with it."""
    mounted = story.ring.home / "run" / "configs"
    seen = 0
    for folder, _, names in os.walk(story.ring.home):
        for path in (Path(folder) / name for name in names):
            if not stat.S_ISREG(path.lstat().st_mode):  # what instances write through
                continue
            seen += 1
            if path.is_relative_to(mounted):
                assert set(found(path.read_bytes())) <= {IN_FILE, RENEWED}
                assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
                is_mounted = not path.name.startswith(".server-")
                assert stat.S_IMODE(path.stat().st_mode) == (0o444 if is_mounted else 0o400)
            else:
                assert found(path.read_bytes()) == [], path
    assert seen > 5
    assert stat.S_IMODE(mounted.stat().st_mode) == 0o700
    assert "DEBUG" in story.ring.log.read_text()
