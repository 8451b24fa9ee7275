"""What is mounted into an instance: the kernel's own file systems, Ring's files, the order's.

The order's come last and win: what is mounted usually gives way where it is in the same place, so
that `/dev/shm` or `/etc/hosts` can be somebody's own.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from ring.core.model.quantities import parse_memory
from ring.runtimes.containerd.oci import kernel
from ring.runtimes.containerd.oci.process import INIT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ring.core.model.spec import DeploymentSpec, Tmpfs

    Mount = dict[str, object]

SHM_BYTES: Final = 64 * 1024 * 1024
RING_FILES: Final = ("hosts", "hostname", "resolv.conf")
"""Below `/etc`, written for each instance."""
_PRIVATE: Final = ("nosuid", "noexec", "nodev")


def bind(source: str, destination: str, *, is_read_only: bool) -> Mount:
    """Of a file or a folder, with what is mounted below it."""
    return {
        "destination": posixpath.normpath(destination),
        "type": "bind",
        "source": source,
        "options": ["rbind", "rprivate", *(_read_only() if is_read_only else ["rw"])],
    }


def _read_only() -> list[str]:
    """Also of what is mounted below, from the kernel on that can do that."""
    return ["ro", "rro"] if kernel.is_at_least(5, 12) else ["ro"]


def all_of(
    spec: DeploymentSpec,
    directory: Path,
    volumes: Sequence[Mount],
    init: str | None,
    *,
    is_read_only: bool,
    is_privileged: bool,
) -> list[Mount]:
    """In the order they are mounted: nothing hides what was mounted deeper.

    directory: where the instance's own files are. is_read_only: so is the root.
    """
    own = [*volumes, *(_tmpfs(entry) for entry in spec.tmpfs)]
    taken = {str(mount["destination"]) for mount in own}
    rings = [
        bind(f"{directory / name}", f"/etc/{name}", is_read_only=is_read_only)
        for name in RING_FILES
    ]
    if init is not None:
        rings.append(bind(init, INIT, is_read_only=True))
    kernels = _kernels(spec, is_privileged=is_privileged, is_read_only=is_read_only)
    # A whole `/etc` of somebody's own has Ring's files in it.
    return _kept(kernels, taken) + sorted(_kept(rings, taken) + own, key=_depth)


def _kept(usual: list[Mount], taken: set[str]) -> list[Mount]:
    return [mount for mount in usual if not _gives_way(str(mount["destination"]), taken)]


def _depth(mount: Mount) -> int:
    return str(mount["destination"]).count("/")


def _gives_way(destination: str, taken: set[str]) -> bool:
    """A whole /dev of somebody's own also has everything below it."""
    return destination in taken or ("/dev" in taken and destination.startswith("/dev/"))


def _kernels(spec: DeploymentSpec, *, is_privileged: bool, is_read_only: bool) -> list[Mount]:
    shm_bytes = SHM_BYTES if spec.shm_size is None else parse_memory(spec.shm_size)
    # Only a privileged one may write to these, and it not where it wants no writable root.
    sys = [] if is_privileged and not is_read_only else ["ro"]
    cgroup = [] if is_privileged else ["ro"]
    return [
        _mount("/proc", "proc", "proc", *_PRIVATE),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount(
            "/dev/pts",
            "devpts",
            "devpts",
            *("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        ),
        _mount("/sys", "sysfs", "sysfs", *_PRIVATE, *sys),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", *_PRIVATE, "relatime", *cgroup),
        _mount("/dev/mqueue", "mqueue", "mqueue", *_PRIVATE),
        _mount("/dev/shm", "tmpfs", "shm", *_PRIVATE, "mode=1777", f"size={shm_bytes}"),  # noqa: S108 - a path in the instance
    ]


def _tmpfs(entry: Tmpfs) -> Mount:
    """As Docker mounts one: nothing on it is run, unless somebody mounts it himself."""
    options = [*_PRIVATE]
    if entry.size is not None:
        options.append(f"size={parse_memory(entry.size)}")
    if entry.mode is not None:
        options.append(f"mode={entry.mode}")
    return _mount(posixpath.normpath(entry.destination), "tmpfs", "tmpfs", *options)


def _mount(destination: str, kind: str, source: str, *options: str) -> Mount:
    return {
        "destination": destination,
        "type": kind,
        "source": source,
        "options": list(options),
    }
