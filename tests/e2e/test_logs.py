"""What instances write, as users read it: once, and as it comes."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.e2e.polling import wait_until
from tests.e2e.ring import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

TALKER = (
    "sh",
    "-c",
    "trap 'echo bye; exit 0' TERM; echo up; echo '[error] odd' >&2; "
    "while :; do sleep 3600 & wait; done",
)


def say(story: Story, container_id: str, text: str) -> None:
    code, said = story.docker.run(container_id, "sh", "-c", f"printf '{text}' >/proc/1/fd/1")
    assert code == 0, said


def lines(story: Story, *words: str) -> list[str]:
    answer = story.ring.run("deployment", "logs", f"{story.namespace}/web", *words)
    assert (answer.code, answer.err) == (0, ""), answer
    return answer.out.splitlines()


@contextmanager
def following(story: Story, into: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`logs --follow`, its output in a file."""
    command = [*program(), "deployment", "logs", f"{story.namespace}/web", "--follow"]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.fspath(story.ring.home),
        "RING_CONFIG_DIR": os.fspath(story.ring.home),
    }
    with ExitStack() as stack:
        out = stack.enter_context(into.open("wb"))
        err = stack.enter_context(into.with_suffix(".err").open("wb"))
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def wait_for(into: Path, text: str, within_s: float = 10.0) -> None:
    wait_until(lambda: text in into.read_text(), within_s, f"'{text}' is shown", into.read_text)


def test_the_lines_of_every_instance(story: Story) -> None:
    story.applied(story.worker(replicas=2, command=list(TALKER)))
    first, second = story.wait_whole(2)
    say(story, second.id, "one\\ntwo\\n")
    wait_until(lambda: len(lines(story)) == 6, 5, "all lines are there")
    shown = [line.partition("] ")[2].split(" ", 1) for line in lines(story)]
    names = [name for name, _ in shown]
    assert names == sorted(names, key=names.index)
    for name, said in ((first.name, {"up", "[error] odd"}), (second.name, {"one", "two"})):
        assert said <= {message for instance, message in shown if instance == name}
    assert len(lines(story, "--tail", "1")) == 2
    assert len(lines(story, "--tail", "1", "-c", first.name)) == 1
    assert len(lines(story, "--since", "1h", "-c", second.id[:12])) == 4
    entries = story.ring.read("deployment", "logs", f"{story.namespace}/web", "-c", second.name)
    levels = {entry["message"]: (entry["level"], entry["stream"]) for entry in entries}
    assert levels["[error] odd"] == ("error", "stderr")
    assert levels["two"] == ("unknown", "stdout")


def test_what_does_not_exist_or_make_sense(story: Story) -> None:
    for words in ((), ("--follow",)):
        answer = story.ring.run("deployment", "logs", "unknown", *words)
        assert (answer.code, answer.err) == (4, "error: deployment 'unknown' not found\n")
    assert story.ring.run("deployment", "logs", "unknown", "--since", "5x").code == 1


def test_following_outlasts_a_replacement_and_the_server(story: Story, tmp_path: Path) -> None:
    story.applied(story.worker(command=list(TALKER)))
    (first,) = story.wait_whole(1)
    into = tmp_path / "follow.out"
    with following(story, into) as process:
        wait_for(into, f"{first.name} up")
        say(story, first.id, "a line\\n")
        wait_for(into, f"{first.name} a line")
        story.docker.remove(first.id)
        (second,) = story.wait_whole(1)
        assert second.id != first.id
        wait_for(into, f"{second.name} up")
        story.ring.kill()
        say(story, second.id, "nobody listens\\n")
        story.ring.start()
        wait_for(into, f"{second.name} nobody listens", within_s=20)
        assert story.ring.run("deployment", "delete", f"{story.namespace}/web").code == 0
        assert process.wait(30) == 0
    shown = into.read_text().splitlines()
    assert len(set(shown)) == len(shown)
    assert [line for line in shown if line.endswith(f"{second.name} bye")]


def test_an_open_stream_does_not_hold_up_the_end(story: Story) -> None:
    story.applied(story.worker(command=list(TALKER)))
    (only,) = story.wait_whole(1)
    row_id = story.row()["id"]
    token = json.loads((story.ring.home / "auth.json").read_bytes())["default"]["token"]
    connection = http.client.HTTPConnection("127.0.0.1", story.ring.port, timeout=30)
    target = f"/deployments/{row_id}/logs?follow=true&tail=1"
    connection.request("GET", target, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.getheader("Referrer-Policy") == "no-referrer"
    assert answer.readline().startswith(b"data: {")
    assert answer.readline() == b"\n"
    say(story, only.id, "still here\\n")
    entry = json.loads(answer.readline().removeprefix(b"data: "))
    assert entry["message"] == "still here"
    began = time.monotonic()
    assert story.ring.stop() == 0
    assert time.monotonic() - began < 10
    connection.close()
    told = story.ring.log.read_text()
    assert "shut down gracefully" in told
    assert "ring server stopped" in told
    assert [one.id for one in story.docker.running(story.namespace)] == [only.id]
