"""Refusals of an engine that lacks a right, with what gives it, which their texts do not tell.

The texts are those of Podman, crun and runc where their user may do less than root. They quote
what was ordered, so all that is repeated here has its bounds: it is looked for on the loop.
"""

from __future__ import annotations

import re

PORTS_SETTING = "net.ipv4.ip_unprivileged_port_start"
_PORT = re.compile(
    r"privileged port (?P<named>\d+)"
    r"|(?:listen|bind)\S{0,8} .{0,64}?:(?P<bound>\d{1,5}):? .{0,32}permission denied"
    r"|add_hostfwd.*\"?host_port\"?: ?(?P<forwarded>\d+)"
)
_CONTROLLER = re.compile(
    r"controller [`'\"]?(?P<named>\w+)[`'\"]? (?:is )?not (?:available|delegated|found|enabled)"
    r"|cgroup\S*/(?P<file>cpu|cpuset|memory|pids|io|hugetlb)\.[a-z_.]+[`'\"]?:"
    r" (?:no such file|permission denied|operation not permitted)"
    r"|cannot set (?P<limited>cpu|memory|pids|io) limit",
    re.IGNORECASE,
)


def explained(message: str) -> str:
    """The message, and what its administrator may do about it where a right is missing."""
    if (port := _port(message)) is not None:
        return (
            f"port {port} is below the first that the engine's user may take: choose a larger one, "
            f"or allow it with `sysctl {PORTS_SETTING}={port}` as root: {message}"
        )
    if found := _CONTROLLER.search(message):
        name = found["named"] or found["file"] or found["limited"]
        return (
            f"the engine's user may not limit {name}: delegate the cgroup controller '{name}' to "
            f"it (Delegate= of user@.service), or leave the limit out: {message}"
        )
    return message


def _port(message: str) -> str | None:
    found = _PORT.search(message)
    if found is None:
        return None
    port = next(filter(None, found.groups()))
    return port if int(port) < 1024 else None
