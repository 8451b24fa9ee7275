"""Specifications as the OCI runtime takes them, and what whoever is inside finds."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceId
from ring.runtimes import profiles
from ring.runtimes.containerd import rootfs
from ring.runtimes.containerd.oci import capabilities, users
from ring.runtimes.containerd.oci.spec import Surroundings, build
from ring.runtimes.containerd.volumes import Volumes
from tests.contract.outside import missing
from tests.runtimes.containerd.orders import image, order
from tests.runtimes.containerd.trees import bound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ring.runtimes.base import Order
    from ring.runtimes.containerd.image_config import ImageConfig

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

HAS_CGROUP_V2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
NET_BIND_SERVICE, USUAL = 1 << 10, 0xA80425FB
STATUS = "cat /proc/self/status"
_APPLETS = (
    *("awk", "cat", "df", "grep", "head", "hostname", "httpd", "ls", "mkdir", "mount", "od"),
    *("rmdir", "sh", "stat", "touch"),
)


@dataclass
class Bundle:
    """One instance's files, and the runtime it is run by."""

    path: Path
    name: str = field(default_factory=lambda: f"ring-test-{secrets.token_hex(4)}")

    @property
    def root(self) -> Path:
        return self.path / "rootfs"

    def lay_out(self, busybox: str) -> None:
        (self.root / "bin").mkdir(parents=True)
        (self.root / "etc").mkdir()
        shutil.copy2(busybox, self.root / "bin/busybox")
        for applet in _APPLETS:
            (self.root / "bin" / applet).symlink_to("busybox")
        (self.root / "etc/passwd").write_text(
            "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/srv:/bin/sh\n"
        )
        (self.root / "etc/group").write_text("root:x:0:\napp:x:1001:\nmore:x:2000:app\n")
        for name in ("hosts", "hostname", "resolv.conf"):
            (self.path / name).write_text(f"{name} of the instance\n")

    async def told(
        self,
        script: str,
        members: dict[str, object] | None = None,
        config: ImageConfig | None = None,
    ) -> list[str]:
        """What a shell in it writes, by line."""
        config = config or image()
        wanted = order({**(members or {}), "command": ("sh", "-c", f"exec 2>&1; {script}")})
        (self.path / "config.json").write_text(json.dumps(await self._spec(wanted, config)))
        runc = await asyncio.create_subprocess_exec(
            *("runc", "--root", f"{self.path / 'state'}", "run", "-b", f"{self.path}", self.name),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(30):
            out, _ = await runc.communicate()
        return out.decode().splitlines()

    async def status(
        self, members: dict[str, object] | None = None, config: ImageConfig | None = None
    ) -> dict[str, str]:
        lines = await self.told(STATUS, members, config)
        pairs = (line.partition(":") for line in lines)
        return {name: value.strip() for name, _, value in pairs}

    async def _spec(self, wanted: Order, config: ImageConfig) -> dict[str, object]:
        mounts = bound(self.root)
        user = wanted.spec.config.user if wanted.spec.config else None
        with rootfs.opened(mounts) as root:
            found = users.resolve(user, config.user, root)
        volumes = Volumes(self.path / "ring")
        around = Surroundings(
            directory=self.path,
            netns=None,
            cgroups_path=f"/ring/{self.name}",
            has_cgroup_v2=HAS_CGROUP_V2,
            apparmor=None,
            mounts=await volumes.prepare(wanted, config, mounts, InstanceId(self.name)),
            user=found,
            seccomp=await profiles.seccomp(wanted.spec),
        )
        spec = build(wanted, config, around, {})
        linux = spec["linux"]
        assert isinstance(linux, dict)
        linux["namespaces"].append({"type": "network"})  # one that runc makes itself
        return spec


@pytest.fixture
async def bundle(tmp_path: Path) -> AsyncIterator[Bundle]:
    busybox = shutil.which("busybox")
    if busybox is None or shutil.which("runc") is None or os.geteuid() != 0:
        missing("runc and busybox are needed, as root")
    made = Bundle(tmp_path)
    made.lay_out(busybox)
    yield made
    process = await asyncio.create_subprocess_exec(
        *("runc", "--root", f"{tmp_path / 'state'}", "delete", "--force", made.name),
        stderr=asyncio.subprocess.DEVNULL,
    )
    await process.wait()


async def test_a_plain_one(bundle: Bundle) -> None:
    status = await bundle.status()
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == USUAL
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("0", "2")
    told = await bundle.told(
        "pwd; hostname; cat /etc/resolv.conf /proc/self/oom_score_adj; ulimit -Sn;"
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; echo $HOME; mkdir /new && echo made;"
        "mount -t tmpfs x /new; touch /sys/x",
        config=image(directory="/srv/deep"),
    )
    assert told[:8] == [
        "/srv/deep",
        "web",
        "resolv.conf of the instance",
        "0",
        "1024",
        "0",
        "/root",
        "made",
    ]
    assert "permission denied" in told[8].lower()
    assert "Read-only file system" in told[9]


async def test_a_user_of_the_image(bundle: Bundle) -> None:
    config = image(user="app")
    status = await bundle.status(config=config)
    assert status["Uid"].split() == ["1000"] * 4
    assert (status["Gid"].split()[0], status["Groups"]) == ("1001", "1001 2000")
    assert int(status["CapEff"], 16) == 0
    assert int(status["CapBnd"], 16) == USUAL
    told = await bundle.told(
        "httpd -p 80 -h / && echo bound; cat /proc/sys/net/ipv4/ping_group_range", config=config
    )
    assert told == ["bound", "0\t2147483647"]


async def test_a_hardened_one(bundle: Bundle) -> None:
    members: dict[str, object] = {
        "config": {"user": {"id": 1000}},
        "security": {"hardened": True, "cap_add": ["NET_BIND_SERVICE"]},
        "volumes": [{"type": "volume", "source": "v", "destination": "/srv/data"}],
    }
    (bundle.root / "srv/data").mkdir(parents=True)
    os.chown(bundle.root / "srv/data", 1000, 1000)
    status = await bundle.status(members)
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == NET_BIND_SERVICE
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    told = await bundle.told(
        "touch /x; touch /scratch/x /dev/shm/x /srv/data/x && echo made; touch /etc/hosts",
        {**members, "tmpfs": [{"destination": "/scratch"}]},
    )
    assert "Read-only file system" in told[0]
    assert told[1] == "made"
    assert "touch: /etc/hosts" in told[2]
    assert (bundle.path / "ring/volumes/v/x").exists()


async def test_a_privileged_one(bundle: Bundle) -> None:
    members: dict[str, object] = {"config": {"user": {"privileged": True}}}
    status = await bundle.status(members)
    held = sum(1 << capabilities.NUMBERED.index(name) for name in capabilities.available())
    assert int(status["CapEff"], 16) == held
    assert status["Seccomp"] == "0"
    told = await bundle.told(
        "mkdir /new; mount -t tmpfs x /new && echo mounted; ls /dev/loop-control /dev/kmsg;"
        "test -w /proc/sys/kernel/shmmni && echo writable; grep -c ' /sys/firmware ' /proc/mounts",
        members,
    )
    assert told == ["mounted", "/dev/kmsg", "/dev/loop-control", "writable", "0"]


async def test_every_process_setting(bundle: Bundle) -> None:
    told = await bundle.told(
        "stat -c %a /scratch; df -k /scratch /dev/shm | awk '/shm|tmpfs/ {print $2}';"
        "ulimit -Sn; ulimit -Hn; ulimit -Hc; cat /proc/sys/net/core/somaxconn;"
        "cat /proc/sys/kernel/shmmni; head -c 3 /dev/nought | od -An -tx1; hostname;"
        "cat /proc/1/comm; cat /proc/self/cgroup",
        {
            "tmpfs": [{"destination": "/scratch", "size": "1Mi", "mode": "0751"}],
            "ulimits": {"nofile": {"soft": 300, "hard": 400}, "core": 0},
            "sysctls": {"net.core.somaxconn": "321", "kernel.shmmni": "777"},
            "devices": [
                {"source": "/dev/zero", "destination": "/dev/nought", "permissions": "r"},
            ],
            "shm_size": "2Mi",
            "init": True,
            "hostname": "web-1",
            "resources": {
                "limits": {"cpu": "0.5", "memory": "64Mi"},
                "requests": {"cpu": "250m", "memory": "32Mi"},
            },
        },
    )
    assert told[:11] == [
        *("751", "1024", "2048", "300", "400", "0", "321", "777", " 00 00 00"),
        *("web-1", ".ring-init"),
    ]
    assert all(line.endswith(f"/ring/{bundle.name}") for line in told[11:])


async def test_a_limit_reaches_the_kernel(bundle: Bundle) -> None:
    told = await bundle.told(
        "cd /sys/fs/cgroup; cat memory.max memory/memory.limit_in_bytes 2>/dev/null;"
        "cat cpu.max cpu/cpu.cfs_quota_us 2>/dev/null",
        {"resources": {"limits": {"cpu": "0.5", "memory": "128Mi"}}},
    )
    assert told in (["134217728", "50000 100000"], ["134217728", "50000"])


async def test_profiles(bundle: Bundle) -> None:
    profile = bundle.path / "no-mkdir.json"
    denied = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [denied]}))
    script = "grep Seccomp: /proc/self/status; mkdir /made && rmdir /made && echo made"
    found = {}
    for word in (f"{profile}", "unconfined", "default"):
        found[word] = await bundle.told(script, {"security": {"seccomp": word}})
    assert found[f"{profile}"][0].split() == ["Seccomp:", "2"]
    assert "Operation not permitted" in found[f"{profile}"][1]
    assert found["unconfined"] == ["Seccomp:\t0", "made"]
    assert found["default"] == ["Seccomp:\t2", "made"]


