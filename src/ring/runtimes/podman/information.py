"""What Podman says of itself and of its host, as what its administrator should know."""

from __future__ import annotations

import os
import pwd
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from ring.runtimes.base import RuntimeFailure
from ring.runtimes.docker import payload
from ring.runtimes.docker.dialect import SOUND, About

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.runtimes.docker.connection import Connection
    from ring.runtimes.docker.payload import Payload

LIMITING = ("cpu", "memory", "pids")
"""The control group controllers that limits need."""
ROOT = Path("/")
NETAVARK = "netavark"
PLUGIN_FOLDERS = (
    "usr/local/libexec/cni",
    "usr/libexec/cni",
    "usr/local/lib/cni",
    "usr/lib/cni",
    "opt/cni/bin",
)
"""Of CNI, as Podman has them by itself."""


async def about(connection: Connection) -> About:
    """See Dialect.about. An engine that does not say counts as sound."""
    try:
        answer = await connection.call("GET", "/libpod/info")
        if answer.status != HTTPStatus.OK:
            return SOUND
        host = payload.section(payload.as_payload(answer.json()), "host")
        is_here = connection.endpoint.socket is not None
        has_names = _has_names(host, is_here=is_here)
        notices = (*found(host, has_names=has_names), *(lingering(host) if is_here else ()))
        return About(notices, has_names)
    except RuntimeFailure:
        return SOUND


async def is_rootless(connection: Connection) -> bool:
    """Whether it runs as a user of its host. Raises Unavailable."""
    answer = await connection.call("GET", "/libpod/info")
    if answer.status != HTTPStatus.OK:
        return False
    return _is_rootless(payload.section(payload.as_payload(answer.json()), "host"))


def found(host: Payload, *, has_names: bool) -> Iterator[str]:
    """What is amiss by the engine's own word. Raises Unavailable for what is no information."""
    backend = _backend(host)
    if backend != NETAVARK:
        yield (
            f"its network backend is {backend}: by itself it does not isolate the networks of "
            "namespaces from each other; install netavark and aardvark-dns, and run "
            "`podman system reset`"
        )
    if not has_names:
        package = "aardvark-dns" if backend == NETAVARK else "dnsname"
        yield f"instances do not find each other by name: {package} is not installed"
    if not _is_rootless(host):
        return
    if host.get("cgroupVersion") != "v2":
        yield (
            "it is rootless, and control groups of version 1 cannot be given to a user: Podman "
            "ignores limits, and figures of instances are those of their processes"
        )
        return
    controllers = payload.texts(host, "cgroupControllers")
    if missing := [name for name in LIMITING if name not in controllers]:
        yield (
            f"it is rootless and may not limit {', '.join(missing)}: deployments with such limits "
            "will not start; delegate the controllers to the user (Delegate= of user@.service)"
        )


def lingering(host: Payload, root: Path = ROOT) -> tuple[str, ...]:
    """Whether what a user runs outlives the user's last session."""
    if not _is_rootless(host) or not (root / "run/systemd/system").is_dir():
        return ()
    user = _user()
    if (root / "var/lib/systemd/linger" / user).exists():
        return ()
    return (
        f"it is rootless, and its containers end when {user} is not logged in any more: "
        f"`sudo loginctl enable-linger {user}`",
    )


def _backend(host: Payload) -> object:
    return host.get("networkBackend") or "cni"


def _has_names(host: Payload, *, is_here: bool, root: Path = ROOT) -> bool:
    """Whether its backend has what answers for names. Releases before 4.5 do not tell: then the
    plugin of CNI is looked for where they look, and netavark passes for whole."""
    if "networkBackendInfo" in host:
        told = payload.section(host, "networkBackendInfo")
        return bool(payload.section(told, "dns").get("path"))
    if _backend(host) == NETAVARK or not is_here:
        return True
    return any((root / folder / "dnsname").exists() for folder in PLUGIN_FOLDERS)


def _is_rootless(host: Payload) -> bool:
    return payload.section(host, "security").get("rootless") is True


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
