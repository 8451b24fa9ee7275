"""The server as a process: how it starts, what it refuses and how it ends."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.polling import wait_until
from tests.e2e.proxy import Fate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import MakeRing, Tell
    from tests.e2e.outside import Docker
    from tests.e2e.proxy import EngineProxy
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine


def test_sigterm_ends_the_server_and_leaves_its_containers(story: Story) -> None:
    story.applied(story.worker(replicas=2))
    before = {one.id for one in story.wait_whole(2)}
    began = time.monotonic()
    assert story.ring.stop() == 0
    assert time.monotonic() - began < 10
    lines = story.ring.log.read_text().splitlines()
    assert any("shut down gracefully" in line for line in lines)
    assert lines[-1].endswith("ring server stopped")
    assert {one.id for one in story.docker.running(story.namespace)} == before
    answer = story.ring.run("deployment", "list")
    where = f"http://127.0.0.1:{story.ring.port}"
    assert answer.code == 3
    assert answer.err == (
        f"error: cannot reach the server at {where} — is it running? (connection refused)\n"
    )


def test_sigterm_while_instances_come_up_leaves_none_behind(story: Story) -> None:
    story.applied(story.worker(replicas=6))
    began = time.monotonic()
    assert story.ring.stop() == 0
    assert time.monotonic() - began < 10
    assert {one.state for one in story.containers()} <= {"running"}
    story.ring.start()
    story.wait_whole(6)
    assert story.row()["restart_count"] == 0


def test_a_second_server_on_the_same_database_is_refused(make_ring: MakeRing) -> None:
    first = make_ring()
    first.start()
    second = make_ring(environment={"RING_DATABASE_PATH": f"{first.home}/ring.db"})
    answer = second.run("server", "start")
    assert (answer.code, answer.out) == (1, "")
    assert "Refusing to start:" in answer.err
    assert str(first.pid) in answer.err
    first.login()


@pytest.mark.parametrize("way", ["symbolic link", "hard link", "other spelling"])
def test_another_name_of_the_database_is_no_way_in(
    make_ring: MakeRing, tmp_path: Path, way: str
) -> None:
    first = make_ring()
    first.start()
    real, path = first.home / "ring.db", tmp_path / "other.db"
    match way:
        case "symbolic link":
            path.symlink_to(real)
        case "hard link":
            path.hardlink_to(real)
        case _:
            path = tmp_path / ".." / tmp_path.name / "." / first.home.name / "ring.db"
    second = make_ring(environment={"RING_DATABASE_PATH": f"{path}"})
    answer = second.run("server", "start")
    assert (answer.code, answer.out) == (1, "")
    holder = "another program holds a lock" if way == "hard link" else "the Ring server with pid "
    assert f"Refusing to start: cannot open database {path}: {holder}" in answer.err
    assert "stop it first, or use another database" in answer.err
    first.login()
    first.kill()
    if way == "hard link":  # what was not yet in the file itself is under its first name
        path = real
    third = make_ring(environment={"RING_DATABASE_PATH": f"{path}"})
    third.start()
    third.login()


def test_a_port_that_is_taken_is_named(make_ring: MakeRing) -> None:
    first = make_ring()
    first.start()
    answer = make_ring(port=first.port).run("server", "start")
    assert (answer.code, answer.out) == (1, "")
    assert f"127.0.0.1:{first.port} is already in use" in answer.err
    first.login()


def test_a_server_without_a_runtime_does_not_start(make_ring: MakeRing) -> None:
    ring = make_ring()
    (ring.home / "config.toml").write_text("[server.runtime.docker]\nenabled = false\n")
    answer = ring.run("server", "start")
    assert (answer.code, answer.out) == (1, "")
    assert "Refusing to start: no container runtime is enabled" in answer.err
    assert "enabled = true" in answer.err


@pytest.mark.parametrize(
    ("key", "said"),
    [(None, "is not set"), ("%%%", "base64"), ("aGVsbG8=", "32 bytes")],
)
def test_a_server_without_a_good_key_touches_nothing(
    make_ring: MakeRing, key: str | None, said: str
) -> None:
    ring = make_ring(environment={} if key is None else {"RING_SECRET_KEY": key})
    (ring.home / "secret-key").unlink()
    (ring.home / "config.toml").write_text("[server.runtime.docker]\nenabled = false\n")
    answer = ring.run("server", "start")
    assert (answer.code, answer.out) == (1, "")
    assert "Refusing to start: RING_SECRET_KEY" in answer.err
    assert said in answer.err
    assert not (ring.home / "ring.db").exists()


def test_a_key_file_that_others_may_read_is_refused(make_ring: MakeRing) -> None:
    ring = make_ring()
    (ring.home / "secret-key").chmod(0o644)
    answer = ring.run("server", "start")
    assert (answer.code, answer.out) == (1, "")
    assert "0600" in answer.err


def test_an_engine_that_is_not_there_is_named(make_ring: MakeRing, tmp_path: Path) -> None:
    socket = f"unix://{tmp_path}/dead.sock"
    answer = make_ring(docker_host=socket).run("server", "start")
    assert (answer.code, answer.out) == (1, "")
    assert "Refusing to start: enabled runtime unreachable: docker" in answer.err
    assert socket in answer.err


def test_an_optional_engine_may_be_away_and_come_up_late(
    make_ring: MakeRing, docker: Docker, tmp_path: Path
) -> None:
    socket = tmp_path / "dead.sock"
    ring = make_ring(docker_host=f"unix://{socket}", optional=True)
    ring.start()
    ring.login()
    listed = ring.run("deployment", "list")
    assert listed.code == 0, listed
    assert "the optional runtime docker is unreachable" in ring.log.read_text()
    socket.symlink_to(docker.host.removeprefix("unix://"))
    connected = f"Connected to Docker at unix://{socket}"
    wait_until(lambda: connected in ring.log.read_text(), 20, "it is connected")
    assert ring.stop() == 0


@pytest.mark.parametrize("call", ["POST /containers/create", "GET /containers/json"])
def test_sigterm_ends_the_server_in_time_while_the_engine_hangs(
    tell: Tell, proxy: EngineProxy, call: str
) -> None:
    story = tell(docker_host=proxy.host, interval_s=1)
    rule = proxy.rule(call, Fate.HANG)
    story.applied(story.worker())
    wait_until(lambda: rule.met, 10, "the call hangs")
    began = time.monotonic()
    assert story.ring.stop() == 0
    assert time.monotonic() - began < 10
    assert story.ring.log.read_text().splitlines()[-1].endswith("ring server stopped")


def test_a_second_signal_ends_the_server_at_once(tell: Tell, proxy: EngineProxy) -> None:
    story = tell(docker_host=proxy.host)
    rule = proxy.rule("POST /containers/create", Fate.HANG)
    story.applied(story.worker())
    wait_until(lambda: rule.met, 10, "the call hangs")
    pid = story.ring.pid
    os.kill(pid, signal.SIGTERM)
    wait_until(
        lambda: "shutdown signal received" in story.ring.log.read_text(), 5, "it has begun to end"
    )
    began = time.monotonic()
    assert story.ring.stop() == 128 + signal.SIGTERM
    assert time.monotonic() - began < 2
