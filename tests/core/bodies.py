"""Bodies and capabilities that the tests of checking start from."""

from __future__ import annotations

import json
from typing import Any

from ring.core.checking import Checked, check
from ring.core.model.capabilities import Capabilities
from ring.core.rules.security import OPTIONS

CONTAINER = Capabilities(
    host_network=True, cpu_stats=True, pull=True, ports=True, command=True, user=True,
    options=frozenset(OPTIONS),
)  # fmt: skip
CAPABILITIES = {
    "docker": CONTAINER,
    "podman": Capabilities(
        host_network=True, cpu_stats=True, pull=True, command=True, user=True, userns=True
    ),
    "cloud-hypervisor": Capabilities(image="disk"),
    "firecracker": Capabilities(image="rootfs", max_volumes=24),
}
EVERYTHING: frozenset[str] = frozenset()
"""Nothing is unavailable."""

MINIMAL: dict[str, Any] = {
    "name": "web",
    "namespace": "shop",
    "runtime": "docker",
    "image": "nginx:1.27",
}
ON_CH = {"runtime": "cloud-hypervisor", "image": "/srv/disk.raw"}
ON_FC = {"runtime": "firecracker", "image": "/srv/root.ext4"}

FULL: dict[str, Any] = {
    **MINIMAL,
    "manifest": "site",
    "kind": "worker",
    "replicas": 1,
    "command": ["serve", "--all"],
    "environment": {"LOG": "json", "DB": {"secretRef": "db"}},
    "volumes": [
        {
            "type": "bind", "source": "/srv", "destination": "/data", "driver": "local",
            "permission": "rw", "relabel": "shared",
        },
        {"type": "config", "source": "conf", "key": "a.conf", "destination": "/etc/a.conf"},
    ],
    "ports": [{"published": 8080, "target": 80, "protocol": "tcp", "host_ip": "127.0.0.1"}],
    "network": {"mode": "bridge", "aliases": ["a"]},
    "labels": {"tier": "edge"},
    "resources": {
        "limits": {"cpu": "500m", "memory": "64Mi"},
        "requests": {"cpu": "0.1", "memory": "1048576"},
    },
    "health_checks": [
        {
            "type": "tcp", "port": 80, "interval": "5s", "timeout": "1s", "threshold": 2,
            "on_failure": "restart", "readiness": True, "min_healthy_time": "0s",
            "start_period": "20s",
        },
        {
            "type": "http", "url": "http://localhost:80/", "interval": "5s", "timeout": "1s",
            "on_failure": "alert",
        },
        {
            "type": "command", "command": "true", "interval": "5s", "timeout": "1s",
            "on_failure": "stop",
        },
    ],
    "autoscale": {"min": 1, "max": 1, "target_cpu": 60},
    "auto_rollback": True,
    "config": {
        "image_pull_policy": "IfNotPresent", "server": "registry.test", "username": "u",
        "password": "p", "use_host_auth": False,
        "user": {"id": 1000, "group": 1000, "privileged": False},
    },
    "security": {
        "hardened": False, "cap_add": ["NET_ADMIN"], "cap_drop": ["CAP_KILL", "ALL"],
        "read_only": True, "no_new_privileges": True, "seccomp": "default",
        "apparmor": "unconfined", "selinux": {"level": "s0"},
    },
    "tmpfs": [{"destination": "/scratch", "size": "1Mi", "mode": "1777"}],
    "ulimits": {"nofile": {"soft": 10, "hard": -1}, "core": -1},
    "sysctls": {"net.core.somaxconn": "1024"},
    "devices": [{"source": "/dev/fuse", "destination": "/dev/fuse", "permissions": "rw"}],
    "shm_size": "64Mi",
    "init": True,
    "hostname": "web-1",
    "extra_hosts": {"db.local": "10.0.0.1", "gw": "host-gateway"},
    "stop_grace_period": "10m",
    "stop_signal": "SIGINT",
}  # fmt: skip
"""Every field there is, and no violation."""


def checked(
    patch: dict[str, Any], *, unavailable: frozenset[str] = EVERYTHING, base: Any = MINIMAL
) -> Checked:
    """What comes of the base with some members replaced."""
    return check(json.dumps({**base, **patch}), CAPABILITIES, unavailable=unavailable)


def found(patch: dict[str, Any], **options: Any) -> list[tuple[str, str]]:
    """(code, path) of the violations."""
    return [(item.code, item.path) for item in checked(patch, **options).violations]
