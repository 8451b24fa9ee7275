"""Commands inside running instances: at a terminal, in a script, and what is left of them."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ADAPTERS
from tests.e2e.polling import wait_until
from tests.e2e.ring import program
from tests.e2e.story import STEADY
from tests.e2e.terminals import AtTerminal
from tests.e2e.test_forwarding import SERVING, forwarding, get

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.outside import Container
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

BIG_BYTES = 10 * 1024 * 1024
LEFT_S = 20.0


class Scene:
    """One instance, and the command line that enters it."""

    def __init__(self, story: Story, command: Sequence[str] = STEADY) -> None:
        self.story = story
        story.applied(story.worker(command=list(command)))
        self.container: Container = story.wait_whole(1)[0]
        self.name = f"{story.namespace}/web"

    def exec(self, *args: str) -> tuple[str, ...]:
        return ("deployment", "exec", self.name, *args)

    def piped(self, *args: str, stdin: int | bytes | None = None) -> subprocess.Popen[bytes]:
        """With pipes; its caller ends it."""
        return subprocess.Popen(
            [*program(), *self.exec(*args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.story.ring.environment,
            cwd=self.story.ring.home,
        )

    def running(self, word: str) -> int:
        """Processes in the instance whose command line has this word."""
        shown = "ps -o args | cut -c -80"  # the container's own script names its programs later on
        _, listed = self.story.docker.run(self.container.id, "sh", "-c", shown)
        return sum(1 for line in listed.splitlines() if word in line)

    def wait_for(self, word: str, count: int) -> None:
        wait_until(lambda: self.running(word) == count, LEFT_S, f"{count} of '{word}' run")


@pytest.fixture
def scene(story: Story) -> Scene:
    return Scene(story)


def until_sized(wanted: str) -> str:
    """A shell may say that it is there before it has its size, and reads before it has a new one.

    What is typed shows it once it is there, and does not end before.
    """
    return f"until stty size | grep '^{wanted}$'; do :; done\n"


def at_a_shell(scene: Scene) -> None:
    """Its size, a new one, Ctrl-C, its exit code; the terminal is as it was."""
    with AtTerminal(scene.story.ring, *scene.exec("--", "sh"), rows=33, columns=101) as terminal:
        terminal.read_until("# ")
        terminal.type(until_sized("33 101"))
        terminal.read_until("33 101\r\n")
        terminal.resize(40, 120)
        terminal.type(until_sized("40 120"))
        terminal.read_until("40 120\r\n")
        terminal.type("sleep 1000\n")
        scene.wait_for("sleep 1000", 1)
        terminal.type("\x03")
        terminal.read_until("# ")
        terminal.type("echo code $?\n")
        terminal.read_until("code 130\r\n")
        terminal.type("exit 7\n")
        assert terminal.ended() == 7
        assert terminal.settings() == terminal.before


def test_a_shell_at_a_terminal(scene: Scene) -> None:
    at_a_shell(scene)

    # and again, ended from outside: the terminal is as it was, and nothing is left
    with AtTerminal(
        scene.story.ring, *scene.exec("--", "sh", "-c", "sleep 1001; true")
    ) as terminal:
        scene.wait_for("sleep 1001", 2)
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.ended() == -signal.SIGTERM
        assert terminal.settings() == terminal.before
    scene.wait_for("sleep 1001", 0)


@pytest.mark.parametrize("runtime", ["podman", "containerd"], indirect=True)
def test_others_are_entered_as_docker_is(story: Story) -> None:
    """At a terminal, by a client that is killed, through a port; and what it takes is seen."""
    scene = Scene(story, SERVING)
    at_a_shell(scene)

    forking = "sleep 1002 & setsid sleep 1002 & env -i setsid sleep 1002 & sleep 1002; true"
    for flag in ("-t", "-T"):
        with scene.piped(flag, "--", "sh", "-c", forking) as process:
            scene.wait_for("sleep 1002", 5)
            process.kill()
        scene.wait_for("sleep 1002", 0)

    scene.wait_for("nc -l -p 81", 1)
    with forwarding(story, ":80", ":81") as (_, (web, hashing)):
        content = get(web, "/big")
        with closing(socket.create_connection(("127.0.0.1", hashing), 30)) as link:
            link.sendall(content)
            link.shutdown(socket.SHUT_WR)
            assert link.recv(64).decode() == hashlib.sha256(content).hexdigest()

    seen = story.ring.read("top", "--once", "-n", story.namespace)
    (sample,) = seen["samples"]
    assert (sample["deployment"], sample["instance"]) == ("web", scene.container.name)
    assert sample["memory"]["usage_bytes"] > 0


@ON_ADAPTERS
def test_a_command_of_a_script(scene: Scene) -> None:
    story = scene.story
    script = "echo $A $(pwd) $(id -u); echo oops >&2; tty; exit 42"
    options = ("-e", "A=sesame-canary", "-w", "/etc", "-u", "65534:65534")
    ended = story.ring.run(*scene.exec(*options, "--", "sh", "-c", script))
    assert ended.code == 42
    assert ended.out == "sesame-canary /etc 65534\nnot a tty\n"
    assert ended.err == "oops\n"

    # it reads what we read, to its end, whatever it is; or nothing
    content = os.urandom(BIG_BYTES)
    for argv in (("cat",), ("sh", "-c", "cat; exit 3")):
        with scene.piped("--", *argv) as process:
            out, err = process.communicate(content, timeout=60)
            assert (hashlib.sha256(out).digest(), err) == (hashlib.sha256(content).digest(), b"")
            assert process.returncode == (0 if argv == ("cat",) else 3)
    assert story.ring.run(*scene.exec("--no-stdin", "--", "cat"), stdin="x").out == ""
    # it may go without having read it all
    with scene.piped("--", "head", "-c", "3") as process:
        out, _ = process.communicate(content, timeout=60)
        assert (out, process.returncode) == (content[:3], 0)

    # what cannot be run
    missing = story.ring.run(*scene.exec("--", "/no/such/program"))
    assert missing.code in {126, 127}, missing
    stranger = story.ring.run(*scene.exec("-u", "nobody-at-all", "--", "id"))
    assert stranger.code != 0
    assert "nobody-at-all" in stranger.err + stranger.out
    other = story.ring.run(*scene.exec("-i", "another", "--", "id"))
    assert other.code == 5
    assert "is called 'another'; there are: " in other.err
    writer = ("-s", "deployments:write", "-s", "deployments:read")
    narrow = story.ring.run("token", "create", "ci", *writer).out.strip()
    refused = story.ring.run(*scene.exec("--", "id"), environment={"RING_TOKEN": narrow})
    assert refused.code == 2
    assert "token lacks required scope" in refused.err

    # the trail has all that was begun, and nothing of their words
    _, trail = story.ring.ask("GET", f"/namespaces/{story.namespace}/audit")
    entered = [one for one in trail if one["action"] == "exec"]
    assert [one["target_name"].partition(": ")[2] for one in entered[::-1]] == [
        *("sh", "cat", "sh", "cat", "head", "program", "id")
    ]
    assert {one["target_name"].partition(": ")[0] for one in entered} == {scene.container.name}
    assert "sesame-canary" not in str(trail)
    assert "sesame-canary" not in story.ring.log.read_text()


@ON_ADAPTERS
def test_nothing_is_left_of_what_was_given_up(scene: Scene) -> None:
    story = scene.story
    forking = "sleep 1002 & env -i setsid sleep 1002 & sleep 1002; true"

    # a client that is killed, with a terminal and without
    for flag in ("-t", "-T"):
        with scene.piped(flag, "--", "sh", "-c", forking) as process:
            scene.wait_for("sleep 1002", 4)
            process.kill()
        scene.wait_for("sleep 1002", 0)

    # one that is interrupted
    with scene.piped("--", "sh", "-c", forking) as process:
        scene.wait_for("sleep 1002", 4)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    scene.wait_for("sleep 1002", 0)

    # one whose output nobody reads
    with scene.piped("--", "yes") as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(10) == 141
    scene.wait_for("yes", 0)

    # and a server that stops
    with scene.piped("--", "sh", "-c", forking) as process:
        scene.wait_for("sleep 1002", 4)
        story.ring.stop()
        _, err = process.communicate(timeout=20)
        assert process.returncode == 1
        assert err == b"error: the server stops\n"
    scene.wait_for("sleep 1002", 0)

    # or is killed: the next one sees to it, and leaves alone what a command left when it ended
    story.ring.start()
    left = story.ring.run(*scene.exec("--", "sh", "-c", "sleep 1003 >/dev/null 2>&1 &"))
    assert left.code == 0
    with scene.piped("--", "sh", "-c", forking) as process:
        scene.wait_for("sleep 1002", 4)
        story.ring.kill()
        process.communicate(timeout=20)
        assert process.returncode == 3
    assert scene.running("sleep 1002") == 4
    story.ring.start()
    scene.wait_for("sleep 1002", 0)
    assert scene.running("sleep 1003") == 1
