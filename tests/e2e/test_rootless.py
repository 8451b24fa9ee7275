"""A user without rights, with a server and a Podman of their own."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scripts.lib import rootless

from ring.runtimes import podman
from ring.runtimes.base import Notices
from scripts import engines
from tests.contract.outside import missing, required
from tests.e2e.outside import Docker
from tests.e2e.polling import wait_until
from tests.e2e.ring import Ring
from tests.e2e.story import Story, alarm, probe
from tests.e2e.test_forwarding import forwarding, get

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import MakeRing

pytestmark = pytest.mark.engine

SERVE = (
    "sh",
    "-c",
    "mkdir /www; echo $(env | grep ^GREETING=) $(cat /data/note /etc/app.conf) >/www/index.html; "
    "exec httpd -f -p 80 -h /www",
)


@pytest.fixture
def story(namespaces: tuple[str, str], image: str) -> Iterator[Story]:
    """Everything that is written is the user's."""
    host = required("RING_TEST_ROOTLESS_HOST", "a Podman service of a user")
    if os.geteuid() != 0:
        missing("another user has to be taken on: run as root")
    engine = engines.engine_at(Path(host.removeprefix("unix://")).parents[3])
    assert rootless.host(engine) == host
    docker = Docker(host)
    home = rootless.folder(engine) / namespaces[0]
    ring = Ring(home, host, runtime="podman", prefix=rootless.as_user(engine))
    for path in (home, *home.iterdir()):
        os.chown(path, rootless.UID, rootless.UID)
    with closing(docker.watch(namespaces[0])) as watch:
        ring.start()
        ring.login()
        yield Story(ring, docker, namespaces[0], image, watch, "podman")
    ring.kill()
    docker.clean(namespaces[0])


def test_what_a_user_runs(story: Story) -> None:
    mine, other = (_folder(story, name) for name in ("mine", "other"))
    (mine / "note").write_text("bound\n")
    story.config("app", conf="configured")
    story.applied(
        story.worker(
            command=list(SERVE),
            environment={"GREETING": "hello"},
            volumes=[
                {"type": "bind", "source": f"{mine}", "destination": "/data"},
                {"type": "config", "source": "app", "key": "conf", "destination": "/etc/app.conf"},
            ],
            health_checks=[probe(), alarm(type="http", port=None, url="http://localhost/")],
        ),
        story.worker("low", ports=[{"published": 81, "target": 80}]),
        story.worker(
            "stranger",
            volumes=[{"type": "bind", "source": f"{other}", "destination": "/data"}],
            config={"image_pull_policy": "IfNotPresent", "user": {"id": 1000}},
        ),
    )

    # nothing is published: checks and forwards get there all the same
    story.wait_for("running")
    wait_until(lambda: _passed(story) == {"tcp", "http"}, 10, "both checks pass", story.account)
    with forwarding(story, "80") as (_, (port,)):
        assert get(port, "/") == b"GREETING=hello bound configured\n"

    # what root alone may do
    refusal = wait_until(
        lambda: story.told("instance_creation_failed", "low"), 20, "it is refused", story.account
    )[0]
    assert "net.ipv4.ip_unprivileged_port_start=81" in refusal.message

    # whose ids an instance has
    (container,) = story.wait_whole(1, "stranger")
    (told,) = story.told("bind_not_writable", "stranger")
    owner = f"{rootless.SUBORDINATE[0] + 999}:{rootless.UID}"
    assert f"`sudo chown {owner} {other}`" in told.message
    assert story.docker.run(container.id, "touch", "/data/made")[0] != 0
    os.chown(other, *(int(one) for one in owner.split(":")))
    assert story.docker.run(container.id, "touch", "/data/made")[0] == 0
    assert not story.told("bind_not_writable")


def test_one_that_comes_up_late_is_told_of_as_one_that_was_there(
    make_ring: MakeRing, tmp_path: Path
) -> None:
    host = required("RING_TEST_ROOTLESS_HOST", "a Podman service of a user")
    said = asyncio.run(_told(host))
    socket = tmp_path / "late.sock"
    ring = make_ring(docker_host=f"unix://{socket}", runtime="podman", optional=True)
    ring.start()
    assert "the optional runtime podman is unreachable" in ring.log.read_text()
    socket.symlink_to(host.removeprefix("unix://"))
    connected = f"Connected to Podman at unix://{socket}"
    wait_until(lambda: connected in ring.log.read_text(), 20, "it is connected")
    wait_until(lambda: _notices(ring) == said, 60, "all of it is told", ring.log.read_text)


async def _told(host: str) -> list[str]:
    """What a server would be told at its start, however long that takes."""
    runtime = podman.open_runtime({"host": host})
    assert isinstance(runtime, Notices)
    try:
        return list(await runtime.notices())
    finally:
        await runtime.close()


def _notices(ring: Ring) -> list[str]:
    """What is amiss with the engine, as the server's log has it."""
    lines = [line for line in ring.log.read_text().splitlines() if " WARNING " in line]
    return [line.partition("podman: ")[2] for line in lines if "podman: " in line]


def _folder(story: Story, name: str) -> Path:
    """The user's."""
    folder = story.ring.home / name
    folder.mkdir(mode=0o755)
    os.chown(folder, rootless.UID, rootless.UID)
    return folder


def _passed(story: Story) -> set[str]:
    status, told = story.ring.ask("GET", f"/deployments/{story.row()['id']}/health-checks")
    assert status == 200, told
    assert {one["status"] for one in told} <= {"success", "failed"}, told
    return {one["check_type"] for one in told if one["status"] == "success"}
