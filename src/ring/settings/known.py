"""The keys of `[server]`: what is none of them is probably a typing mistake, and named."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ring.settings.sources import Table

_REGISTRY = ("use_host_registry_auth", "host_registry_config")
_ENGINE = dict.fromkeys(
    ("enabled", "optional", "host", "tls_ca", "tls_cert", "tls_key", *_REGISTRY)
)

_SIGNAL = ("enabled", "endpoint", "service_name")

KNOWN: Mapping[str, object] = {
    "api": dict.fromkeys(("host", "port", "cors_origins")),
    "scheduler": dict.fromkeys(("interval", "crash_loop_retry")),
    "network": dict.fromkeys(("pool", "pool_prefix", "vm_pool", "default_host_ip")),
    "dashboard": dict.fromkeys(("enabled", "listen_address")),
    "runtime": {
        "docker": _ENGINE,
        "podman": _ENGINE,
        "containerd": None,
        "cloud_hypervisor": None,
        "firecracker": None,
    },
    "telemetry": {
        "traces": dict.fromkeys((*_SIGNAL, "sampler")),
        "metrics": dict.fromkeys((*_SIGNAL, "interval_seconds")),
        "logs": dict.fromkeys(_SIGNAL),
    },
}
"""Members by name; None: whatever stands there is accepted."""


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
