"""Security and process settings, as whoever is inside of an instance finds them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.spec import DeploymentSpec, canonical
from ring.runtimes.base import File, RuntimeFailure
from tests.contract.outside import DockerOutside

if TYPE_CHECKING:
    from ring.core.model.ids import InstanceId
    from ring.runtimes.base import Order
    from tests.contract.engines import EngineOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

NET_BIND_SERVICE, NET_ADMIN, SYS_ADMIN, CHOWN = 1 << 10, 1 << 12, 1 << 21, 1 << 0


async def order(space: Space, **members: object) -> Order:
    """`members`: of the spec, as a manifest has them."""
    plain = await space.order()
    told = {**json.loads(canonical(plain.spec)), **members}
    return replace(plain, spec=DeploymentSpec.model_validate_json(json.dumps(told)))


class Inside:
    """One running instance."""

    def __init__(self, engine: EngineOutside, instance_id: InstanceId) -> None:
        self._engine = engine
        self.id = instance_id

    async def says(self, command: str) -> str:
        """What a shell command writes there."""
        _, output = await self._engine.run(self.id, "sh", "-c", command)
        return output.replace("\r", "").strip()

    async def status(self) -> dict[str, str]:
        """Of the first process."""
        lines = (await self.says("cat /proc/1/status")).splitlines()
        pairs = (line.partition(":") for line in lines)
        return {name: value.strip() for name, _, value in pairs}


async def running(space: Space, engine: EngineOutside, **members: object) -> Inside:
    instance = await space.running(await order(space, **members))
    return Inside(engine, instance.id)


async def is_told_hardened(engine: DockerOutside, instance_id: InstanceId) -> None:
    told = (await engine.inspected(instance_id))["HostConfig"]
    added, dropped = (
        {str(name).removeprefix("CAP_") for name in _list(told[key])}
        for key in ("CapAdd", "CapDrop")
    )
    if engine.tells_as_asked:
        assert (added, dropped) == ({"NET_BIND_SERVICE"}, {"ALL"})
    else:
        assert "NET_BIND_SERVICE" not in dropped
        assert {"CHOWN", "KILL", "SETUID"} <= dropped
    assert told["ReadonlyRootfs"] is True
    assert any(str(one).startswith("no-new-privileges") for one in _list(told["SecurityOpt"]))


async def test_a_hardened_one_can_do_what_it_was_given_and_no_more(
    engine_space: Space, engine: EngineOutside
) -> None:
    inside = await running(
        engine_space,
        engine,
        config={"user": {"id": 1000, "group": 1001}},
        security={"hardened": True, "cap_add": ["NET_BIND_SERVICE"]},
        tmpfs=[{"destination": "/scratch"}],
    )
    if isinstance(engine, DockerOutside):
        await is_told_hardened(engine, inside.id)

    status = await inside.status()
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == ["1001"] * 4
    assert int(status["CapBnd"], 16) == NET_BIND_SERVICE
    assert status["NoNewPrivs"] == "1"
    assert "Read-only file system" in await inside.says("touch /file")
    assert await inside.says("touch /scratch/file && echo made") == "made"
    assert await inside.says("httpd -p 80 -h /scratch && echo bound") == "bound"


async def test_single_restrictions(engine_space: Space, engine: EngineOutside) -> None:
    inside = await running(
        engine_space,
        engine,
        security={
            "cap_add": ["CAP_NET_ADMIN"],
            "cap_drop": ["CHOWN", "NET_ADMIN"],
            "read_only": True,
        },
    )
    status = await inside.status()
    bounding = int(status["CapBnd"], 16)
    assert bounding & NET_ADMIN
    assert bounding & NET_BIND_SERVICE
    assert not bounding & CHOWN
    assert status["NoNewPrivs"] == "0"
    assert "Read-only file system" in await inside.says("touch /file")


async def test_every_process_setting(engine_space: Space, engine: EngineOutside) -> None:
    inside = await running(
        engine_space,
        engine,
        tmpfs=[{"destination": "/scratch", "size": "1Mi", "mode": "0751"}],
        # By itself Podman would set a number of processes, which this machine may not allow.
        ulimits={"nofile": {"soft": 300, "hard": 400}, "core": 0, "nproc": 5000},
        sysctls={"net.core.somaxconn": "321", "kernel.shmmni": "777"},
        devices=[{"source": "/dev/zero", "destination": "/dev/nought", "permissions": "r"}],
        shm_size="2Mi",
        init=True,
        hostname="web-1",
        extra_hosts={"db.local": "10.9.8.7", "host.local": "host-gateway"},
    )
    assert await inside.says("stat -c %a /scratch; df -k /scratch | awk 'END {print $2}'") == (
        "751\n1024"
    )
    assert await inside.says("df -k /dev/shm | awk 'END {print $2}'") == "2048"
    limits = await inside.says("cat /proc/1/limits")
    (files,) = [line.split() for line in limits.splitlines() if line.startswith("Max open files")]
    assert files[3:5] == ["300", "400"]
    (core,) = [line.split() for line in limits.splitlines() if line.startswith("Max core file")]
    assert core[4:6] == ["0", "0"]
    assert await inside.says("cat /proc/sys/net/core/somaxconn") == "321"
    assert await inside.says("cat /proc/sys/kernel/shmmni") == "777"
    assert await inside.says("head -c 3 /dev/nought | od -An -tx1") == "00 00 00"
    if isinstance(engine, DockerOutside):
        (device,) = (await engine.inspected(inside.id))["HostConfig"]["Devices"]
        assert device["CgroupPermissions"] == ("r" if engine.tells_as_asked else "")
    assert (await inside.status())["Name"] in engine.inits
    assert await inside.says("hostname") == "web-1"
    hosts = [line.split() for line in (await inside.says("cat /etc/hosts")).splitlines()]
    assert ["10.9.8.7", "db.local"] in hosts
    assert [await engine.gateway(engine_space.namespace), "host.local"] in hosts


async def test_on_the_hosts_network_with_a_file_in_a_read_only_root(
    engine_space: Space, engine: EngineOutside, tmp_path: Path
) -> None:
    wanted = await order(
        engine_space,
        network={"mode": "host"},
        hostname="web-1",
        extra_hosts={"host.local": "host-gateway"},
        security={"read_only": True},
    )
    content = tmp_path / "web.conf"
    content.write_text("listen 80")
    file = File("/etc/web/conf.d/web.conf", content.read_bytes(), f"{content}")
    instance = await engine_space.running(replace(wanted, files=(file,)))
    inside = Inside(engine, instance.id)
    assert await inside.says("cat /etc/web/conf.d/web.conf") == "listen 80"
    assert "Read-only file system" in await inside.says("touch /etc/web/file")
    assert await inside.says("hostname") == "web-1"
    assert "127.0.0.1\thost.local" in await inside.says("cat /etc/hosts")


async def test_a_seccomp_profile_is_in_force(
    engine_space: Space, engine: EngineOutside, tmp_path: Path
) -> None:
    profile = tmp_path / "no-mkdir.json"
    denied = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [denied]}))
    told = {}
    for word in (f"{profile}", "unconfined", "default"):
        inside = await running(engine_space, engine, security={"seccomp": word})
        status = await inside.status()
        told[word] = (status["Seccomp"], await inside.says("mkdir /made && echo made"))
    assert told[f"{profile}"][0] == "2"
    assert "Operation not permitted" in told[f"{profile}"][1]
    assert told["unconfined"] == ("0", "made")
    assert told["default"] == ("2", "made")


async def test_a_privileged_one(engine_space: Space, engine: EngineOutside) -> None:
    wanted = await order(engine_space, config={"user": {"id": 0, "privileged": True}})
    created = await engine_space.runtime.create(wanted)
    inside = Inside(engine, created.id)
    if isinstance(engine, DockerOutside):
        assert (await engine.inspected(created.id))["HostConfig"]["Privileged"] is True
    try:
        await engine_space.runtime.start(created.id)
    except RuntimeFailure as refused:
        # An engine cannot give what it has not: some refuse it, others give all that they have.
        if _has_every_capability() or "caps" not in str(refused):
            raise
        return
    status = await inside.status()
    assert status["Uid"].split()[0] == "0"
    assert int(status["CapEff"], 16) & SYS_ADMIN
    assert status["Seccomp"] == "0"


def _has_every_capability() -> bool:
    """Whether this process has, as the engine's own."""
    status = Path("/proc/self/status").read_text()
    bounding = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    return int(bounding.split()[1], 16) == (1 << (last + 1)) - 1


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"security": {"seccomp": "/nonexistent/profile.json"}}, "/nonexistent/profile.json"),
        ({"devices": [{"source": "/dev/ring-none"}]}, "/dev/ring-none"),
        ({"sysctls": {"kernel.shmring": "1"}}, "kernel.shmring"),
    ],
    ids=["profile", "device", "sysctl"],
)
async def test_what_the_host_does_not_have_is_named_and_never_left_out(
    engine_space: Space, members: dict[str, object], named: str
) -> None:
    wanted = await order(engine_space, **members)
    with pytest.raises(RuntimeFailure) as caught:
        await engine_space.running(wanted)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert named in caught.value.message


async def test_what_depends_on_a_module_is_promised_where_the_engine_has_it(
    served_space: Space, served: DockerOutside
) -> None:
    await served_space.runtime.ping()
    options = served_space.runtime.capabilities().options
    told = str((await served.told("/info"))["SecurityOptions"])
    for module in ("apparmor", "selinux"):
        assert (f"security.{module}" in options) is (f"name={module}" in told)


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value
