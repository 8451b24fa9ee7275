"""What private engines are made of: the Debian packages, and the programs that are no commands."""

# It runs fixed argument lists.
# ruff: noqa: S603

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.lib.engine import EngineProblem, run

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = {
    "dockerd": "docker.io",
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "umount": "mount",
    "docker-registry": "docker-registry",
    "nginx": "nginx-light",  # the proxy of the tests and benches of rolling updates
    "zsh": "zsh",  # completions are tested by the shells themselves
    "fish": "fish",
    "nft": "nftables",  # keeps Podman's networks apart
    "podman": "podman",
    "newuidmap": "uidmap",
    "slirp4netns": "slirp4netns",
    "fuse-overlayfs": "fuse-overlayfs",
    "catatonit": "catatonit",  # what `init` is on Podman
}
PODMAN_HELPERS = Path("/usr/lib/podman")
"""Where Debian keeps what Podman alone starts: its packages are named as the programs."""
CNI_PLUGINS = Path("/usr/lib/cni")
"""What makes the networks of containerd's instances."""
POLICY = Path("/usr/sbin/policy-rc.d")


def ensure() -> list[str]:
    """Installs what is missing; returns the packages installed. No service is started."""
    add_sbin_to_path()
    missing = [package for command, package in PACKAGES.items() if shutil.which(command) is None]
    missing += [
        helper for helper in ("netavark", "aardvark-dns") if not (PODMAN_HELPERS / helper).exists()
    ]
    if not (CNI_PLUGINS / "bridge").exists():
        missing.append("containernetworking-plugins")
    if _static_busybox() is None:
        missing.append("busybox-static")
    if faketime() is None:
        missing.append("libfaketime")
    if not missing:
        return []
    with _services_held_back():
        if not any(Path("/var/lib/apt/lists").glob("*Packages*")) or not install(missing):
            run("apt-get", "update", "-qq")
            if not install(missing):
                raise EngineProblem(f"apt-get cannot install {' '.join(missing)}")
    return missing


def install(packages: list[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    argv = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages]
    return subprocess.run(argv, env=environment, stdout=sys.stderr, check=False).returncode == 0


@contextlib.contextmanager
def _services_held_back() -> Iterator[None]:
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def faketime() -> Path | None:
    """The library that gives a program with threads another clock, if it is there.

    Debian puts it under its architecture's directory; nothing of it is a command.
    """
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def busybox() -> Path:
    """The busybox that needs no libraries. Raises EngineProblem."""
    found = _static_busybox()
    if found is None:
        raise EngineProblem("busybox-static is not installed: run `engines.py ensure`")
    return found


def _static_busybox() -> Path | None:
    """The busybox that needs no libraries, if there is one."""
    for candidate in (Path("/bin/busybox"), Path("/usr/bin/busybox")):
        if candidate.exists() and _is_static(candidate.read_bytes()):
            return candidate
    return None


def _is_static(program: bytes) -> bool:
    """True for a 64-bit ELF file none of whose program headers names an interpreter."""
    (start,) = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    interpreter = 3  # PT_INTERP
    kinds = [struct.unpack_from("<I", program, start + size * index)[0] for index in range(count)]
    return interpreter not in kinds


def add_sbin_to_path() -> None:
    entries = os.environ.get("PATH", "").split(os.pathsep)
    missing = [entry for entry in ("/usr/sbin", "/sbin") if entry not in entries]
    os.environ["PATH"] = os.pathsep.join([*entries, *missing])
