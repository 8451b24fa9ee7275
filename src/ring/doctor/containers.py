"""The groups of the container engines: Docker, Podman, containerd."""

from __future__ import annotations

import asyncio
import os
import pwd
from typing import TYPE_CHECKING

from ring.core.errors import RingError
from ring.doctor.host import cgroups, nft
from ring.doctor.report import Check, Probe, failed, passed, quick
from ring.network.cni import plugins
from ring.network.taken import CNI_CONF_DIR, kubernetes_sign
from ring.settings.places import cni_path, podman_host

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ring.doctor.host import Host
    from ring.runtimes.docker.adapter import DockerRuntime

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
NOTICES_S = 3.0
"""Within PROBE_S. Podman asks a package manager for some of what it tells with them."""
NEEDED_PLUGINS = ("bridge", "host-local", "loopback")
RULE_PLUGINS = ("portmap", "firewall")


def docker(host: Host, options: Mapping[str, object]) -> tuple[Probe, ...]:
    """The engine by its API, whatever programs there are; of a remote one nothing else is told."""
    probes = (
        Probe("docker", lambda: _docker_version(options)),
        Probe("daemon", lambda: _docker_ping(options)),
    )
    return probes if _is_remote(options) else (*probes, *_common(host))


def _common(host: Host) -> tuple[Probe, ...]:
    return (quick("cgroups", lambda: cgroups(host)), quick("nft", lambda: nft(host)))


def _open_docker(options: Mapping[str, object]) -> DockerRuntime:
    from ring.runtimes.docker.adapter import from_options

    return from_options(options)


def _is_remote(options: Mapping[str, object]) -> bool:
    try:
        return _open_docker(options).is_remote
    except RingError:
        return False


async def _docker_version(options: Mapping[str, object]) -> Check:
    try:
        runtime = _open_docker(options)
        try:
            return passed("docker", f"{await runtime.version()} at {runtime.location}")
        finally:
            await runtime.close()
    except RingError as error:
        return failed("docker", error.message)


async def _docker_ping(options: Mapping[str, object]) -> Check:
    try:
        runtime = _open_docker(options)
        try:
            await runtime.ping()
        finally:
            await runtime.close()
    except RingError as error:
        return failed("daemon", error.message)
    return passed("daemon", f"answers at {runtime.location}")


def podman(host: Host, options: Mapping[str, object]) -> tuple[Probe, ...]:
    """The engine over its socket; for an engine of a user, what keeps it running, too."""
    written = str(options.get("host") or "")
    probes: tuple[Probe, ...] = (
        Probe("socket", lambda: _podman_socket(host, written, options)),
        *_common(host),
    )
    if os.getuid() == 0:
        return probes
    user = _user()
    return (
        *probes,
        quick("subuid", lambda: _subordinate(host, "subuid", user)),
        quick("subgid", lambda: _subordinate(host, "subgid", user)),
        quick("linger", lambda: _linger(host, user)),
    )


async def _podman_socket(host: Host, written: str, options: Mapping[str, object]) -> Check:
    from ring.runtimes.podman.adapter import from_options

    place = await asyncio.to_thread(podman_host, written, host.environ, root=host.root)
    scope = "" if os.getuid() == 0 else "--user "
    try:
        runtime = from_options({**options, "host": place})
        try:
            version = await runtime.version()
            await runtime.ping()
            notices = await _notices(runtime)
        finally:
            await runtime.close()
    except RingError as error:
        hint = f"systemctl {scope}start podman.socket"
        return failed("socket", f"{place}: {error.message} (start it: `{hint}`)")
    return passed("socket", "; ".join([f"{version} at {place}", *notices]))


async def _notices(runtime: DockerRuntime) -> tuple[str, ...]:
    """None where it takes too long to tell: it answers, and that is what is asked."""
    try:
        async with asyncio.timeout(NOTICES_S):
            return await runtime.notices()
    except TimeoutError:
        return ()


