"""What an order becomes on containerd, by its own words, the kernel's, and those of files."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.observed import State
from ring.core.model.spec import Network, Port, Quantities, Resources, Volume
from ring.runtimes.base import File, RuntimeFailure
from ring.runtimes.containerd import cgroups, task_options
from ring.runtimes.containerd.client import Client
from ring.runtimes.containerd.logs.places import Stdio
from ring.runtimes.containerd.settings import Settings
from ring.runtimes.containerd.snapshots import Snapshots
from ring.runtimes.containerd.tasks import Tasks
from tests.contract.containerd import NAMESPACE, socket_in
from tests.contract.outside import eventually
from tests.contract.test_engine_creation import SERVE, answers
from tests.contract.test_engine_options import Inside, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.contract.containerd import ContainerdOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

GROUPS = Path("/sys/fs/cgroup")
NET_BIND_SERVICE = 1 << 10
HOME = "/tmp"  # noqa: S108 - in the image


def group_of(told: Any) -> str:
    """Below a hierarchy's root; the driver of systemd has it as `<slice>:<prefix>:<name>`."""
    path: str = told["Spec"]["linux"]["cgroupsPath"]
    if ":" not in path:
        return path.strip("/")
    slice_, prefix, name = path.split(":")
    return f"{slice_}/{prefix}-{name}.scope"


def figures(group: str, version_1: str, version_2: str) -> list[str]:
    """What a file of the instance's control group says, of either version."""
    old = GROUPS / version_1.partition(".")[0] / group / version_1
    return (old if old.exists() else GROUPS / group / version_2).read_text().split()


