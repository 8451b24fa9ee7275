"""Refusals for want of a right, in the words of those who refuse."""

from __future__ import annotations

import time

import pytest

from ring.runtimes.docker.connection import LONGEST_TEXT
from ring.runtimes.docker.rights import explained


@pytest.mark.parametrize(
    ("message", "port"),
    [
        (
            "rootlessport cannot expose privileged port 80, you can add "
            "'net.ipv4.ip_unprivileged_port_start=80' to /etc/sysctl.conf (currently 1024), or "
            "choose a larger port number (>= 1024): listen tcp 0.0.0.0:80: bind: permission denied",
            "80",
        ),
        ("listen tcp4 127.0.0.1:443: bind: permission denied", "443"),
        ("listen udp [::]:53: bind: permission denied", "53"),
    ],
)
def test_a_port_that_only_root_may_take(message: str, port: str) -> None:
    told = explained(message)
    assert told.startswith(f"port {port} is below the first that the engine's user may take")
    assert f"`sysctl net.ipv4.ip_unprivileged_port_start={port}`" in told
    assert told.endswith(message)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("crun: the requested cgroup controller `cpu` is not available: OCI runtime error", "cpu"),
        ("crun: controller `pids` is not available under /sys/fs/cgroup/user.slice", "pids"),
        (
            "runc: runc create failed: error setting cgroup config for procHooks process: openat2 "
            "/sys/fs/cgroup/user.slice/x.scope/cpu.max: no such file or directory",
            "cpu",
        ),
        (
            'failed to write "10000": open /sys/fs/cgroup/x/pids.max: permission denied',
            "pids",
        ),
        ("runc: cannot set memory limit: container could not join or create cgroup", "memory"),
    ],
)
def test_a_controller_that_is_not_delegated(message: str, name: str) -> None:
    told = explained(message)
    assert f"delegate the cgroup controller '{name}'" in told
    assert told.endswith(message)


@pytest.mark.parametrize(
    "message",
    [
        "crun: executable file `nothing` not found in $PATH: No such file or directory",
        "open /srv/cpu.txt: permission denied",
        "listen tcp4 10.0.0.1:8080: bind: permission denied",
        'exec: "/memory": permission denied',
        "",
    ],
)
def test_what_lacks_no_right_is_told_as_it_is(message: str) -> None:
    assert explained(message) == message


@pytest.mark.parametrize("piece", ["bind :1 ", "listen :1: ", "cgroup/", "cannot set cpu "])
def test_what_is_quoted_of_an_order_takes_no_time(piece: str) -> None:
    message = (piece * LONGEST_TEXT)[:LONGEST_TEXT]
    before = time.thread_time()
    assert explained(message) == message
    assert time.thread_time() - before < 0.1
