"""Ports of instances that are not published, as if they were here."""

from __future__ import annotations

import hashlib
import http.client
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ADAPTERS
from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

AT_ONCE = 10
SERVING = (
    "sh",
    "-c",
    'mkdir /www; head -c 3000000 /dev/urandom >/www/big; echo "${RING_INSTANCE}" >/www/index.html; '
    "httpd -p 80 -h /www; trap 'exit 0' TERM; "
    "while :; do nc -l -p 81 -e sha256sum & wait $!; done",
)
"""Files on port 80; on 81 the hash of all that is sent."""


@contextmanager
def forwarding(story: Story, *args: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """The command, and the local ports it listens on."""
    name = f"{story.namespace}/web"
    process = story.ring.spawn_command("deployment", "port-forward", name, *args)
    try:
        assert process.stdout is not None
        ports = []
        for _ in args:
            line = process.stdout.readline()
            found = re.fullmatch(rf"Forwarding 127\.0\.0\.1:(\d+) to port \d+ of {name}\n", line)
            assert found is not None, (line, process.poll())
            ports.append(int(found[1]))
        yield process, ports
    finally:
        process.kill()
        process.communicate()


def get(port: int, path: str) -> bytes:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as link:
        link.request("GET", path)
        answer = link.getresponse()
        assert answer.status == 200
        return answer.read()


@ON_ADAPTERS
def test_ports_are_as_if_they_were_here(story: Story) -> None:
    story.applied(story.worker(command=list(SERVING)))
    (first,) = story.wait_whole(1)

    def content() -> str:
        return story.docker.run(first.id, "sha256sum", "/www/big")[1].split()[0]

    wait_until(lambda: story.docker.run(first.id, "cat", "/www/index.html")[0] == 0, 10, "it is up")
    with forwarding(story, ":80", ":81", ":82") as (process, (web, hashing, nobody)):
        # many at once, whole
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(lambda _: get(web, "/big"), range(AT_ONCE)))
        assert {hashlib.sha256(one).hexdigest() for one in found} == {content()}

        # our end of one way leaves the other
        with closing(socket.create_connection(("127.0.0.1", hashing), 30)) as link:
            link.sendall(found[0])
            link.shutdown(socket.SHUT_WR)
            assert link.recv(64).decode() == content()

        # nobody there: the connection is broken off, and why is said
        link = socket.create_connection(("127.0.0.1", nobody), 30)
        with closing(link), pytest.raises(ConnectionResetError):
            link.recv(1)
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said == f"error: nothing listens on port 82 of instance {first.name}\n"

        # an instance that is replaced: the next connection goes to the new one
        story.applied(story.worker(command=list(SERVING), environment={"VERSION": "2"}))
        (second,) = wait_until(
            lambda: [
                one
                for one in story.docker.running(story.namespace)
                if one.id != first.id and len(story.docker.running(story.namespace)) == 1
            ],
            30,
            "it is replaced",
        )
        wait_until(
            lambda: story.docker.run(second.id, "cat", "/www/index.html")[0] == 0, 10, "it is up"
        )
        assert get(web, "/").decode().strip() == second.name

        # a port that is taken here
        taken = story.ring.run("deployment", "port-forward", f"{story.namespace}/web", f"{web}:80")
        assert (taken.code, taken.out) == (1, "")
        assert taken.err == (
            f"error: port {web} of 127.0.0.1 is in use: give another as LOCAL:REMOTE\n"
        )

        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130

    status, trail = story.ring.ask("GET", f"/namespaces/{story.namespace}/audit")
    assert status == 200
    entered = {one["target_name"] for one in trail if one["action"] == "port_forward"}
    assert f"{first.name}: port 80" in entered
    assert f"{second.name}: port 80" in entered
