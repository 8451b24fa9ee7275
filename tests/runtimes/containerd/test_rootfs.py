from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd import mounting, rootfs
from tests.runtimes.containerd.trees import SnapshotMount, bound, overlaid

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_BYTES = 1000


def image(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0\n")
    return root


def test_layers_are_seen_one_over_the_other(tmp_path: Path) -> None:
    mounts = overlaid(tmp_path, [{"etc/a": "low", "etc/b": "low"}, {"etc/b": "high"}])
    with rootfs.opened(mounts) as root:
        assert root.read("/etc/a", MOST_BYTES) == b"low"
        assert root.read("/etc/b", MOST_BYTES) == b"high"


def test_its_own_layer_is_on_top_and_nothing_is_written_to_it(tmp_path: Path) -> None:
    mounts = overlaid(tmp_path, [{"etc/a": "low"}])
    own = tmp_path / "snapshots/top/fs"
    (own / "etc").mkdir()
    (own / "etc/a").write_text("own")
    with rootfs.opened(mounts) as root:
        assert root.read("/etc/a", MOST_BYTES) == b"own"
        with pytest.raises(RuntimeFailure, match="Read-only file system") as caught:
            root.make_directory("/srv")
    assert caught.value.failure.kind is FailureClass.FILE_SYSTEM
    assert not any((tmp_path / "snapshots/top/work").iterdir())


def test_more_layers_than_one_text_of_the_kernel_holds(tmp_path: Path) -> None:
    base = tmp_path / ("long" * 20)
    mounts = overlaid(base, [{f"file{number}": f"{number}"} for number in range(80)])
    assert sum(len(option) for option in mounts[0].options) > 4096
    with rootfs.opened(mounts) as root:
        assert [root.read(f"/file{number}", MOST_BYTES) for number in (0, 79)] == [b"0", b"79"]


def test_what_is_made_in_a_writable_one_is_kept(tmp_path: Path) -> None:
    mounts = overlaid(tmp_path, [{"etc/a": "low"}])
    with rootfs.opened(mounts, writable=True) as root:
        root.make_directory("/srv/app/../app/data")
        root.make_directory("/etc")
    made = tmp_path / "snapshots/top/fs/srv/app/data"
    assert stat.S_IMODE(made.stat().st_mode) == 0o755
    assert stat.S_IMODE(made.parent.parent.stat().st_mode) == 0o755


def test_nothing_is_mounted_where_others_see_it(tmp_path: Path) -> None:
    """Others mount theirs meanwhile."""
    number = mounting.apart(overlaid(tmp_path, [{"a": ""}]), writable=False)
    try:
        device = os.fstat(number).st_dev
        mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    finally:
        os.close(number)
    assert device != tmp_path.stat().st_dev
    assert f"{os.major(device)}:{os.minor(device)}" not in [mount[2] for mount in mounts]
    assert Path.cwd() == Path.cwd().resolve()


def test_what_is_no_regular_file_is_not_there(tmp_path: Path) -> None:
    root_path = image(tmp_path)
    os.mkfifo(root_path / "pipe")
    (root_path / "dangling").symlink_to("nowhere")
    (root_path / "loop").symlink_to("loop")
    with rootfs.opened(bound(root_path)) as root:
        for path in ("/none", "/etc/passwd/none", "/etc", "/pipe", "/dangling", "/loop"):
            assert root.read(path, MOST_BYTES) is None, path


def test_a_device_of_an_image_is_not_opened(tmp_path: Path) -> None:
    """Not even where that could be: to open one may do something to the host."""
    root_path = image(tmp_path)
    os.mknod(root_path / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    with rootfs.opened(bound(root_path)) as root:
        assert root.read("/zero", MOST_BYTES) is None


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../etc/passwd", "/../etc/passwd"])
def test_no_link_leads_out(tmp_path: Path, target: str) -> None:
    root_path = image(tmp_path)
    (root_path / "etc/link").symlink_to(target)
    (root_path / "up").symlink_to("/")
    with rootfs.opened(bound(root_path)) as root:
        assert root.read("/etc/link", MOST_BYTES) == b"root:x:0:0\n"
        assert root.read("/up/../up/etc/passwd", MOST_BYTES) == b"root:x:0:0\n"
        assert root.read("/../../etc/passwd", MOST_BYTES) == b"root:x:0:0\n"


def test_a_link_that_was_not_read_for_long_leads_on(tmp_path: Path) -> None:
    """The kernel, which would note that it is read, walks more carefully then."""
    root_path = image(tmp_path)
    link = root_path / "up"
    link.symlink_to("/")
    os.utime(link, (0, 0), follow_symlinks=False)
    with rootfs.opened(bound(root_path)) as root:
        assert root.read("/up/../up/etc/passwd", MOST_BYTES) == b"root:x:0:0\n"


def test_no_folder_is_made_outside(tmp_path: Path) -> None:
    root_path, outside = image(tmp_path), tmp_path / "outside"
    outside.mkdir()
    (root_path / "srv").symlink_to(outside)
    (root_path / outside.relative_to("/")).mkdir(parents=True)
    with rootfs.opened(bound(root_path), writable=True) as root:
        root.make_directory("/srv/data")
    assert not any(outside.iterdir())
    assert (root_path / outside.relative_to("/") / "data").is_dir()


def test_a_file_has_a_largest_size(tmp_path: Path) -> None:
    root_path = image(tmp_path)
    with rootfs.opened(bound(root_path)) as root:
        assert root.read("/etc/passwd", 11) is not None
        with pytest.raises(RuntimeFailure, match="'/etc/passwd' of the image is larger") as caught:
            root.read("/etc/passwd", 10)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED


@pytest.mark.parametrize(
    "mounts",
    [
        lambda _: [],
        lambda path: [SnapshotMount("fuse3.fuse-overlayfs", "overlay", ())],
        lambda path: bound(path / "missing"),
    ],
)
def test_what_cannot_be_mounted_is_told(
    tmp_path: Path, mounts: Callable[[Path], list[SnapshotMount]]
) -> None:
    with (
        pytest.raises(RuntimeFailure, match="the root file system of the instance") as caught,
        rootfs.opened(mounts(tmp_path)),
    ):
        pytest.fail("it was mounted")
    assert caught.value.failure.kind is FailureClass.FILE_SYSTEM


def test_a_tree_is_copied_as_it_is(tmp_path: Path) -> None:
    root_path, to = image(tmp_path), tmp_path / "to"
    data = root_path / "data"
    (data / "sub").mkdir(parents=True)
    (data / "sub/file").write_bytes(b"x" * 100_000)
    os.link(data / "sub/file", data / "other-name")
    (data / "link").symlink_to("/etc/passwd")
    os.mkfifo(data / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(data / "sock"))
    (data / "program").write_text("#!/bin/sh")
    os.setxattr(data / "program", "user.note", b"kept")
    os.chown(data / "program", 12, 34)
    (data / "program").chmod(0o4750)
    os.lchown(data / "link", 56, 78)
    os.chown(data, 1000, 1001)
    data.chmod(0o2770)
    os.utime(data / "program", ns=(1_000, 2_000))
    to.mkdir()
    with rootfs.opened(bound(root_path)) as root:
        assert root.copy_tree("/data", to)
    assert described(to) == described(data)
    assert (to / "sub/file").stat().st_ino == (to / "other-name").stat().st_ino
    assert os.getxattr(to / "program", "user.note") == b"kept"
    assert (to / "program").stat().st_mtime_ns == 2_000
    assert (to / "link").readlink() == Path("/etc/passwd")


def described(root: Path) -> dict[str, tuple[int, int, int, int]]:
    paths = [root, *root.rglob("*")]
    told = {os.fspath(path.relative_to(root)): path.lstat() for path in paths}
    return {
        name: (one.st_mode, one.st_uid, one.st_gid, 0 if path_is_folder(one) else one.st_size)
        for name, one in told.items()
    }


def path_is_folder(told: os.stat_result) -> bool:
    return stat.S_ISDIR(told.st_mode)


def test_what_is_not_there_is_not_copied_and_a_file_is_no_tree(tmp_path: Path) -> None:
    to = tmp_path / "to"
    to.mkdir(mode=0o700)
    with rootfs.opened(bound(image(tmp_path))) as root:
        assert not root.copy_tree("/none", to)
        assert stat.S_IMODE(to.stat().st_mode) == 0o700
        with pytest.raises(RuntimeFailure, match="at '/etc/passwd': it is a file") as caught:
            root.copy_tree("/etc/passwd", to)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert not any(to.iterdir())


def test_a_tree_behind_a_link_is_the_images(tmp_path: Path) -> None:
    root_path, to, outside = image(tmp_path), tmp_path / "to", tmp_path / "outside"
    outside.mkdir()
    (outside / "hosts-own").write_text("")
    (root_path / "data").symlink_to(outside)
    to.mkdir()
    with rootfs.opened(bound(root_path)) as root:
        root.copy_tree("/data", to)
    assert not any(to.iterdir())
