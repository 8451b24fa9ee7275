"""Published ports: reachable, exclusive, and free again afterwards."""

from __future__ import annotations

import http.client
import socket
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ALL
from tests.e2e.polling import wait_until
from tests.e2e.ring import free_port, free_ports
from tests.e2e.story import WEB

if TYPE_CHECKING:
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

ECHO = """
import signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 7))
while True:
    server.sendto(*server.recvfrom(100))
"""

TARGETS = range(9000, 9003)
THREE = (
    "sh",
    "-c",
    "".join(
        f"mkdir /{one}; echo {one} >/{one}/index.html; httpd -p {one} -h /{one}; "
        for one in TARGETS
    )
    + "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done",
)
"""Answers on each of TARGETS with its number."""


@ON_ALL
def test_tcp_ports_answer_and_are_free_after_deletion(story: Story) -> None:
    ports = [free_port(), free_port()]
    mapping = [{"published": port, "target": 80} for port in ports]
    story.applied(story.worker(command=WEB, ports=mapping))
    (container,) = story.wait_whole(1)
    for port in ports:
        wait_until(partial(answer_of, port), 10, f"port {port} answers")
        assert answer_of(port) == container.name
    shown = story.ring.run("deployment", "inspect", f"{story.namespace}/web")
    assert f"{ports[0]}->80/tcp, " in shown.out
    story.ring.run("deployment", "delete", f"{story.namespace}/web")
    story.wait_gone()
    for port in ports:
        _bind(port)


@ON_ALL
def test_a_range_is_published_port_by_port(story: Story) -> None:
    ports = free_ports(3)
    published = f"{ports[0]}-{ports[-1]}"
    manifest = story.worker(command=THREE, ports=[{"published": published, "target": "9000-9002"}])
    story.applied(manifest)
    story.wait_whole(1)
    assert story.row()["ports"] == [
        {"published": port, "target": target, "host_ip": None, "protocol": "tcp"}
        for port, target in zip(ports, TARGETS, strict=True)
    ]
    for port, target in zip(ports, TARGETS, strict=True):
        wait_until(partial(answer_of, port), 10, f"port {port} answers")
        assert answer_of(port) == f"{target}"
    assert "Deployment 'web' unchanged\n" in story.applied(manifest).out

    short = story.worker("short", ports=[{"published": published, "target": "9000-9001"}])
    status, refused = story.ring.ask("POST", "/deployments", short)
    assert status == 422
    assert [(one["code"], one["property_path"]) for one in refused["violations"]] == [
        ("deployment.ports.range.length_mismatch", "ports[0]")
    ]
    assert story.rows("short") == []


@ON_ALL
def test_a_udp_port_answers(story: Story) -> None:
    """The image has no UDP server: the test's own interpreter runs in the container."""
    port = free_port()
    interpreter = Path(sys.executable).resolve()
    folders = {"/usr", "/lib", "/lib64", f"{Path(sys.base_prefix).resolve()}"}
    binds = [
        {"type": "bind", "source": folder, "destination": folder, "permission": "ro"}
        for folder in sorted(folders)
        if Path(folder).is_dir()
    ]
    story.applied(
        story.worker(
            command=[f"{interpreter}", "-c", ECHO],
            volumes=binds,
            ports=[{"published": port, "target": 7, "protocol": "udp"}],
        )
    )
    story.wait_whole(1)
    wait_until(lambda: _echoed(port), 10, "the datagram comes back")


@ON_ALL
def test_a_taken_port_never_runs_and_does_not_disturb_its_holder(story: Story) -> None:
    port = free_port()
    mapping = [{"published": port, "target": 80}]
    story.applied(story.worker("holder", command=WEB, ports=mapping))
    (holder,) = story.wait_whole(1, "holder")
    story.applied(story.worker("late", command=WEB, ports=mapping))
    seen: set[str] = set()

    def has_failed_twice() -> bool:
        seen.add(story.status("late"))
        return len(story.told("port_allocation_failed", "late")) >= 2

    wait_until(has_failed_twice, 20, "two attempts have failed")
    assert "running" not in seen
    assert story.status("late") == "error"
    (event, *_) = story.told("port_allocation_failed", "late")
    assert event.level == "error"
    assert f"port {port} is already allocated" in event.message
    assert story.ids("holder") == {holder.id}
    assert story.row("holder")["restart_count"] == 0

    story.ring.run("deployment", "delete", f"{story.namespace}/holder")
    story.wait_gone("holder")
    (late,) = story.wait_whole(1, "late")
    wait_until(lambda: answer_of(port) == late.name, 10, "the port has a new holder")


@ON_ALL
def test_a_port_that_another_program_holds_is_named_and_taken_once_it_is_free(
    story: Story,
) -> None:
    port = free_port()
    with socket.create_server(("0.0.0.0", port)):  # noqa: S104 - as any program on the host may
        story.applied(story.worker(command=WEB, ports=[{"published": port, "target": 80}]))
        story.wait_for("error")
        wait_until(lambda: story.row()["restart_count"] >= 2, 20, "two attempts have failed")
        assert story.status() == "error"
        wait_until(lambda: not story.containers(), 10, "nothing half-made stays")
    (container,) = story.wait_whole(1)
    failures = story.told("port_allocation_failed")
    assert len(failures) == story.row()["restart_count"]
    assert all(one.level == "error" for one in failures)
    assert all(f"port {port} is already allocated" in one.message for one in failures)
    wait_until(lambda: answer_of(port) == container.name, 10, "the port answers")
    wait_until(lambda: story.row()["restart_count"] == 0, 30, "it is forgotten")


def test_a_port_is_handed_on_when_its_deployment_is_replaced(story: Story) -> None:
    mapping = [{"published": free_port(), "target": 80}]
    story.applied(story.worker(command=WEB, ports=mapping))
    (before,) = story.wait_whole(1)
    answer = story.applied(story.worker(command=WEB, ports=mapping, environment={"NEW": "1"}))
    assert "Deployment 'web' created\n" in answer.out
    (after,) = story.wait_whole(1)
    assert after.id != before.id
    assert story.row()["restart_count"] == 0
    assert story.told("port_allocation_failed") == []
    port = mapping[0]["published"]
    wait_until(lambda: answer_of(port) == after.name, 10, "the new one answers")


def test_a_crashed_holder_of_a_port_is_replaced(story: Story) -> None:
    port = free_port()
    story.applied(story.worker(command=WEB, ports=[{"published": port, "target": 80}]))
    (before,) = story.wait_whole(1)
    story.crash(before.id)
    wait_until(lambda: story.row()["restart_count"] == 1, 5, "the crash is counted")
    (after,) = story.wait_whole(1)
    assert story.told("port_allocation_failed") == []
    wait_until(lambda: answer_of(port) == after.name, 10, "the new one answers")


def answer_of(port: int) -> str | None:
    """What port 80 of whoever holds the published port answers; None when nobody does."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode().strip()
        except (OSError, http.client.HTTPException):
            return None


def _echoed(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        client.connect(("127.0.0.1", port))
        try:
            client.send(b"hello")
            return client.recv(100) == b"hello"
        except OSError:
            return False


def _bind(port: int) -> None:
    """Fails while anybody listens there."""
    with socket.create_server(("0.0.0.0", port)):  # noqa: S104 - closed again at once
        pass
