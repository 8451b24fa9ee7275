"""What a namespace says of its network: where its published ports are bound."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from tests.e2e.both import ON_ALL
from tests.e2e.polling import wait_until
from tests.e2e.ring import free_port
from tests.e2e.story import WEB

if TYPE_CHECKING:
    from tests.e2e.ring import Answer
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine


@ON_ALL
def test_ports_are_bound_where_the_namespace_says(story: Story, address: str) -> None:
    here, there = free_port(), free_port()
    ports = [
        {"published": here, "target": 80},
        {"published": there, "target": 80, "host_ip": address},
    ]
    web = story.worker(command=WEB, ports=ports)
    applied = _apply(story, {"host_ip": "127.0.0.1"}, web)
    assert f"Namespace '{story.namespace}' created\n" in applied.out
    (container,) = story.wait_whole(1)
    wait_until(lambda: _answers("127.0.0.1", here), 10, "the namespace's address answers")
    assert not _answers("::1", here)
    assert not _answers(address, here)
    wait_until(lambda: _answers(address, there), 10, "the port's own address answers")
    assert not _answers("127.0.0.1", there)

    # a change is for the instances to come
    name = f"Namespace '{story.namespace}'"
    assert f"{name} already exists, skipping\n" in _apply(story, {"host_ip": "127.0.0.1"}, web).out
    assert f"{name} network updated\n" in _apply(story, {"host_ip": address}, web).out
    assert story.ids() == {container.id}
    assert _answers("127.0.0.1", here)
    story.crash(container.id)
    wait_until(lambda: _answers(address, here), 20, "the next instance has it", story.account)
    assert not _answers("127.0.0.1", here)


def _apply(story: Story, network: dict[str, str], *deployments: dict[str, object]) -> Answer:
    manifest = {
        "namespaces": {"it": {"name": story.namespace, "network": network}},
        "deployments": {f"{each['name']}": each for each in deployments},
    }
    answer = story.ring.run("apply", "-f", "-", stdin=json.dumps(manifest))
    assert (answer.code, answer.err) == (0, ""), answer
    return answer


def _answers(address: str, port: int) -> bool:
    """Whether a GET there has an answer: an engine's proxy alone takes a connection, too."""
    try:
        with socket.create_connection((address, port), timeout=2) as link:
            link.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return bool(link.recv(1))
    except OSError:
        return False
