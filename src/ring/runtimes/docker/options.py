"""Security and process settings in the engine's words: the part of a create body they fill.

Pure, as `mapping` is; what has to be read for it first (a profile, an address) comes as `Found`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ring.core.model.hardening import in_effect
from ring.core.model.quantities import parse_memory
from ring.core.model.spec import Ulimit
from ring.core.rules.security import OPTIONS
from ring.runtimes.docker import modules, payload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.core.model.spec import DeploymentSpec, Device, Security, Tmpfs
    from ring.runtimes.docker.payload import Payload

HONOURED: Final = frozenset(OPTIONS) - frozenset(modules.OPTIONS.values())
"""On every host: all there is but what depends on its modules."""
UNCONFINED: Final = "unconfined"
HOST_GATEWAY: Final = "host-gateway"
_SELINUX_PARTS: Final = ("user", "role", "type", "level")


@dataclass(frozen=True, slots=True)
class Found:
    """What the settings of one spec refer to."""

    seccomp: str | None = field(default=None, repr=False)
    """The JSON of the profile whose path the spec names."""
    gateway: str | None = None
    """What `host-gateway` stands for; None: the engine decides."""
    is_labelled: bool = False
    """The engine's host has SELinux: an instance reads no file that is not labelled for it."""


def top_level(spec: DeploymentSpec) -> dict[str, object]:
    """Members of the body itself. What is not set is left out: the engine's default holds."""
    return {} if spec.hostname is None else {"Hostname": spec.hostname}


def host_config(spec: DeploymentSpec, found: Found) -> dict[str, object]:
    """Members of its `HostConfig`."""
    security = in_effect(spec)
    lists: dict[str, object] = {
        "CapAdd": list(security.cap_add),
        "CapDrop": list(security.cap_drop),
        "SecurityOpt": _security_options(security, found),
        "Tmpfs": {entry.destination: _tmpfs(entry) for entry in spec.tmpfs},
        "Ulimits": [_ulimit(name, limit) for name, limit in spec.ulimits.items()],
        "Sysctls": dict(spec.sysctls),
        "Devices": [_device(device) for device in spec.devices],
        "ExtraHosts": _extra_hosts(spec.extra_hosts, found.gateway),
    }
    members = {name: value for name, value in lists.items() if value}
    if spec.shm_size is not None:
        members["ShmSize"] = parse_memory(spec.shm_size)
    return {
        **members,
        "ReadonlyRootfs": bool(security.read_only),
        # Said also when it is not wanted: an engine may be set up to give one to everything.
        "Init": bool(spec.init),
    }


def confined_by(host_config: Payload) -> list[str]:
    """What of AppArmor and SELinux an existing container asks for: `apparmor=web`."""
    written = payload.texts(host_config, "SecurityOpt")
    return [option for option in written if option.startswith(("apparmor=", "label="))]


def _security_options(security: Security, found: Found) -> list[str]:
    options = ["no-new-privileges:true"] if security.no_new_privileges else []
    if security.seccomp == UNCONFINED:
        options.append(f"seccomp={UNCONFINED}")
    elif found.seccomp is not None:
        options.append(f"seccomp={found.seccomp}")
    if security.apparmor is not None:
        options.append(f"apparmor={security.apparmor}")
    if security.selinux.get("disable") is True:
        options.append("label=disable")
    parts = ((part, security.selinux.get(part)) for part in _SELINUX_PARTS)
    return options + [f"label={part}:{value}" for part, value in parts if value is not None]


def _tmpfs(entry: Tmpfs) -> str:
    size = None if entry.size is None else f"size={parse_memory(entry.size)}"
    mode = None if entry.mode is None else f"mode={entry.mode}"
    return ",".join(part for part in (size, mode) if part)


def _ulimit(name: str, limit: int | Ulimit) -> dict[str, object]:
    soft, hard = (limit.soft, limit.hard) if isinstance(limit, Ulimit) else (limit, limit)
    return {"Name": name, "Soft": soft, "Hard": hard}


def _device(device: Device) -> dict[str, str]:
    return {
        "PathOnHost": device.source,
        "PathInContainer": device.destination or device.source,
        "CgroupPermissions": device.permissions,
    }


def _extra_hosts(hosts: Mapping[str, str], gateway: str | None) -> list[str]:
    """The engine's own `host-gateway` is that of its default bridge, where instances are not."""
    known = {HOST_GATEWAY: gateway or HOST_GATEWAY}
    return [f"{name}:{known.get(address, address)}" for name, address in hosts.items()]
