"""The keys of `[server]`: what is none of them is probably a typing mistake, and named."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ring.settings.sources import Table

_REGISTRY = ("use_host_registry_auth", "host_registry_config")
_EVERY = ("enabled", "optional")
_ENGINE = dict.fromkeys((*_EVERY, "host", "tls_ca", "tls_cert", "tls_key", *_REGISTRY))
_CONTAINERD = (
    *("socket", "namespace", "snapshotter", "shim", "cgroup_driver"),
    *("cni_bin_dirs", "cni_conf_dir", "dns"),
    *("registry_hosts_dir", "insecure_registries", "log_max_size", "log_max_files"),
)
_MICROVM = (
    *("binary_path", "socket_dir", "max_console_log_bytes", "max_console_log_backups"),
    *("shutdown_timeout", "port_forwarding", "guest_agent", "dns", "namespace_network"),
)

_SIGNAL = ("enabled", "endpoint", "service_name")

KNOWN: Mapping[str, object] = {
    "api": dict.fromkeys(("host", "port", "cors_origins")),
    "scheduler": dict.fromkeys(("interval", "crash_loop_retry", "revision_history")),
    "network": dict.fromkeys(("pool", "pool_prefix", "vm_pool", "default_host_ip")),
    "images": dict.fromkeys(("gc", "gc_min_age", "gc_max_age", "gc_high", "gc_low", "gc_interval")),
    "logs": dict.fromkeys(("ended_instances", "ended_size")),
    "dashboard": dict.fromkeys(("enabled", "listen_address")),
    "runtime": {
        "docker": _ENGINE,
        "podman": _ENGINE,
        "containerd": dict.fromkeys((*_EVERY, *_REGISTRY, *_CONTAINERD)),
        "cloud_hypervisor": dict.fromkeys((*_EVERY, *_MICROVM, "firmware_path", "seccomp")),
        "firecracker": dict.fromkeys(
            (*_EVERY, *_MICROVM, "kernel_path", "boot_args", "default_volume_size_mib")
        ),
    },
    "telemetry": {
        "traces": dict.fromkeys((*_SIGNAL, "sampler")),
        "metrics": dict.fromkeys((*_SIGNAL, "interval_seconds")),
        "logs": dict.fromkeys(_SIGNAL),
    },
}
"""Members by name; None: a value."""


def unknown_keys(server: Table) -> tuple[str, ...]:
    """One warning for each key under `[server]` that Ring does not know."""
    return tuple(
        f"{server.file}: unknown key '{path}' ignored"
        for path in _unknown(server.values, KNOWN, server.where)
    )


def _unknown(values: Mapping[str, object], known: Mapping[str, object], at: str) -> Iterator[str]:
    for key, value in values.items():
        path = f"{at}.{key}"
        if key not in known:
            yield path
            continue
        members = known[key]
        if isinstance(members, dict) and isinstance(value, dict):
            yield from _unknown(value, members, path)
