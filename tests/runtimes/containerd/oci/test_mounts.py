from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ring.runtimes.containerd.oci import mounts
from tests.runtimes.containerd.orders import order

SHM = "/dev/shm"  # noqa: S108 - a path in the instance
OWN = Path("/var/lib/ring/containerd/shop_web_0a1b2c3d")


def told(
    *volumes: dict[str, object],
    init: str | None = None,
    is_read_only: bool = False,
    is_privileged: bool = False,
    **members: object,
) -> dict[str, dict[str, Any]]:
    """By destination, in the order they are mounted."""
    found = mounts.all_of(
        order(members).spec,
        OWN,
        volumes,
        init,
        is_read_only=is_read_only,
        is_privileged=is_privileged,
    )
    assert len({mount["destination"] for mount in found}) == len(found)
    return {str(mount["destination"]): mount for mount in found}


def bind(destination: str) -> dict[str, object]:
    return mounts.bind("/src", destination, is_read_only=False)


def test_what_everybody_has() -> None:
    found = told()
    assert list(found) == [
        "/proc",
        "/dev",
        "/dev/pts",
        "/sys",
        "/sys/fs/cgroup",
        "/dev/mqueue",
        SHM,
        "/etc/hosts",
        "/etc/hostname",
        "/etc/resolv.conf",
    ]
    assert "ro" in found["/sys"]["options"]
    assert "ro" in found["/sys/fs/cgroup"]["options"]
    assert "size=67108864" in found[SHM]["options"]
    assert found["/etc/hosts"] == {
        "destination": "/etc/hosts",
        "type": "bind",
        "source": f"{OWN}/hosts",
        "options": ["rbind", "rprivate", "rw"],
    }


def test_the_orders_own_come_last_and_the_deeper_ones_after() -> None:
    found = told(bind("/srv/data/deep"), bind("/srv"), tmpfs=[{"destination": "/srv/data"}])
    deep = [path for path in found if path.startswith("/srv")]
    assert deep == ["/srv", "/srv/data", "/srv/data/deep"]
    assert list(found)[-1] == "/srv/data/deep"
    assert list(found).index("/srv") > list(found).index(SHM)


def test_a_whole_etc_of_somebodys_own_has_rings_files_in_it() -> None:
    found = list(told(bind("/etc")))
    assert found.index("/etc") < min(found.index(f"/etc/{name}") for name in mounts.RING_FILES)


@pytest.mark.parametrize("destination", [SHM, "/etc/hosts", "/sys/fs/cgroup", "/proc"])
def test_what_is_usual_gives_way(destination: str) -> None:
    found = told(bind(destination))
    assert found[destination]["source"] == "/src"
    assert set(found) == set(told())


def test_a_whole_dev_of_somebodys_own() -> None:
    found = told(bind("/dev"), bind(SHM))
    assert [path for path in found if path.startswith("/dev")] == ["/dev", SHM]


def test_a_tmpfs() -> None:
    found = told(
        tmpfs=[{"destination": "/a", "size": "1Mi", "mode": "0751"}, {"destination": "/b/"}],
        shm_size="2Mi",
    )
    assert found["/a"] == {
        "destination": "/a",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "noexec", "nodev", "size=1048576", "mode=0751"],
    }
    assert found["/b"]["options"] == ["nosuid", "noexec", "nodev"]
    assert "size=2097152" in found[SHM]["options"]


def test_a_read_only_root_has_read_only_files_and_writable_volumes() -> None:
    found = told(bind("/data"), is_read_only=True, tmpfs=[{"destination": "/scratch"}])
    assert "ro" in found["/etc/hosts"]["options"]
    assert "rw" in found["/data"]["options"]
    for path in ("/scratch", SHM, "/dev", "/proc"):
        assert "ro" not in found[path]["options"]


def test_a_privileged_one_writes_to_the_kernels_own() -> None:
    found = told(is_privileged=True)
    assert "ro" not in found["/sys"]["options"]
    assert "ro" not in found["/sys/fs/cgroup"]["options"]
    found = told(is_privileged=True, is_read_only=True)
    assert "ro" in found["/sys"]["options"]


def test_the_init_is_only_read() -> None:
    mount = told(init="/usr/bin/tini-static")["/.ring-init"]
    assert mount["source"] == "/usr/bin/tini-static"
    assert "ro" in mount["options"]


@pytest.mark.parametrize(
    ("release", "options"),
    [("6.1.0-18-amd64", ["ro", "rro"]), ("5.12", ["ro", "rro"]), ("5.10.0", ["ro"]), ("x", ["ro"])],
)
def test_what_is_below_is_only_read_too(
    monkeypatch: pytest.MonkeyPatch, release: str, options: list[str]
) -> None:
    told = os.uname_result(("Linux", "host", release, "#1", "x86_64"))
    monkeypatch.setattr(os, "uname", lambda: told)
    mount = mounts.bind("/src", "/data/", is_read_only=True)
    assert mount["destination"] == "/data"
    assert mount["options"] == ["rbind", "rprivate", *options]
