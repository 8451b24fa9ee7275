from __future__ import annotations

import errno
import json
import os
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.core.model.stock import HeldVolume
from ring.runtimes.base import File, RuntimeFailure
from ring.runtimes.containerd import mounting, named_volumes
from ring.runtimes.containerd.named_volumes import NamedVolumes
from ring.runtimes.containerd.volumes import Volumes
from tests.runtimes.containerd.orders import NAME, image, order
from tests.runtimes.containerd.trees import bound

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.runtimes.base import Order
    from ring.runtimes.containerd.image_config import ImageConfig

pytestmark = pytest.mark.anyio

ID = InstanceId(NAME)
PLAIN = image()


@dataclass
class Place:
    """A state directory, and an image with a little in it."""

    path: Path
    volumes: Volumes = field(init=False)

    def __post_init__(self) -> None:
        self.volumes = Volumes(self.state)
        (self.root / "data/sub").mkdir(parents=True)
        (self.root / "data/sub/note").write_text("of the image")
        os.chown(self.root / "data", 1000, 1001)
        (self.root / "data").chmod(0o750)
        (self.root / "file").write_text("")

    @property
    def state(self) -> Path:
        return self.path / "state"

    @property
    def root(self) -> Path:
        return self.path / "root"

    async def prepare(
        self, wanted: Order, config: ImageConfig = PLAIN, instance_id: InstanceId = ID
    ) -> dict[str, str]:
        """Sources by destination; none is writable unless it says so."""
        mounts = await self.volumes.prepare(wanted, config, bound(self.root), instance_id)
        return {
            f"{mount['destination']}{'' if 'rw' in str(mount['options']) else ':ro'}": str(
                mount["source"]
            )
            for mount in mounts
        }

    async def refusal(self, wanted: Order, config: ImageConfig = PLAIN) -> RuntimeFailure:
        with pytest.raises(RuntimeFailure) as caught:
            await self.prepare(wanted, config)
        return caught.value


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def named(destination: str = "/data", source: str = "orders", **members: object) -> Order:
    volume = {"type": "volume", "source": source, "destination": destination, **members}
    return order({"volumes": [volume]})


async def test_a_folder_of_the_host(place: Place) -> None:
    source = os.fspath(place.path)
    volumes = [
        {"type": "bind", "source": source, "destination": "/a", "permission": "ro"},
        {"type": "bind", "source": source, "destination": "/b", "relabel": "shared"},
    ]
    assert await place.prepare(order({"volumes": volumes})) == {"/a:ro": source, "/b": source}


async def test_a_folder_that_is_missing_is_named_and_not_made(place: Place) -> None:
    missing = place.path / "missing"
    volume = {"type": "bind", "source": f"{missing}", "destination": "/a"}
    failure = await place.refusal(order({"volumes": [volume]}), image(volumes=("/data",)))
    assert failure.failure.kind is FailureClass.INSTANCE_REJECTED
    assert failure.message == f"bind source path does not exist: {missing}"
    assert not missing.exists()
    assert not (place.state / "anonymous" / ID).exists()


async def test_a_named_volume_is_made_labelled_and_populated(place: Place) -> None:
    made = place.state / "volumes/orders"
    assert await place.prepare(named()) == {"/data": os.fspath(made)}
    told = made.stat()
    assert (told.st_uid, told.st_gid, stat.S_IMODE(told.st_mode)) == (1000, 1001, 0o750)
    assert (made / "sub/note").read_text() == "of the image"
    labels = json.loads((place.state / "volumes/orders.labels.json").read_text())
    assert labels == {
        "ring.managed": "true",
        "ring.namespace": "shop",
        "ring.deployment": "web",
        "ring.name": "web",
        "ring.server": "s-1",
    }
    assert stat.S_IMODE((place.state / "volumes").stat().st_mode) == 0o700
    assert await place.volumes.held() == (HeldVolume("orders", "shop", "s-1"),)
    assert sorted(path.name for path in (place.state / "volumes").iterdir()) == [
        "orders",
        "orders.labels.json",
    ]


