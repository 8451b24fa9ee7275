"""Files that instances mount: whole, read by nobody else, gone with their row."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from ring.core.errors import HostError
from ring.core.model.ids import DeploymentId
from ring.engine.operating.files import Files

if TYPE_CHECKING:
    from collections.abc import Coroutine

ROW, OTHER = DeploymentId("row-1"), DeploymentId("row-2")
CONTENT = b"signing key\n"
T = TypeVar("T")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "run" / "configs"


def done(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(work)


def names(path: Path) -> list[str]:
    return [one.name for one in path.iterdir()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_file_is_named_by_its_content_and_can_be_read_but_not_reached(root: Path) -> None:
    path = Path(done(Files(root).keep(ROW, CONTENT)))
    assert path == root / ROW / hashlib.sha256(CONTENT).hexdigest()
    assert path.read_bytes() == CONTENT
    assert mode(path) == 0o444
    assert [mode(one) for one in (path.parent, root, root.parent)] == [0o700] * 3
    assert names(path.parent) == [path.name]


def test_the_same_content_is_the_same_file_also_for_another_server(root: Path) -> None:
    first = Path(done(Files(root).keep(ROW, CONTENT)))
    made = first.stat()
    assert done(Files(root).keep(ROW, CONTENT)) == os.fspath(first)
    assert (first.stat().st_ino, first.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)
    assert done(Files(root).keep(OTHER, CONTENT)) != os.fspath(first)


def test_side_by_side_they_are_one(root: Path) -> None:
    async def main() -> set[str]:
        files = Files(root)
        return set(await asyncio.gather(*(files.keep(ROW, CONTENT) for _ in range(8))))

    (path,) = done(main())
    assert names(root / ROW) == [Path(path).name]


@pytest.mark.parametrize("damage", ["content", "mode", "link", "short"])
def test_a_file_that_is_not_as_it_was_made_is_made_anew(
    root: Path, tmp_path: Path, damage: str
) -> None:
    path = Path(done(Files(root).keep(ROW, CONTENT)))
    path.chmod(0o600)
    if damage == "content":
        path.write_bytes(b"x" * len(CONTENT))
        path.chmod(0o444)
    elif damage == "short":
        path.write_bytes(b"x")
        path.chmod(0o444)
    elif damage == "link":
        path.unlink()
        (tmp_path / "elsewhere").write_bytes(CONTENT)
        path.symlink_to(tmp_path / "elsewhere")
    assert Path(done(Files(root).keep(ROW, CONTENT))) == path
    assert path.is_file()
    assert not path.is_symlink()
    assert (path.read_bytes(), mode(path)) == (CONTENT, 0o444)


def test_open_directories_are_closed(root: Path) -> None:
    (root / ROW).mkdir(parents=True, mode=0o777)
    (root / ROW).chmod(0o777)
    done(Files(root).keep(ROW, CONTENT))
    assert mode(root / ROW) == 0o700


@pytest.mark.parametrize("where", ["root", "row"])
def test_a_link_in_place_of_a_directory_is_refused(root: Path, tmp_path: Path, where: str) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    place = root if where == "root" else root / ROW
    place.parent.mkdir(parents=True)
    place.symlink_to(trap)
    with pytest.raises(HostError, match="cannot keep files in"):
        done(Files(root).keep(ROW, CONTENT))
    assert names(trap) == []


def test_a_place_on_the_way_that_others_can_change_is_refused(root: Path, tmp_path: Path) -> None:
    shared = tmp_path / "run"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(HostError, match="other users can change 'run'"):
        done(Files(root).keep(ROW, CONTENT))
    assert names(shared) == []


def test_a_link_in_a_place_that_others_can_change_is_not_followed(tmp_path: Path) -> None:
    shared, trap = tmp_path / "shared", tmp_path / "trap"
    shared.mkdir()
    shared.chmod(0o1777)
    trap.mkdir()
    (shared / "run").symlink_to(trap)
    with pytest.raises(HostError, match="cannot keep files in"):
        done(Files(shared / "run" / "configs").keep(ROW, CONTENT))
    assert names(trap) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_belongs_to_somebody_else_is_refused(root: Path) -> None:
    (root / ROW).mkdir(parents=True)
    os.chown(root / ROW, 12345, 12345)
    with pytest.raises(HostError, match="belongs to another user"):
        done(Files(root).keep(ROW, CONTENT))
    os.chown(root.parent, 12345, 12345)
    with pytest.raises(HostError, match="other users can change 'run'"):
        done(Files(root).keep(OTHER, CONTENT))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's links are followed")
def test_a_link_of_root_on_the_way_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "var").symlink_to(tmp_path / "real")
    done(Files(tmp_path / "var" / "run" / "configs").keep(ROW, CONTENT))
    assert names(tmp_path / "real" / "run" / "configs") == [ROW]


def test_a_rows_files_go_with_it(root: Path) -> None:
    files = Files(root)
    done(files.keep(ROW, CONTENT))
    done(files.keep(ROW, b"more"))
    done(files.keep(OTHER, CONTENT))
    done(files.drop(ROW))
    done(files.drop(ROW))
    assert names(root) == [OTHER]
    assert done(files.owners()) == (OTHER,)


def test_where_nothing_was_made_there_is_nothing_to_remove(root: Path) -> None:
    files = Files(root)
    done(files.drop(ROW))
    done(files.tidy(ROW))
    assert done(files.owners()) == ()
    assert not root.parent.exists()


def test_what_a_killed_server_had_begun_is_removed(root: Path) -> None:
    path = Path(done(Files(root).keep(ROW, CONTENT)))
    (root / ROW / ".new-0123-4567").write_bytes(CONTENT)
    done(Files(root).tidy(ROW))
    assert names(root / ROW) == [path.name]


def test_a_full_disk_leaves_nothing_half_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    files = Files(root)
    done(files.keep(OTHER, CONTENT))
    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(HostError, match="No space left on device"):
        done(files.keep(OTHER, b"more"))
    monkeypatch.undo()
    assert len(names(root / OTHER)) == 1


def test_a_directory_says_whose_it_is(root: Path) -> None:
    done(Files(root, owner="one").keep(ROW, CONTENT))
    done(Files(root, owner="one").keep(ROW, b"more"))
    done(Files(root).keep(OTHER, CONTENT))
    (root / "somebodys").mkdir()
    (root / "a file").touch()
    kept = sorted(done(Files(root, owner="two").kept()))
    assert kept == sorted([(ROW, "one"), (OTHER, ""), ("somebodys", ""), ("a file", "")])
    done(Files(root).drop(ROW))
    assert not (root / ROW).exists()


def test_where_nothing_was_kept_there_is_nothing(root: Path) -> None:
    assert done(Files(root / "no", owner="one").kept()) == ()