async def test_limits_are_the_kernels(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    resources = Resources(
        limits=Quantities(cpu="0.5", memory="128Mi"), requests=Quantities(cpu="250m", memory="64Mi")
    )
    limited = await containerd_space.running(await containerd_space.order(resources=resources))
    group = group_of(await containerd.told(limited.id))
    assert group in cgroups.homes(limited.id)
    assert figures(group, "memory.limit_in_bytes", "memory.max") == ["134217728"]
    assert figures(group, "memory.soft_limit_in_bytes", "memory.low") == ["67108864"]
    quota = figures(group, "cpu.cfs_quota_us", "cpu.max")
    assert quota == (["50000"] if len(quota) == 1 else ["50000", "100000"])
    if len(quota) == 1:
        assert figures(group, "cpu.cfs_period_us", "") == ["100000"]
        assert figures(group, "cpu.shares", "") == ["256"]

    free = await containerd_space.running()
    quota = figures(group_of(await containerd.told(free.id)), "cpu.cfs_quota_us", "cpu.max")
    assert quota[0] in {"-1", "max"}


async def test_what_was_made_to_run_and_never_did_has_not_ended(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    """As a server leaves it that is killed in between: the next one takes the task away first, and
    what it sees meanwhile is none that has died."""
    order = await containerd_space.order(network=Network(mode="host"))
    made = await containerd_space.runtime.create(order)
    client = Client(containerd.socket, NAMESPACE)
    try:
        tasks = Tasks(client)
        mounts = await Snapshots(client, Settings().snapshotter).mounts(made.id)
        options = task_options.options("cgroupfs")
        await tasks.begin(made.id, mounts, Stdio("/dev/null", "/dev/null"), options)
        await containerd.kills(made.id)

        async def has_ended() -> bool:
            return await tasks.live_pid(made.id) is None

        await eventually(has_ended)
        assert (await containerd_space.runtime.inspect(made.id)).state is State.CREATED
        await containerd_space.runtime.start(made.id)
        assert (await containerd_space.runtime.inspect(made.id)).state is State.RUNNING
    finally:
        await client.close()


async def test_the_default_address_is_taken_where_none_is_given(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    published = random.randrange(20000, 30000)
    wanted = await containerd_space.order(
        command=SERVE, ports=(Port(published=published, target=80),), default_host_ip="127.0.0.1"
    )
    await containerd_space.running(wanted)
    await eventually(partial(answers, "127.0.0.1", published))
    assert not await answers(await containerd.gateway(containerd_space.namespace), published)
    assert not await answers("::1", published)


async def test_one_number_is_a_port_of_both_protocols(containerd_space: Space) -> None:
    published = random.randrange(20000, 30000)
    ports = (
        Port(published=published, target=53, protocol="udp"),
        Port(published=published, target=53),
    )
    serving = ("httpd", "-f", "-p", "53", "-h", "/")
    instance = await containerd_space.running(
        await containerd_space.order(command=serving, ports=ports)
    )
    await eventually(partial(answers, "127.0.0.1", published))
    loop = asyncio.get_running_loop()
    with (
        socket_in(instance.id, socket.SOCK_DGRAM) as serving_udp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking,
    ):
        for one in (serving_udp, asking):
            one.setblocking(False)
        serving_udp.bind(("", 53))
        asking.connect(("127.0.0.1", published))
        async with asyncio.timeout(10):
            for word in (b"one", b"two"):
                await loop.sock_sendall(asking, word)
                came, who = await loop.sock_recvfrom(serving_udp, 100)
                assert came == word
                await loop.sock_sendto(serving_udp, word.upper(), who)
                assert await loop.sock_recv(asking, 100) == word.upper()


@pytest.fixture
async def elaborate(containerd_space: Space, containerd: ContainerdOutside) -> AsyncIterator[str]:
    """An image that says how it is to be run."""
    image = f"ring-test/elaborate:{containerd_space.namespace}"
    settings = {
        "User": "1000:1001",
        "WorkingDir": HOME,
        "Env": ["PATH=/bin", "GREETING=hello", "NAME=world"],
        "Entrypoint": ["sh", "-c", 'trap "exit 7" INT; echo ready; while :; do sleep 0.1; done'],
        "Cmd": ["usual"],
        "StopSignal": "SIGINT",
    }
    await containerd.with_settings(image, settings)
    yield image
    await containerd.clean(containerd_space.namespace)
    await containerd.removes_image(image)


async def test_the_images_own_settings_are_honoured(
    containerd_space: Space, containerd: ContainerdOutside, elaborate: str
) -> None:
    wanted = await containerd_space.order(
        image=elaborate, command=("given",), environment={"NAME": "moon"}
    )
    instance = await containerd_space.running(wanted)
    inside = Inside(containerd, instance.id)
    assert (await containerd.argv(instance.id))[-1] == "given"
    assert await inside.says("tr '\\0' '\\n' </proc/1/cmdline | tail -n1") == "given"
    status = await inside.status()
    assert (status["Uid"].split()[0], status["Gid"].split()[0]) == ("1000", "1001")
    assert await inside.says("readlink /proc/1/cwd") == HOME
    assert await inside.says("echo $GREETING $NAME") == "hello moon"
    await containerd.listens(instance.id, signal.SIGINT)
    await containerd_space.runtime.stop(instance.id, 30)
    ended = await containerd_space.runtime.inspect(instance.id)
    assert ended.exit is not None
    assert ended.exit.code == 7

    usual = await containerd_space.order(image=elaborate, command=())
    created = await containerd_space.runtime.create(usual)
    assert (await containerd.argv(created.id))[-1] == "usual"


async def test_who_is_not_root_binds_a_low_port_and_pings(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    inside = await running(containerd_space, containerd, config={"user": {"id": 1000}})
    assert await inside.says("httpd -p 80 -h /tmp && echo bound") == "bound"
    assert int((await inside.status())["CapEff"], 16) == 0
    # The kernel asks for the group alone, also of root.
    socket_in(inside.id, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).close()


async def test_a_hardened_one_by_the_runtime_specification(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    inside = await running(
        containerd_space,
        containerd,
        config={"user": {"id": 1000}},
        security={"hardened": True, "cap_add": ["NET_BIND_SERVICE"]},
    )
    spec: Any = (await containerd.told(inside.id))["Spec"]
    assert spec["root"]["readonly"] is True
    assert spec["process"]["noNewPrivileges"] is True
    assert spec["process"]["capabilities"]["bounding"] == ["CAP_NET_BIND_SERVICE"]
    status = await inside.status()
    assert int(status["CapBnd"], 16) == NET_BIND_SERVICE
    assert int(status["CapEff"], 16) in {0, NET_BIND_SERVICE}
    assert status["NoNewPrivs"] == "1"


async def test_a_device_is_no_more_than_was_allowed(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    """One that nobody may use by itself."""
    device = {"source": "/dev/kmsg", "destination": "/dev/log", "permissions": "r"}
    inside = await running(containerd_space, containerd, devices=[device])
    assert "Operation not permitted" in await inside.says(": >/dev/log")
    device["permissions"] = "rw"
    inside = await running(containerd_space, containerd, devices=[device])
    assert await inside.says(": >/dev/log && echo opened") == "opened"


async def test_what_depends_on_a_module_is_promised_where_the_kernel_has_it(
    containerd: ContainerdOutside,
) -> None:
    options = containerd.runtime.capabilities().options
    assert ("security.apparmor" in options) is (
        said("/sys/module/apparmor/parameters/enabled") == "Y"
    )
    assert ("security.selinux" in options) is (said("/sys/fs/selinux/enforce") in {"0", "1"})


def said(path: str) -> str:
    """Empty: there is no such file."""
    return Path(path).read_text().strip() if Path(path).exists() else ""


async def test_files_are_nobody_elses_and_go_with_their_instance(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    wanted = await containerd_space.order(files=(File("/run/key", b"canary", None),))
    instance = await containerd_space.running(wanted)
    assert await containerd.run(instance.id, "cat", "/run/key") == (0, "canary")
    mounts = (await containerd.told(instance.id))["Spec"]["mounts"]
    (source,) = [Path(one["source"]) for one in mounts if one["destination"] == "/run/key"]
    assert any(not each.stat().st_mode & 0o077 for each in source.parents)
    await containerd_space.runtime.remove(instance.id)
    assert not source.exists()
    assert not source.parent.exists()


async def test_a_share_that_cannot_be_mounted_is_named_and_nothing_is_left(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    """Nobody listens on this machine's NFS port, or its kernel knows none of it."""
    path = f"/{containerd_space.namespace}"
    volume = Volume.model_validate(
        {
            "type": "volume",
            "source": f"127.0.0.1:{path}",
            "destination": "/data",
            "driver": "nfs",
            "permission": "rw",
        }
    )
    wanted = await containerd_space.order(volumes=(volume,))
    with pytest.raises(RuntimeFailure) as caught:
        await containerd_space.runtime.create(wanted)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert f"cannot mount '127.0.0.1:{path}': " in caught.value.message
    assert await containerd_space.runtime.find(wanted.name) is None
    assert path not in said("/proc/mounts")
    assert await traces(containerd, containerd_space.namespace) == []


async def test_a_label_that_is_too_long_is_told(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    wanted = await containerd_space.order(labels={"big": "x" * 5000})
    with pytest.raises(RuntimeFailure, match="4096") as caught:
        await containerd_space.runtime.create(wanted)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert await traces(containerd, containerd_space.namespace) == []


async def test_nothing_is_left_of_what_is_removed(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    namespace = containerd_space.namespace
    ports = (Port(published=random.randrange(20000, 30000), target=80),)
    made = [
        await containerd_space.running(await containerd_space.order(ports=ports)),
        await containerd_space.running(),
    ]
    label = f'labels."ring_deployment"=={containerd_space.deployment_id}'
    listed = (await containerd.ctr("containers", "list", "--quiet", label)).split()
    assert sorted(listed) == sorted(one.id for one in made)
    tasks = {row.split()[0]: row.split()[2] for row in await rows(containerd, "tasks")}
    assert [tasks[one.id] for one in made] == ["RUNNING"] * 2
    address = (await containerd_space.runtime.inspect(made[0].id)).address
    assert made[0].id in said(f"/var/lib/cni/networks/ring_{namespace}/{address}")
    assert await traces(containerd, namespace) != []

    for one in made:
        await containerd_space.runtime.remove(one.id)

    assert await traces(containerd, namespace) == []
    assert not said(f"/var/lib/cni/networks/ring_{namespace}/{address}")
    assert not await answers("127.0.0.1", ports[0].published)


async def rows(containerd: ContainerdOutside, kind: str) -> list[str]:
    return (await containerd.ctr(kind, "list")).splitlines()[1:]


async def traces(containerd: ContainerdOutside, namespace: str) -> list[str]:
    """Whatever has the name of an instance of this namespace."""
    kinds = ("containers", "tasks", "snapshots")
    found = [row for kind in kinds for row in await rows(containerd, kind) if namespace in row]
    places = (
        Path("/run/netns"),
        containerd.socket.parent / "ring",
        containerd.socket.parent / "ring-run",
    )
    found += [
        f"{path}" for place in places for path in place.rglob(f"{namespace}_*") if path.exists()
    ]
    return found
