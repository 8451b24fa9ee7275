"""What the kernel's files say, in the words of both versions of control groups."""

from __future__ import annotations

import pytest

from ring.engine.sampling import cgroups
from ring.engine.sampling.cgroups import UNIFIED, Mount, Traffic
from tests.engine.sampling import files

ID = "de63ab2c7d973c317c3c97897e991af226161046ceb722abfa72417f8ef364b6"


def test_the_groups_of_a_process_in_hierarchies_of_version_1() -> None:
    text = f"9:name=systemd:/docker/{ID}\n2:cpu,cpuacct:/docker/{ID}\n1:pids:/\n0::/system.slice\n"

    assert cgroups.paths(text) == {
        "name=systemd": f"/docker/{ID}",
        "cpu": f"/docker/{ID}",
        "cpuacct": f"/docker/{ID}",
        "pids": "/",
        UNIFIED: "/system.slice",
    }


def test_the_group_of_a_process_in_version_2() -> None:
    assert cgroups.paths(f"0::/system.slice/docker-{ID}.scope\n") == {
        UNIFIED: f"/system.slice/docker-{ID}.scope"
    }


@pytest.mark.parametrize("text", ["", "\n", "no colons here", "1:cpu", "1:cpu:relative"])
def test_what_is_no_group_is_none(text: str) -> None:
    assert cgroups.paths(text) == {}


def test_where_hierarchies_are_visible() -> None:
    v1 = cgroups.mounts(files.MOUNTS_V1)
    assert v1["cpuacct"] == Mount("/sys/fs/cgroup/cpu,cpuacct", "/")
    assert v1["memory"] == Mount("/sys/fs/cgroup/memory", "/")
    assert v1[UNIFIED] == Mount("/sys/fs/cgroup/unified", "/")
    assert cgroups.mounts(files.MOUNTS_V2) == {UNIFIED: Mount("/sys/fs/cgroup", "/")}


def test_a_mount_point_with_a_blank_in_it() -> None:
    line = "29 24 0:26 /a\\040b /mnt/c\\040d rw - cgroup2 cgroup2 rw\nbroken line\n1 2 - cgroup2\n"
    assert cgroups.mounts(line) == {UNIFIED: Mount("/mnt/c d", "/a b")}


@pytest.mark.parametrize("group", ["/ring/{}", "/ring.slice/ring-{}.scope"])
def test_the_group_of_an_instance_whose_id_is_its_name(group: str) -> None:
    name = "ring_ring_1a2b3c4d"
    path = group.format(name)
    assert cgroups.own_group(path, name) == path
    assert cgroups.own_group(path + "/init.scope", name) == path
    assert cgroups.own_group(path, "ring_ring_1a2b3c4e") is None


@pytest.mark.parametrize(
    ("path", "group"),
    [
        (f"/docker/{ID}", f"/docker/{ID}"),
        (f"/system.slice/docker-{ID}.scope", f"/system.slice/docker-{ID}.scope"),
        (f"/docker/{ID}/init.scope", f"/docker/{ID}"),
        (f"/machine.slice/libpod-{ID}.scope/container", f"/machine.slice/libpod-{ID}.scope"),
        ("/user.slice/session-1.scope", None),
        ("/", None),
    ],
)
def test_the_group_of_the_instance_not_of_one_below_it(path: str, group: str | None) -> None:
    assert cgroups.own_group(path, ID) == group


@pytest.mark.parametrize(
    ("mount", "path", "where"),
    [
        (Mount("/sys/fs/cgroup/pids", "/"), "/docker/x", "/sys/fs/cgroup/pids/docker/x"),
        (Mount("/sys/fs/cgroup", "/lxc/one"), "/lxc/one/docker/x", "/sys/fs/cgroup/docker/x"),
        (Mount("/sys/fs/cgroup", "/lxc/one"), "/lxc/one", "/sys/fs/cgroup"),
        (Mount("/sys/fs/cgroup", "/lxc/o"), "/lxc/one/x", "/sys/fs/cgroup/lxc/one/x"),
    ],
)
def test_the_directory_of_a_group(mount: Mount, path: str, where: str) -> None:
    assert cgroups.directory(mount, path) == where


@pytest.mark.parametrize(
    ("text", "value"), [("3\n", 3), ("max\n", 0), ("", 0), ("-1\n", 0), ("²\n", 0)]
)
def test_a_file_of_one_number(text: str, value: int) -> None:
    assert cgroups.number(text) == value


def test_a_file_of_names_and_numbers() -> None:
    assert cgroups.fields(files.CPU_V2)["usage_usec"] == 2_500_000
    assert cgroups.fields(files.MEMINFO)["MemTotal"] == 16_303_428
    assert cgroups.fields("alone\nname text\n\n") == {}


@pytest.mark.parametrize(
    ("used", "stat", "value"),
    [
        (102_400, files.MEMORY_STAT_V1, 102_400 - 16_384),
        (102_400, files.MEMORY_STAT_V2, 102_400 - 12_288),
        (8_192, files.MEMORY_STAT_V2, 0),
        (8_192, "", 8_192),
    ],
)
def test_memory_is_told_without_what_the_kernel_takes_back_first(
    used: int, stat: str, value: int
) -> None:
    assert cgroups.memory_bytes(used, stat) == value


@pytest.mark.parametrize(
    ("limit", "machine", "value"),
    [
        (67_108_864, 2**34, 67_108_864),
        (0, 2**34, 2**34),
        (cgroups.number(files.UNLIMITED_V1), 2**34, 2**34),
        (67_108_864, 0, 67_108_864),
        (0, 0, 0),
    ],
)
def test_without_a_limit_the_machine_is_the_limit(limit: int, machine: int, value: int) -> None:
    assert cgroups.limit_bytes(limit, machine) == value


def test_what_went_to_and_from_block_devices() -> None:
    assert cgroups.block_io(files.IO_V1) == (4196, 8193)
    assert cgroups.block_io("Total 0\n") == (0, 0)
    assert cgroups.unified_io(files.IO_V2) == (4196, 8193)
    assert cgroups.unified_io("") == (0, 0)
    assert cgroups.unified_io("8:0 \n") == (0, 0)


def test_what_went_through_interfaces_but_the_loopback_one() -> None:
    assert cgroups.traffic(files.NET_DEV) == Traffic(
        rx_bytes=1506, rx_packets=19, tx_bytes=176, tx_packets=4
    )
    assert cgroups.traffic("") == Traffic()
    assert cgroups.traffic("eth0: 1 2 3\n") == Traffic()
