from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.spec import Device
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.oci import devices


def make(path: Path, kind: int, major: int, minor: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(path, kind | 0o600, os.makedev(major, minor))
    path.chmod(0o640)


def test_a_device_is_told_as_it_is_here() -> None:
    told = Path("/dev/zero").stat()
    ((node, permissions),) = devices.nodes(
        [Device(source="/dev/zero", destination="/dev/nought", permissions="r")]
    )
    assert node == {
        "path": "/dev/nought",
        "type": "c",
        "major": 1,
        "minor": 5,
        "fileMode": stat.S_IMODE(told.st_mode),
        "uid": told.st_uid,
        "gid": told.st_gid,
    }
    assert devices.rule(node, permissions) == {
        "allow": True,
        "type": "c",
        "major": 1,
        "minor": 5,
        "access": "r",
    }


def test_a_folder_is_all_that_is_in_it(tmp_path: Path) -> None:
    make(tmp_path / "snd/timer", stat.S_IFCHR, 116, 33)
    make(tmp_path / "snd/by-path/disk", stat.S_IFBLK, 8, 0)
    (tmp_path / "snd/note").write_text("")
    source = os.fspath(tmp_path / "snd")
    found = devices.nodes([Device(source=source, destination="/dev/sound", permissions="rw")])
    assert [(node["path"], node["type"], permissions) for node, permissions in found] == [
        ("/dev/sound/timer", "c", "rw"),
        ("/dev/sound/by-path/disk", "b", "rw"),
    ]
    assert [node["path"] for node, _ in devices.nodes([Device(source=source)])] == [
        f"{source}/timer",
        f"{source}/by-path/disk",
    ]


def test_a_link_leads_to_its_device(tmp_path: Path) -> None:
    make(tmp_path / "disk", stat.S_IFBLK, 8, 1)
    (tmp_path / "by-id").symlink_to("disk")
    ((node, _),) = devices.nodes([Device(source=os.fspath(tmp_path / "by-id"))])
    assert (node["path"], node["minor"]) == (os.fspath(tmp_path / "by-id"), 1)


@pytest.mark.parametrize(
    ("name", "why"),
    [("none", "No such file"), ("file", "it is no device"), ("empty", "there is no device in it")],
)
def test_what_the_host_does_not_have_is_named(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    source = os.fspath(tmp_path / name)
    with pytest.raises(RuntimeFailure, match=why) as caught:
        devices.nodes([Device(source=source)])
    assert f"'{source}'" in caught.value.message
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED


def test_all_of_the_host_but_what_is_made_anew(tmp_path: Path) -> None:
    make(tmp_path / "sda", stat.S_IFBLK, 8, 0)
    make(tmp_path / "net/tun", stat.S_IFCHR, 10, 200)
    make(tmp_path / "pts/0", stat.S_IFCHR, 136, 0)
    make(tmp_path / "console", stat.S_IFCHR, 5, 1)
    (tmp_path / "stdin").symlink_to("sda")
    paths = [node["path"] for node in devices.of_the_host(tmp_path)]
    assert paths == [f"{tmp_path}/sda", f"{tmp_path}/net/tun"]


def test_the_usual_rules_refuse_first() -> None:
    rules = devices.default_rules()
    assert rules[0] == {"allow": False, "access": "rwm"}
    assert {"allow": True, "type": "c", "major": 136, "access": "rwm"} in rules
    assert {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"} in rules
    assert devices.all_rules() == [{"allow": True, "access": "rwm"}]
