"""The whole specification: an order, its image and what is around it become what runc takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ring.core.model.hardening import in_effect
from ring.runtimes.containerd.oci import (
    capabilities,
    confinement,
    devices,
    mounts,
    process,
    resources,
    seccomp,
)
from ring.runtimes.containerd.oci.init import find_init

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ring.core.model.spec import DeploymentSpec, Security
    from ring.runtimes.base import Order
    from ring.runtimes.containerd.image_config import ImageConfig
    from ring.runtimes.containerd.oci.users import ResolvedUser

__all__ = ["Surroundings", "build", "find_init"]

VERSION: Final = "1.0.2"
ROOT: Final = "rootfs"
_MASKED: Final = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
_READ_ONLY: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_SYSCTLS: Final = {
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": "0 2147483647",
}
"""A program that is not root's binds any port and pings, in a network that is its own."""
_OTHERS_NETWORK: Final = frozenset({"host", "shared"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What one instance finds around it."""

    directory: Path
    """Its own files: `hosts`, `hostname` and `resolv.conf` are there."""
    netns: str | None
    """The path of its network namespace; None: the host's."""
    cgroups_path: str
    has_cgroup_v2: bool
    apparmor: str | None
    """The usual profile, where the host has one loaded."""
    mounts: tuple[dict[str, object], ...]
    """Of its volumes, see `Volumes.prepare`."""
    user: ResolvedUser
    seccomp: str | None = field(default=None, repr=False)
    """The JSON of the profile whose path the spec names."""
    init: str | None = None
    """The program of `find_init`, where that is known."""


def build(
    order: Order, image: ImageConfig, around: Surroundings, annotations: Mapping[str, str]
) -> dict[str, object]:
    """What the instance is run by, as JSON has it.

    Looks at devices, and at what this host's kernel and modules can do: for a thread. Raises
    RuntimeFailure(INSTANCE_REJECTED) for what the image or this host does not have.
    """
    spec, security = order.spec, in_effect(order.spec)
    is_privileged = _is_privileged(spec)
    labels = None if is_privileged else confinement.selinux(security, order.name)
    return {
        "ociVersion": VERSION,
        "process": _process(order, image, around, security, labels),
        "root": {"path": ROOT, "readonly": bool(security.read_only)},
        "hostname": process.hostname(spec),
        "mounts": mounts.all_of(
            spec,
            around.directory,
            around.mounts,
            (around.init or find_init()) if spec.init else None,
            is_read_only=bool(security.read_only),
            is_privileged=is_privileged,
        ),
        "annotations": dict(annotations),
        "linux": _linux(spec, around, security, labels),
    }


def _is_privileged(spec: DeploymentSpec) -> bool:
    user = spec.config.user if spec.config else None
    return bool(user and user.privileged)


def _process(
    order: Order,
    image: ImageConfig,
    around: Surroundings,
    security: Security,
    labels: confinement.Labels | None,
) -> dict[str, object]:
    user, is_privileged = around.user, _is_privileged(order.spec)
    found: dict[str, object] = {
        "terminal": False,
        "user": {
            "uid": user.uid,
            "gid": user.gid,
            "additionalGids": list(user.additional_gids),
        },
        "args": process.arguments(order, image),
        "env": process.environment(order, image, user.home),
        "cwd": process.directory(image),
        "capabilities": capabilities.sets(security, is_privileged=is_privileged, uid=user.uid),
        "rlimits": process.rlimits(order.spec.ulimits),
        "noNewPrivileges": bool(security.no_new_privileges),
        "oomScoreAdj": 0,
    }
    profile = confinement.apparmor(security, around.apparmor, is_privileged=is_privileged)
    if profile is not None:
        found["apparmorProfile"] = profile
    if labels is not None:
        found["selinuxLabel"] = labels.process
    return found


def _linux(
    spec: DeploymentSpec,
    around: Surroundings,
    security: Security,
    labels: confinement.Labels | None,
) -> dict[str, object]:
    is_privileged = _is_privileged(spec)
    nodes, rules = _devices(spec)
    has_swap_limit = resources.can_limit_swap(has_cgroup_v2=around.has_cgroup_v2)
    found: dict[str, object] = {
        "cgroupsPath": around.cgroups_path,
        "namespaces": _namespaces(around),
        "devices": nodes,
        "resources": {
            "devices": rules,
            **resources.limits(spec.resources, has_swap_limit=has_swap_limit),
        },
        "sysctl": _sysctls(spec),
        "maskedPaths": [] if is_privileged else list(_MASKED),
        "readonlyPaths": [] if is_privileged else list(_READ_ONLY),
    }
    if filters := _seccomp(security, around.seccomp, is_privileged=is_privileged):
        found["seccomp"] = filters
    if labels is not None:
        found["mountLabel"] = labels.files
    return found


def _namespaces(around: Surroundings) -> list[dict[str, str]]:
    kinds = ["pid", "ipc", "uts", "mount", *(["cgroup"] if around.has_cgroup_v2 else [])]
    found = [{"type": kind} for kind in kinds]
    if around.netns is not None:
        found.append({"type": "network", "path": around.netns})
    return found


def _devices(spec: DeploymentSpec) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The nodes, each in its place once, and the rules of who may use which."""
    ordered = devices.nodes(spec.devices)
    every = devices.of_the_host() if _is_privileged(spec) else []
    nodes = {str(node["path"]): node for node in (*every, *(node for node, _ in ordered))}
    if _is_privileged(spec):
        return list(nodes.values()), devices.all_rules()
    allowed = [devices.rule(node, permissions) for node, permissions in ordered]
    return list(nodes.values()), [*devices.default_rules(), *allowed]


def _sysctls(spec: DeploymentSpec) -> dict[str, str]:
    usual = {} if spec.network_mode in _OTHERS_NETWORK else _SYSCTLS
    return {**usual, **spec.sysctls}


def _seccomp(
    security: Security, profile: str | None, *, is_privileged: bool
) -> dict[str, object] | None:
    if is_privileged or security.seccomp == confinement.UNCONFINED:
        return None
    held = capabilities.bounding(security, is_privileged=False)
    if security.seccomp is None or security.seccomp == seccomp.USUAL:
        return seccomp.default(held)
    return seccomp.named(security.seccomp, profile, held)
