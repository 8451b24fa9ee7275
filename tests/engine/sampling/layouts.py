"""Where engines put their containers on machines of every kind, and what the kernel writes there.

The lines are those of real machines with what is beside the point left out; of the groups around
an instance there are figures too, so that a reader which takes the wrong one is found out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

RECORDED = Path(__file__).parent / "recorded"
ID = "de63ab2c7d973c317c3c97897e991af226161046ceb722abfa72417f8ef364b6"
POD = "0f" * 32

UNIFIED = """\
24 30 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw
29 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 \
rw,nsdelegate,memory_recursiveprot
"""
JOINT = """\
31 23 0:28 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
32 31 0:29 / /sys/fs/cgroup/unified rw,relatime shared:10 - cgroup2 cgroup2 rw,nsdelegate
33 31 0:30 / /sys/fs/cgroup/systemd rw,relatime shared:11 - cgroup cgroup rw,xattr,name=systemd
36 31 0:33 / /sys/fs/cgroup/net_cls,net_prio rw,relatime shared:15 - cgroup cgroup \
rw,net_cls,net_prio
37 31 0:34 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:16 - cgroup cgroup rw,cpu,cpuacct
38 31 0:35 / /sys/fs/cgroup/memory rw,relatime shared:17 - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/blkio rw,relatime shared:18 - cgroup cgroup rw,blkio
40 31 0:37 / /sys/fs/cgroup/pids rw,relatime shared:19 - cgroup cgroup rw,pids
"""
"""As systemd mounts version 1: cpu and cpuacct are one hierarchy."""
APART = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
"""As a machine without systemd has it: every controller by itself."""
DIVIDED = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
"""Memory and pids are of version 2 (`cgroup_no_v1=memory,pids`), the others of version 1."""

JOINT_NAMES = ("name=systemd", "net_cls,net_prio", "cpu,cpuacct", "memory", "blkio", "pids", "")
APART_NAMES = ("cpu", "cpuacct", "memory", "blkio", "pids")
FILES_V2 = ("cpu.stat", "memory.current", "memory.stat", "memory.max", "io.stat", "pids.current",
            "pids.max")  # fmt: skip
FILES_V1 = {
    "cpuacct": ("cpuacct.usage",),
    "memory": ("memory.usage_in_bytes", "memory.stat", "memory.limit_in_bytes"),
    "blkio": ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"),
    "pids": ("pids.current", "pids.max"),
}


@dataclass(frozen=True)
class Layout:
    """One machine, and where the first process of the instance is on it."""

    mounts: str
    group: str
    """Of the instance."""
    below: str = ""
    """Where in it its first process is."""
    names: tuple[str, ...] = ("",)
    """The hierarchies that /proc tells; empty: that of version 2."""
    at: dict[str, str] = field(default_factory=lambda: {"": "/sys/fs/cgroup"})
    """Where the files of a controller are; empty: those of all that are of version 2."""

    def membership(self) -> str:
        lines = [
            f"{len(self.names) - number if name else 0}:{name}:{self.group}{self.below}\n"
            for number, name in enumerate(self.names)
        ]
        return "".join(lines)

    def write(self, root: Path, pid: int) -> None:
        """All of it under a folder that stands for `/`."""
        proc = RECORDED / "proc"
        _put(root, "/proc/self/mountinfo", self.mounts)
        _put(root, "/proc/meminfo", (proc / "meminfo").read_text())
        _put(root, f"/proc/{pid}/cgroup", self.membership())
        _put(root, f"/proc/{pid}/net/dev", (proc / "net_dev").read_text())
        around = str(Path(self.group).parent)
        for controller, mount in self.at.items():
            for name in FILES_V1.get(controller, () if controller else FILES_V2):
                told = (RECORDED / ("v1" if controller else "v2") / name).read_text()
                _put(root, f"{mount}{self.group}/{name}", told)
                for other in {"/", around, self.group + (self.below or "/inside")}:
                    _put(root, f"{mount}{other}/{name}", "7\n")


def _v1(mounts: str, group: str, below: str = "") -> Layout:
    joint = mounts == JOINT
    at = {name: f"/sys/fs/cgroup/{name}" for name in FILES_V1}
    if joint:
        at["cpuacct"] = "/sys/fs/cgroup/cpu,cpuacct"
    return Layout(mounts, group, below, JOINT_NAMES if joint else APART_NAMES, at)


def _put(root: Path, path: str, text: str) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


_USER = "/user.slice/user-1000.slice/user@1000.service"

V2 = {
    "docker, systemd": Layout(UNIFIED, f"/system.slice/docker-{ID}.scope"),
    "docker, systemd, slice of its own": Layout(
        UNIFIED, f"/shop.slice/shop-blue.slice/docker-{ID}.scope"
    ),
    "docker, cgroupfs": Layout(UNIFIED, f"/docker/{ID}"),
    "docker, with an init that makes groups": Layout(
        UNIFIED, f"/system.slice/docker-{ID}.scope", "/init.scope"
    ),
    "docker, rootless": Layout(UNIFIED, f"{_USER}/user.slice/docker-{ID}.scope"),
    "podman, systemd, runc": Layout(UNIFIED, f"/machine.slice/libpod-{ID}.scope"),
    "podman, systemd, crun": Layout(UNIFIED, f"/machine.slice/libpod-{ID}.scope", "/container"),
    "podman, cgroupfs": Layout(UNIFIED, f"/libpod_parent/libpod-{ID}"),
    "podman, cgroupfs, under a service": Layout(
        UNIFIED, f"/system.slice/podman.service/libpod_parent/libpod-{ID}"
    ),
    "podman, in a pod": Layout(
        UNIFIED,
        f"/machine.slice/machine-libpod_pod_{POD}.slice/libpod-{ID}.scope",
        "/container",
    ),
    "containerd, cgroupfs": Layout(UNIFIED, f"/ring/{ID}"),
    "containerd, systemd": Layout(UNIFIED, f"/ring.slice/ring-{ID}.scope"),
    "podman, rootless": Layout(UNIFIED, f"{_USER}/user.slice/libpod-{ID}.scope", "/container"),
}
V1 = {
    "docker, cgroupfs": _v1(APART, f"/docker/{ID}"),
    "docker, cgroupfs, joint": _v1(JOINT, f"/docker/{ID}"),
    "docker, systemd": _v1(JOINT, f"/system.slice/docker-{ID}.scope"),
    "docker, with an init that makes groups": _v1(JOINT, f"/docker/{ID}", "/init.scope"),
    "containerd, cgroupfs": _v1(APART, f"/ring/{ID}"),
    "containerd, cgroupfs, joint": _v1(JOINT, f"/ring/{ID}"),
    "containerd, systemd": _v1(JOINT, f"/ring.slice/ring-{ID}.scope"),
    "podman, cgroupfs": _v1(APART, f"/libpod_parent/libpod-{ID}"),
    "podman, systemd": _v1(JOINT, f"/machine.slice/libpod-{ID}.scope"),
    "podman, in a pod": _v1(JOINT, f"/machine.slice/machine-libpod_pod_{POD}.slice/libpod-{ID}"),
}
DIVIDED_DOCKER = Layout(
    DIVIDED,
    f"/docker/{ID}",
    names=("cpu,cpuacct", "blkio", ""),
    at={
        "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
        "blkio": "/sys/fs/cgroup/blkio",
        "": "/sys/fs/cgroup/unified",
    },
)