def listed(directory: Path) -> list[Path]:
    """Empty where it cannot be read."""
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _subordinate(host: Host, name: str, user: str) -> Check:
    path = f"/etc/{name}"
    try:
        lines = host.at(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.partition(":")[0] in {user, str(os.getuid())}:
            return passed(name, f"{line} ({path})")
    way_out = f"`sudo usermod --add-{name}s 100000-165535 {user}`"
    return failed(name, f"{path} has no range for {user}: {way_out}")


def _linger(host: Host, user: str) -> Check:
    if not host.at("/run/systemd/system").is_dir():
        return passed("linger", "not needed: systemd does not run here")
    if host.at(f"/var/lib/systemd/linger/{user}").exists():
        return passed("linger", f"on for {user}")
    way_out = f"`sudo loginctl enable-linger {user}`"
    return failed("linger", f"off for {user}: containers end when nobody is logged in; {way_out}")


def containerd(host: Host, options: Mapping[str, object]) -> tuple[Probe, ...]:
    """Its socket, and what a container needs besides it."""
    path = str(options.get("socket") or CONTAINERD_SOCKET)
    listed = options.get("cni_bin_dirs")
    written = [str(item) for item in listed] if isinstance(listed, list) else []
    return (
        Probe("socket", lambda: _containerd_socket(path, options)),
        quick("CNI plugins", lambda: _plugins(host, written)),
        quick("CNI rules", lambda: _rule_plugins(host, written)),
        quick("runc shim", lambda: _shim(host)),
        quick("iptables", lambda: _iptables(host)),
        quick("Kubernetes", lambda: _kubernetes(host, options)),
        *_common(host),
    )


async def _containerd_socket(path: str, options: Mapping[str, object]) -> Check:
    from ring.runtimes.containerd.adapter import from_options

    try:
        runtime = from_options(options)
        try:
            return passed("socket", f"{await runtime.version()} at {runtime.location}")
        finally:
            await runtime.close()
    except RingError as error:
        return failed("socket", f"{path}: {error.message}")


def _kubernetes(host: Host, options: Mapping[str, object]) -> Check:
    """Whose the network is that a Kubernetes gives its pods: the first file's of CNI's folder."""
    sign = kubernetes_sign(host.at)
    if sign is None:
        return passed("Kubernetes", "none on this machine")
    written = str(options.get("cni_conf_dir") or "").strip()
    if not written or os.path.normpath(written) != CNI_CONF_DIR:
        return passed(
            "Kubernetes", f"{sign}: new networks of Ring are not configured in its folder"
        )
    first = next(iter(sorted(path.name for path in listed(host.at(written)))), "")
    if first.startswith("99-ring_"):
        return failed(
            "Kubernetes",
            f"{sign}: pods would get the network {first}, the first in {written}; set cni_conf_dir "
            "in [server.runtime.containerd] to another folder",
        )
    return passed("Kubernetes", f"{sign}: its network stays the first in {written}")


def _iptables(host: Host) -> Check:
    if host.which("iptables"):
        return passed("iptables", str(host.which("iptables")))
    return failed(
        "iptables",
        "not found in PATH: namespaces are not kept apart, and nothing reaches the outside; "
        "install the package iptables",
    )


def _plugins(host: Host, written: list[str]) -> Check:
    places = plugins.directories(written, cni_path(host.environ), host.at)
    if missing := plugins.missing(NEEDED_PLUGINS, places, host.at):
        return failed(
            "CNI plugins",
            f"{', '.join(missing)} not found in {', '.join(places)}: install the package "
            f"{plugins.PACKAGE}, or set CNI_PATH",
        )
    return passed("CNI plugins", f"{', '.join(NEEDED_PLUGINS)} in {', '.join(places)}")


def _rule_plugins(host: Host, written: list[str]) -> Check:
    places = plugins.directories(written, cni_path(host.environ), host.at)
    missing = plugins.missing(RULE_PLUGINS, places, host.at)
    if not missing:
        return passed("CNI rules", f"{', '.join(RULE_PLUGINS)} in {', '.join(places)}")
    without = {
        "portmap": "Ring relays published ports itself, so programs do not see their clients' "
        "addresses",
        "firewall": "rules of Ring's own keep namespaces apart",
    }
    return passed(
        "CNI rules",
        f"{', '.join(missing)} not found in {', '.join(places)}: "
        f"{'; '.join(without[name] for name in missing)}; install the package {plugins.PACKAGE} "
        "of version 1.1 or newer",
    )


def _shim(host: Host) -> Check:
    programs = ("containerd-shim-runc-v2", "runc")
    missing = [name for name in programs if host.which(name) is None]
    if missing:
        return failed("runc shim", f"{', '.join(missing)} not found in PATH")
    return passed("runc shim", ", ".join(str(host.which(name)) for name in programs))
