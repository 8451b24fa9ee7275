"""The groups of the container engines: Docker, Podman, containerd."""

from __future__ import annotations

import asyncio
import os
import pwd
from typing import TYPE_CHECKING

from ring.core.errors import RingError
from ring.doctor.host import cgroups, nft
from ring.doctor.report import Check, Probe, failed, passed, quick
from ring.settings.places import cni_directory, podman_host

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        Probe("socket", lambda: _containerd_socket(host, path)),
        quick("CNI plugins", lambda: _plugins(host, written)),
        quick("CNI rules", lambda: _rule_plugins(host, written)),
        quick("runc shim", lambda: _shim(host)),
        *_common(host),
    )


async def _containerd_socket(host: Host, path: str) -> Check:
    try:
        _, writer = await asyncio.open_unix_connection(os.fspath(host.at(path)))
    except OSError as error:
        return failed("socket", f"{path}: {(error.strerror or str(error)).lower()}")
    writer.close()
    return failed(
        "socket", f"{path}: it is there, but this version of Ring cannot ask containerd anything"
    )


def _missing(host: Host, directory: str, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if not os.access(host.at(directory) / name, os.X_OK)]


def _plugins(host: Host, written: list[str]) -> Check:
    directory = cni_directory(written, host.environ, root=host.root)
    if missing := _missing(host, directory, NEEDED_PLUGINS):
        return failed(
            "CNI plugins",
            f"{', '.join(missing)} not found in {directory}: install the package "
            "containernetworking-plugins, or set CNI_PATH",
        )
    return passed("CNI plugins", f"{', '.join(NEEDED_PLUGINS)} in {directory}")


def _rule_plugins(host: Host, written: list[str]) -> Check:
    directory = cni_directory(written, host.environ, root=host.root)
    missing = _missing(host, directory, RULE_PLUGINS)
    if not missing:
        return passed("CNI rules", f"{', '.join(RULE_PLUGINS)} in {directory}")
    if host.which("nft"):
        return passed("CNI rules", f"{', '.join(missing)} not found: nft does the same")
    return failed(
        "CNI rules",
        f"neither {', '.join(missing)} in {directory} nor nft: published ports are unreachable; "
        "install the package containernetworking-plugins or nftables",
    )


def _shim(host: Host) -> Check:
    programs = ("containerd-shim-runc-v2", "runc")
    missing = [name for name in programs if host.which(name) is None]
    if missing:
        return failed("runc shim", f"{', '.join(missing)} not found in PATH")
    return passed("runc shim", ", ".join(str(host.which(name)) for name in programs))