async def test_one_that_the_image_has_nothing_for(place: Place) -> None:
    await place.prepare(named("/none"))
    told = (place.state / "volumes/orders").stat()
    assert (told.st_uid, stat.S_IMODE(told.st_mode)) == (0, 0o755)


async def test_one_that_is_in_use_stays_as_it_is(place: Place) -> None:
    await place.prepare(named())
    made = place.state / "volumes/orders"
    (made / "sub/note").unlink()
    (made / "own").write_text("")
    inode = made.stat().st_ino
    assert await place.prepare(named(permission="ro")) == {"/data:ro": os.fspath(made)}
    assert not (made / "sub/note").exists()
    for path in sorted(made.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    await place.prepare(named())
    assert (made / "sub/note").read_text() == "of the image"
    assert made.stat().st_ino == inode, "whoever has it mounted sees the same"


async def test_one_of_another_namespace_is_refused(place: Place) -> None:
    await place.prepare(named())
    other = named()
    other = order({**json.loads(other.spec.model_dump_json(exclude_none=True)), "namespace": "lab"})
    failure = await place.refusal(other)
    assert failure.failure.kind is FailureClass.CONFIG_MISSING
    assert failure.message == "Volume 'orders' belongs to namespace 'shop'; choose another name"


async def test_one_that_somebody_else_made_is_used(place: Place) -> None:
    made = place.state / "volumes/orders"
    made.mkdir(parents=True)
    (made / "own").write_text("")
    assert await place.prepare(named()) == {"/data": os.fspath(made)}
    assert await place.volumes.held() == ()


async def test_a_label_that_cannot_be_read_gives_nothing_away(place: Place) -> None:
    await place.prepare(named())
    (place.state / "volumes/orders.labels.json").write_text("[")
    failure = await place.refusal(named())
    assert failure.failure.kind is FailureClass.FILE_SYSTEM
    assert "whose volume 'orders' is" in failure.message


@pytest.mark.parametrize("source", ["..", "a/b", ".new-x", "x.labels.json", "a" * 300])
async def test_a_name_leads_nowhere_else(place: Place, source: str) -> None:
    failure = await place.refusal(named(source=source))
    assert failure.failure.kind is FailureClass.INSTANCE_REJECTED
    assert failure.message == f"cannot create volume '{source}': this is no volume name"
    assert not (place.state / "volumes").exists()


async def test_a_bind_without_a_path_is_a_name(place: Place) -> None:
    volume = {"type": "bind", "source": "orders", "destination": "/data"}
    found = await place.prepare(order({"volumes": [volume]}))
    assert found == {"/data": f"{place.state}/volumes/orders"}


async def test_what_was_not_finished_is_swept(place: Place) -> None:
    left = place.state / "volumes/.new-left"
    (left / "some").mkdir(parents=True)
    await place.prepare(named())
    assert not left.exists()


def contents(folder: Path) -> dict[str, str]:
    return {
        os.fspath(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Populating:
    """Fills a folder with three files of an image; what else happens, after the second."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.meanwhile = meanwhile

    def __call__(self, folder: Path) -> bool:
        (folder / "sub").mkdir()
        for number, name in enumerate(("a", "sub/b", "c")):
            if number == 2:
                self.meanwhile()
            (folder / name).write_text("of the image")
        os.chown(folder, 1000, 1001)
        return True


WHOLE = {"a": "of the image", "c": "of the image", "sub/b": "of the image"}


def full_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write(path: Path) -> None:
    path.write_text("of somebody else")


def ensure(place: Place, meanwhile: Callable[[], None] = lambda: None) -> Path:
    """As a server does it that was just started."""
    volumes = NamedVolumes(place.state / "volumes")
    return volumes.ensure("orders", order().spec, "s-1", Populating(meanwhile))


@pytest.mark.parametrize("is_there", [False, True])
async def test_a_full_disk_leaves_none_half_filled(place: Place, is_there: bool) -> None:
    made = place.state / "volumes/orders"
    if is_there:
        made.mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            ensure(place, full_disk)
        assert [path.name for path in made.parent.iterdir() if path.name[0] == "."] == []
        assert contents(made) == {}
    inode = made.stat().st_ino if is_there else None
    assert contents(ensure(place)) == WHOLE
    told = made.stat()
    assert (told.st_uid, told.st_gid) == (1000, 1001)
    assert inode in {None, told.st_ino}, "whoever has it mounted sees the same"


async def test_a_server_that_ends_while_one_is_filled_leaves_the_rest_to_the_next(
    place: Place,
) -> None:
    folder = place.state / "volumes"
    made, fill = folder / "orders", folder / ".fill-orders"
    made.mkdir(parents=True)
    fill.mkdir()
    Populating(lambda: None)(fill)
    (fill / "a").rename(made / "a")
    _write(made / "c")
    _write(made / "own")

    assert ensure(place, full_disk) == made
    others = {"c": "of somebody else", "own": "of somebody else"}
    assert contents(made) == {**WHOLE, **others}
    assert made.stat().st_uid == 1000
    assert not fill.exists()
    (made / "a").unlink()
    ensure(place)
    assert not (made / "a").exists(), "it is in use"


async def test_what_was_left_of_one_that_was_removed_is_of_no_other(place: Place) -> None:
    fill = place.state / "volumes/.fill-orders"
    fill.mkdir(parents=True)
    (fill / "old").write_text("")
    assert contents(ensure(place)) == WHOLE
    assert not fill.exists()
    assert contents(ensure(place)) == WHOLE


async def test_one_that_somebody_fills_meanwhile_is_theirs(place: Place) -> None:
    made = place.state / "volumes/orders"
    made.mkdir(parents=True)
    ensure(place, lambda: _write(made / "own"))
    assert contents(made) == {"own": "of somebody else"}
    assert sorted(path.name for path in made.parent.iterdir()) == ["orders"]


async def test_one_that_is_a_file_system_of_its_own_is_filled_in_its_place(place: Place) -> None:
    made = place.state / "volumes/orders"
    made.mkdir(parents=True)
    seen: list[list[str]] = []
    mounting.mount("ring-test", made, "tmpfs", "size=64k")
    try:
        ensure(place, lambda: seen.append(os.listdir(made)))  # noqa: PTH208 - no objects
        assert contents(made) == WHOLE
        assert len(seen[0]) == 1
        assert seen[0][0].startswith(".ring-")
        assert sorted(os.listdir(made)) == ["a", "c", "sub"]  # noqa: PTH208 - no objects
    finally:
        mounting.unmount(made)


@pytest.fixture
def elsewhere(place: Place) -> Path:
    """Where an operator wants a volume to be."""
    folder = place.path / "elsewhere"
    folder.mkdir()
    folder.chmod(0o751)
    (place.state / "volumes").mkdir(parents=True)
    (place.state / "volumes/orders").symlink_to(folder)
    return folder


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_full_disk_leaves_none_half_filled_that_is_elsewhere(
    place: Place, elsewhere: Path
) -> None:
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            ensure(place, full_disk)
        assert names(elsewhere) == []
        assert names(place.state / "volumes") == ["orders"]
    ensure(place)
    assert contents(elsewhere) == WHOLE
    assert (elsewhere.stat().st_uid, elsewhere.stat().st_gid) == (1000, 1001)
    assert names(elsewhere) == ["a", "c", "sub"]
    assert names(place.state / "volumes") == ["orders"]


class Killed(BaseException):
    """The server ends here: nothing is tidied up any more."""


def killed() -> None:
    raise Killed


@pytest.mark.parametrize("is_filled_since", [False, True])
def test_a_server_that_ends_while_it_copies_elsewhere_begins_again(
    place: Place, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, is_filled_since: bool
) -> None:
    settle = named_volumes._settle
    monkeypatch.setattr(named_volumes, "_settle", lambda *_: None)
    with pytest.raises(Killed):
        ensure(place, killed)
    monkeypatch.setattr(named_volumes, "_settle", settle)
    (left,) = elsewhere.iterdir()
    assert contents(left) == {"a": "of the image", "sub/b": "of the image"}
    if is_filled_since:
        _write(elsewhere / "own")

    ensure(place)
    own = {"own": "of somebody else"}
    assert contents(elsewhere) == (own if is_filled_since else WHOLE)
    assert not left.exists()
    assert names(place.state / "volumes") == ["orders"]


def test_a_server_that_ends_while_it_moves_what_is_whole_goes_on(
    place: Place, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = named_volumes._move

    def some_moved(fill: Path, target: Path) -> None:
        (fill / "a").rename(target / "a")
        _write(target / "c")
        raise Killed

    monkeypatch.setattr(named_volumes, "_move", some_moved)
    with pytest.raises(Killed):
        ensure(place)
    monkeypatch.setattr(named_volumes, "_move", move)

    ensure(place, full_disk)
    assert contents(elsewhere) == {**WHOLE, "c": "of somebody else"}
    assert names(elsewhere) == ["a", "c", "sub"]
    assert elsewhere.stat().st_uid == 1000
    (elsewhere / "a").unlink()
    ensure(place)
    assert not (elsewhere / "a").exists(), "it is in use"


def test_one_elsewhere_that_somebody_fills_meanwhile_is_theirs(
    place: Place, elsewhere: Path
) -> None:
    ensure(place, lambda: _write(elsewhere / "own"))
    assert contents(elsewhere) == {"own": "of somebody else"}
    assert names(elsewhere) == ["own"]


@pytest.mark.parametrize("told", [".", "own", ".ring-x", "../elsewhere", f".ring-{'0' * 16}"])
def test_nothing_of_its_owner_is_touched_elsewhere(
    place: Place, elsewhere: Path, told: str
) -> None:
    """Whatever the note says; a link is an instance's, as is all that no note tells of."""
    (elsewhere / "own").mkdir()
    _write(elsewhere / "own/data")
    (elsewhere / f".ring-{'0' * 16}").symlink_to(elsewhere / "own")
    (elsewhere / f".ring-{'1' * 16}").mkdir()
    before = contents(elsewhere), names(elsewhere)
    for state in ("", "\nwhole"):
        (place.state / "volumes/.filling-orders").write_text(f"{told}{state}")
        ensure(place)
        assert (contents(elsewhere), names(elsewhere)) == before
    assert names(place.state / "volumes") == ["orders"]


async def test_one_elsewhere_that_the_image_has_nothing_for_stays_as_it_is(
    place: Place, elsewhere: Path
) -> None:
    before = mode(elsewhere)
    await place.prepare(named("/none"))
    assert names(elsewhere) == []
    assert mode(elsewhere) == before


async def test_one_that_nobody_may_write_to_is_used_where_there_is_nothing_to_fill_it_with(
    place: Place, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def read_only(
        path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False
    ) -> None:
        if path.parent.samefile(elsewhere):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        make(path, mode, parents, exist_ok)

    monkeypatch.setattr(Path, "mkdir", read_only)
    await place.prepare(named("/none"))
    with pytest.raises(OSError, match="Read-only"):
        ensure(place)
    assert names(elsewhere) == []
    assert names(place.state / "volumes") == ["orders"]


async def test_one_that_is_elsewhere_is_used(place: Place) -> None:
    elsewhere = place.path / "elsewhere"
    elsewhere.mkdir()
    (place.state / "volumes").mkdir(parents=True)
    (place.state / "volumes/orders").symlink_to(elsewhere)
    await place.prepare(named("/none"))
    (elsewhere / "own").write_text("")
    assert await place.prepare(named()) == {"/data": f"{place.state}/volumes/orders"}
    assert contents(elsewhere) == {"own": ""}


async def test_over_a_file_of_the_image_there_is_no_volume(place: Place) -> None:
    for wanted, config in ((named("/file"), PLAIN), (order(), image(volumes=("/file",)))):
        failure = await place.refusal(wanted, config)
        assert failure.failure.kind is FailureClass.INSTANCE_REJECTED
        assert "at '/file': it is a file" in failure.message
    assert not (place.state / "volumes/orders").exists()
    assert not (place.state / "anonymous" / ID).exists()


@pytest.mark.parametrize(
    ("members", "declared", "what"),
    [
        ({"volumes": [{"type": "volume", "source": "a", "destination": "/"}]}, (), "a volume of"),
        ({"tmpfs": [{"destination": "/./"}]}, (), "a tmpfs of the manifest"),
        ({}, ("/a/..",), "a volume that the image declares"),
    ],
)
async def test_nothing_is_mounted_over_the_root(
    place: Place, members: dict[str, object], declared: tuple[str, ...], what: str
) -> None:
    with pytest.raises(RuntimeFailure, match=f"{what}.* is for '/'") as caught:
        await place.prepare(order(members), image(volumes=declared))
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert not (place.state / "anonymous").exists()


async def test_volumes_of_the_image(place: Place) -> None:
    config = image(volumes=("/data/", "/logs", "/scratch", "/conf", "cache"))
    wanted = order(
        {
            "volumes": [
                {"type": "volume", "source": "logs", "destination": "/logs"},
                {"type": "config", "source": "c", "key": "k", "destination": "/conf"},
            ],
            "tmpfs": [{"destination": "/scratch"}],
        }
    )
    base = place.state / "anonymous" / ID
    found = await place.prepare(wanted, config)
    assert found == {
        "/logs": f"{place.state}/volumes/logs",
        "/cache": f"{base}/0",
        "/data": f"{base}/1",
    }
    assert (base / "1/sub/note").read_text() == "of the image"
    assert (base / "1").stat().st_uid == 1000
    assert stat.S_IMODE((base / "0").stat().st_mode) == 0o755
    assert stat.S_IMODE(base.stat().st_mode) == 0o700
    assert await place.volumes.anonymous(ID) == (f"{ID}/0", f"{ID}/1")

    assert await place.volumes.remove(f"{ID}/0")
    assert await place.volumes.remove(f"{ID}/0")
    assert await place.volumes.remove("logs")
    assert await place.volumes.remove("../volumes/logs")
    assert await place.volumes.anonymous(ID) == (f"{ID}/1",)
    await place.volumes.release(ID)
    await place.volumes.release(ID)
    assert await place.volumes.anonymous(ID) == ()
    assert not base.exists()
    assert (place.state / "volumes/logs").exists()


async def test_there_are_no_plugins(place: Place) -> None:
    failure = await place.refusal(named(source="plain", driver="nfs"))
    assert failure.failure.kind is FailureClass.INSTANCE_REJECTED
    assert "volume 'plain' is no share" in failure.message


async def test_a_share_that_cannot_be_mounted_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    failure = await place.refusal(named(source="nas.invalid:/exp", driver="nfs"))
    assert failure.failure.kind is FailureClass.INSTANCE_REJECTED
    assert failure.message == "cannot mount 'nas.invalid:/exp': Name or service not known"
    assert list((place.state / "nfs").iterdir()) == []


async def test_files_of_the_order(place: Place) -> None:
    kept = place.path / "kept"
    kept.write_text("of a config")
    files = (File("/etc/a", b"a", f"{kept}"), File("/run/secret", b"hush", None))
    found = await place.prepare(order(files=files))
    written = place.state / "containerd" / ID / "files"
    assert found == {"/etc/a:ro": f"{kept}", "/run/secret:ro": f"{written}/1"}
    assert (written / "1").read_bytes() == b"hush"
    assert stat.S_IMODE((written / "1").stat().st_mode) == 0o444
    assert stat.S_IMODE(written.stat().st_mode) == 0o700
    await place.prepare(order(files=files))
    await place.volumes.release(ID)
    assert not written.exists()
    assert kept.exists()


async def test_a_folder_that_cannot_be_made_is_told(place: Place) -> None:
    place.state.mkdir()
    (place.state / "volumes").write_text("")
    failure = await place.refusal(named())
    assert failure.failure.kind is FailureClass.FILE_SYSTEM
    assert f"{place.state}/volumes" in failure.message
