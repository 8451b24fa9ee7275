"""What instances write, as users read it: once, and as it comes."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import short_id
from tests.e2e.both import ON_ALL
from tests.e2e.polling import wait_until
from tests.e2e.ring import program
from tests.e2e.story import STEADY

if TYPE_CHECKING:
    from collections.abc import Iterator

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
def following(story: Story, into: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """`logs --follow`, its output in a file."""
    command = [*program(), "deployment", "logs", f"{story.namespace}/web", "--follow", *words]
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


@ON_ALL
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
    assert len(lines(story, "--since", "1h", "-c", short_id(second.id))) == 4
    entries = story.ring.read("deployment", "logs", f"{story.namespace}/web", "-c", second.name)
    levels = {entry["message"]: (entry["level"], entry["stream"]) for entry in entries}
    assert levels["[error] odd"] == ("error", "stderr")
    assert levels["two"] == ("unknown", "stdout")


def test_the_rules_of_a_line(story: Story) -> None:
    story.applied(story.worker(command=list(STEADY)))
    (only,) = story.wait_whole(1)
    say(story, only.id, "bad \\377 byte\\n\\n  \\n\\r\\n<4>kernel\\none ERR two\\r\\nunfinished")
    long = "head -c 100000 /dev/zero | tr '\\0' z"
    code, _ = story.docker.run(only.id, "sh", "-c", f"{{ echo; {long}; echo; }} >/proc/1/fd/1")
    assert code == 0

    def entries() -> list[dict[str, str]]:
        where = f"{story.namespace}/web"
        found: list[dict[str, str]] = story.ring.read("deployment", "logs", where)
        return found

    wait_until(lambda: len(entries()) == 5, 10, "all lines are there", entries)
    told = [(entry["message"], entry["level"]) for entry in entries()]
    assert told[:4] == [
        ("bad \ufffd byte", "unknown"),
        ("<4>kernel", "warning"),
        ("one ERR two", "error"),
        ("unfinished", "unknown"),
    ]
    assert told[4][0] == "z" * (64 * 1024)
    for entry in entries():
        assert (entry["instance"], entry["stream"]) == (only.name, "stdout")
        assert datetime.fromisoformat(entry["timestamp"]).utcoffset() == timedelta(0)
        assert entry["timestamp"].endswith("Z")


def test_following_every_replica_or_those_asked_for(story: Story, tmp_path: Path) -> None:
    story.applied(story.worker(replicas=3, command=list(STEADY)))
    containers = story.wait_whole(3)
    chosen = containers[1]
    for one in containers:
        say(story, one.id, "first\\n")
    wait_until(lambda: len(lines(story)) == 3, 10, "all have spoken")
    for one in containers:
        say(story, one.id, "second\\n")
    wait_until(lambda: len(lines(story)) == 6, 10, "all have spoken again")
    where = f"{story.namespace}/web"
    entries = story.ring.read("deployment", "logs", where)
    middle = min(entry["timestamp"] for entry in entries if entry["message"] == "second")
    asked = {
        "tail": (("--tail", "1"), {one.name: ["second", "[warn] late"] for one in containers}),
        "since": (("--since", middle), {one.name: ["second", "[warn] late"] for one in containers}),
        "id": (("-c", short_id(chosen.id)), {chosen.name: ["first", "second", "[warn] late"]}),
        "name": (("-c", chosen.name[-8:]), {chosen.name: ["first", "second", "[warn] late"]}),
        "none": (("--tail", "0"), {one.name: ["[warn] late"] for one in containers}),
    }
    outs = {name: tmp_path / f"{name}.out" for name in asked}
    with ExitStack() as stack:
        for name, (words, _) in asked.items():
            stack.enter_context(following(story, outs[name], *words, "-o", "json"))
        for name in set(asked) - {"none"}:
            wait_for(outs[name], "second")
        wait_until(lambda: streams_open(story) >= len(asked), 10, "all are being followed")
        for one in containers:
            say(story, one.id, "[warn] late\\n")
        for name, (_, wanted) in asked.items():
            wait_until(
                lambda name=name, wanted=wanted: followed(outs[name]) == wanted,  # type: ignore[misc]  # bound at once
                10,
                f"{name}: {wanted}",
                outs[name].read_text,
            )
    late = [json.loads(line) for line in outs["tail"].read_text().splitlines()][-1]
    assert (late["level"], late["stream"]) == ("unknown", "stdout")


def followed(into: Path) -> dict[str, list[str]]:
    """Messages by instance, in the order they were shown."""
    found: dict[str, list[str]] = {}
    for line in into.read_text().splitlines():
        entry = json.loads(line)
        found.setdefault(entry["instance"], []).append(entry["message"])
    return found


def streams_open(story: Story) -> int:
    """Connections that are established to the server."""
    table = Path("/proc/self/net/tcp").read_text().splitlines()[1:]
    port = f"{story.ring.port:04X}"
    ends = (line.split() for line in table)
    return sum(end[1].endswith(f":{port}") and end[3] == "01" for end in ends)


def test_following_ends_with_the_last_instance(story: Story, tmp_path: Path) -> None:
    wait = "while ! [ -e /go ]; do usleep 50000; done; echo done; exit 0"
    story.applied(story.worker(replicas=2, command=["sh", "-c", wait]))
    containers = story.wait_whole(2)
    into = tmp_path / "ended.out"
    with following(story, into) as process:
        wait_until(lambda: streams_open(story) == 1, 10, "they are being followed")
        for one in containers:
            assert story.docker.run(one.id, "touch", "/go")[0] == 0
        assert process.wait(20) == 0
    assert sorted(line.partition("] ")[2] for line in into.read_text().splitlines()) == sorted(
        f"{one.name} done" for one in containers
    )
    assert story.status() == "completed"


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
