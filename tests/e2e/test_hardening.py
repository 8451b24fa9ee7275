"""A web server that has next to no rights, and what becomes of a change of them."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.both import ON_ALL
from tests.e2e.polling import wait_until
from tests.e2e.ring import free_port

if TYPE_CHECKING:
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

Fields = dict[str, Any]
SERVE = ["sh", "-c", "echo served >/www/index.html; exec httpd -f -p 80 -h /www"]


@ON_ALL
def test_a_hardened_web_server(story: Story) -> None:
    port = free_port()
    config: Fields = {
        "image_pull_policy": "IfNotPresent",
        "user": {"id": 1000, "group": 1000},
    }
    security = {"hardened": True, "cap_add": ["NET_BIND_SERVICE"]}
    fields: Fields = {
        "command": SERVE,
        "config": config,
        "security": security,
        "tmpfs": [{"destination": "/www", "size": "1Mi"}],
        "init": True,  # a shell as the first process would not be asked to end
        "ports": [{"published": port, "target": 80}],
    }

    # without a user of its own it is refused, with everything else that is wrong
    without: Fields = {**fields, "config": {**config, "user": {"id": 0}}, "hostname": "-"}
    refused = story.apply(story.worker(**without))
    assert refused.code == 1
    assert "* config.user.id: a hardened deployment needs a user id other than 0" in refused.err
    assert "* hostname: " in refused.err
    assert story.rows() == []

    story.applied(story.worker(**fields))
    (first,) = story.wait_whole(1)
    wait_until(partial(_serves, port), 15, "it serves on port 80")
    row = story.row()
    assert row["security"] == security
    shown = story.ring.run("deployment", "inspect", f"{story.namespace}/web").out
    assert "User         : 1000:1000" in shown
    assert "  security.cap_add = NET_BIND_SERVICE\n" in shown
    assert "unchanged" in story.applied(story.worker(**fields)).out

    # a change is shown beforehand, makes a new row, and is in its history
    # By itself Podman would set a number of processes, which this machine may not allow.
    changed: Fields = {**fields, "ulimits": {"nofile": 256, "nproc": 5000}}
    assert "  ulimits.nofile: - -> 256\n" in _diff(story, **changed)
    story.applied(story.worker(**changed))
    wait_until(lambda: story.row()["id"] != row["id"], 10, "there is a new row")
    story.wait_whole(1)
    wait_until(lambda: first.id not in story.ids(), 15, "the old instance is gone")
    history = story.ring.run("deployment", "history", f"{story.namespace}/web", "--diff").out
    assert "ulimits.nofile" in history

    # what the host does not have ends in an error that names it, without an instance
    story.applied(story.worker(**changed, devices=[{"source": "/dev/ring-none"}]))
    story.wait_for("create_container_error")
    assert any("/dev/ring-none" in event.message for event in story.events())
    wait_until(lambda: not story.ids(), 15, "nothing is left behind")


def _diff(story: Story, **fields: Any) -> str:
    worker = story.worker(**fields)
    manifest = json.dumps({"deployments": {"web": worker}})
    return story.ring.run("diff", "-f", "-", stdin=manifest).out


def _serves(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/")
            return connection.getresponse().read() == b"served\n"
        except (OSError, http.client.HTTPException):
            return False
