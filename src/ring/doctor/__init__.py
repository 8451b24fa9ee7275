"""`ring doctor`: whether this machine has what the server and its runtimes need.

A composition root, as the server is: it may know every part. Looks, and changes nothing.
"""

from __future__ import annotations

import asyncio
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from ring.doctor import containers, microvms, orphans, server
from ring.doctor.host import Host
from ring.doctor.microvms import Machine
from ring.doctor.process import server_process
from ring.doctor.report import Group, Probe, examined, failed, passed, told
from ring.settings import config_dir

if TYPE_CHECKING:
    from pathlib import Path

    from ring.runtimes.base import Runtime
    from ring.settings import ServerSettings
    from ring.settings.sources import Environ

TITLES = {
    "docker": "Docker",
    "podman": "Podman",
    "containerd": "containerd",
    "cloud-hypervisor": "Cloud Hypervisor",
    "firecracker": "Firecracker",
}
MATURITY = {
    "docker": "production",
    "podman": "beta",
    "containerd": "beta",
    "cloud-hypervisor": "alpha",
    "firecracker": "experimental",
}
WITHOUT_CHOICE = ("docker", "cloud-hypervisor")
"""What is looked at while no runtime is enabled."""


def examine(config: Path | None, context: str | None, environ: Environ) -> tuple[Group, ...]:
    """The server's group and one for each runtime. Takes no longer than its slowest probe."""
    return asyncio.run(look(config, context, Host(environ)))


async def look(config: Path | None, context: str | None, host: Host) -> tuple[Group, ...]:
    """As examine, on the running loop."""
    known = server.read(config, context, host)
    groups = [examined("Server", server.probes(known, host))]
    if known.settings is not None:
        tables = known.settings.runtimes
        chosen = [name for name in TITLES if tables[name].enabled] or WITHOUT_CHOICE
        for name in chosen:
            probes = (
                *_probes(name, known.settings, host),
                *_orphans(name, known.settings),
                *_standing(name),
            )
            groups.append(examined(TITLES[name], probes))
    return tuple(await asyncio.gather(*groups))


def _probes(name: str, settings: ServerSettings, host: Host) -> tuple[Probe, ...]:
    options = settings.runtimes[name].options
    match name:
        case "docker":
            return containers.docker(host, options)
        case "podman":
            return containers.podman(host, options)
        case "containerd":
            return containers.containerd(host, options)
    process = server_process(host, settings.database_path)
    machine = Machine(name, options, config_dir(host.environ), process)
    if name == "firecracker":
        return microvms.firecracker(host, machine)
    return microvms.cloud_hypervisor(host, machine)


def _orphans(name: str, settings: ServerSettings) -> tuple[Probe, ...]:
    """Where a server has run: what it has left on the engine."""
    adapters = {point.name: point for point in entry_points(group="ring.runtimes")}
    if name not in adapters or not settings.database_path.exists():
        return ()

    def opened() -> Runtime:
        runtime: Runtime = adapters[name].load()(settings.runtimes[name].options)
        return runtime

    return (orphans.on_engine(settings.database_path, name, opened),)


def _standing(name: str) -> tuple[Probe, ...]:
    """How far the runtime has come; and whether this version has it at all."""
    maturity = told(passed("maturity", MATURITY[name]))
    if name in {point.name for point in entry_points(group="ring.runtimes")}:
        return (maturity,)
    missing = (
        "not available in this version of Ring: the server does not start while "
        f"[server.runtime.{name.replace('-', '_')}] is enabled"
    )
    return (told(failed("adapter", missing)), maturity)