async def test_a_read_only_bind_is_so_all_the_way_down(bundle: Bundle) -> None:
    source = bundle.path / "source"
    (source / "below").mkdir(parents=True)
    await _run("mount", "-t", "tmpfs", "ring-test", f"{source / 'below'}")
    try:
        told = await bundle.told(
            "touch /data/x; touch /data/below/x; echo $?",
            {
                "volumes": [
                    {
                        "type": "bind",
                        "source": f"{source}",
                        "destination": "/data",
                        "permission": "ro",
                    }
                ]
            },
        )
    finally:
        await _run("umount", f"{source / 'below'}")
    assert ["Read-only file system" in line for line in told] == [True, True, False]
    assert told[-1] == "1"


async def test_a_volume_of_the_image_is_what_the_image_has_there(bundle: Bundle) -> None:
    (bundle.root / "data").mkdir()
    (bundle.root / "data/note").write_text("of the image\n")
    os.chown(bundle.root / "data", 1000, 1001)
    told = await bundle.told(
        "stat -c %u:%g /data; cat /data/note; touch /data/x && echo made",
        config=image(volumes=("/data",), user="app"),
    )
    assert told == ["1000:1001", "of the image", "made"]
    assert not (bundle.root / "data/x").exists()


async def _run(*argv: str) -> None:
    process = await asyncio.create_subprocess_exec(*argv)
    assert await process.wait() == 0
