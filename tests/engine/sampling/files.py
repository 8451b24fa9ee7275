"""A machine's files as two kernels were seen to write them, under a folder of a test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MOUNTS_V1 = """\
23 1 0:22 / /proc rw,relatime - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
MOUNTS_V2 = """\
24 30 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw
29 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate
"""
MEMINFO = "MemTotal:       16303428 kB\nMemFree:         1204552 kB\nMemAvailable:   11992736 kB\n"
NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo \
colls carrier compressed
    lo:    9000      90    0    0    0     0          0         0     9000      90    0    0    0 \
    0       0          0
  eth0:    1406      17    0    0    0     0          0         0      126       3    0    0    0 \
    0       0          0
eth1:100 2 0 0 0 0 0 0 50 1 0 0 0 0 0 0
"""
MEMORY_STAT_V1 = """\
cache 32768
rss 49152
inactive_file 4096
active_file 32768
hierarchical_memory_limit 67108864
total_cache 65536
total_inactive_anon 45056
total_inactive_file 16384
total_active_file 32768
"""
MEMORY_STAT_V2 = """\
anon 49152
file 32768
kernel_stack 16384
inactive_anon 45056
active_anon 4096
inactive_file 12288
active_file 20480
"""
IO_V1 = """\
8:0 Read 4096
8:0 Write 8192
8:0 Sync 12288
8:0 Async 0
8:0 Total 12288
253:0 Read 100
253:0 Write 1
253:0 Total 101
Total 12389
"""
IO_V2 = """\
8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0
253:0 rbytes=100 wbytes=1 rios=1 wios=1 dbytes=9 dios=1
"""
CPU_V2 = "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 0\n"
UNLIMITED_V1 = "9223372036854771712\n"


class Files:
    """A root folder with /proc and /sys; processes come and go in it."""

    def __init__(self, root: Path, *, unified: bool) -> None:
        self.root = root
        self.unified = unified
        self.write("proc/self/mountinfo", MOUNTS_V2 if unified else MOUNTS_V1)
        self.write("proc/meminfo", MEMINFO)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def process(self, pid: int, instance_id: str, below: str = "") -> None:
        """A container's first process, as Docker places it under systemd and without."""
        if self.unified:
            text = f"0::/system.slice/docker-{instance_id}.scope{below}\n"
        else:
            names = ("11:name=systemd", "8:pids", "7:blkio", "4:memory", "2:cpu,cpuacct", "0:")
            text = "".join(f"{name}:/docker/{instance_id}{below}\n" for name in names)
        self.write(f"proc/{pid}/cgroup", text)
        self.write(f"proc/{pid}/net/dev", NET_DEV)
        self.figures(instance_id)

    def figures(self, instance_id: str) -> None:
        if self.unified:
            told = {
                "cpu.stat": CPU_V2,
                "memory.current": "102400\n",
                "memory.stat": MEMORY_STAT_V2,
                "memory.max": "67108864\n",
                "io.stat": IO_V2,
                "pids.current": "3\n",
                "pids.max": "100\n",
            }
            for name, text in told.items():
                self.write(f"sys/fs/cgroup/system.slice/docker-{instance_id}.scope/{name}", text)
            return
        told = {
            "cpu,cpuacct/@/cpuacct.usage": "2500000000\n",
            "memory/@/memory.usage_in_bytes": "102400\n",
            "memory/@/memory.stat": MEMORY_STAT_V1,
            "memory/@/memory.limit_in_bytes": "67108864\n",
            "blkio/@/blkio.throttle.io_service_bytes_recursive": IO_V1,
            "pids/@/pids.current": "3\n",
            "pids/@/pids.max": "100\n",
        }
        for name, text in told.items():
            path = name.replace("@", f"docker/{instance_id}")
            self.write(f"sys/fs/cgroup/{path}", text)

    def cpu(self, instance_id: str, seconds: float) -> None:
        """What its group has used in all."""
        if self.unified:
            path = f"sys/fs/cgroup/system.slice/docker-{instance_id}.scope/cpu.stat"
            self.write(path, f"usage_usec {round(seconds * 1e6)}\nuser_usec 0\n")
        else:
            path = f"sys/fs/cgroup/cpu,cpuacct/docker/{instance_id}/cpuacct.usage"
            self.write(path, f"{round(seconds * 1e9)}\n")

    def limits(self, instance_id: str, memory: str, pids: str) -> None:
        if self.unified:
            scope = f"sys/fs/cgroup/system.slice/docker-{instance_id}.scope"
            self.write(f"{scope}/memory.max", memory)
            self.write(f"{scope}/pids.max", pids)
        else:
            self.write(f"sys/fs/cgroup/memory/docker/{instance_id}/memory.limit_in_bytes", memory)
            self.write(f"sys/fs/cgroup/pids/docker/{instance_id}/pids.max", pids)

    def ends(self, pid: int) -> None:
        """Who has its files open reads nothing any more."""
        file = self.root / f"proc/{pid}/cgroup"
        file.write_text("")
        file.unlink()
