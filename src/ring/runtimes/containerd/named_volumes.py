"""Named volumes as folders of this machine: made on first use, and never removed.

`<name>` is the folder, `<name>.labels.json` says whose it is, and is there before the folder. What
an image has for a folder is copied beside it, and is `.fill-<name>` once it is whole: nothing of it
goes into the folder before. Where the folder is on another file system the copy is in it, under a
name that `.filling-<name>` tells: nothing else in there is ever taken for Ring's.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.core.model import labels
from ring.core.model.failures import FailureClass
from ring.core.model.stock import HeldVolume
from ring.runtimes import named_volumes
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd import removal, trees

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ring.core.model.spec import DeploymentSpec

    Populate = Callable[[Path], bool]
    """Fills an empty folder with what the image has in its place; False: it has no such folder."""

MODE: Final = 0o755
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_LABELS: Final = ".labels.json"
_UNFINISHED: Final = ".new-"
_FILL: Final = ".fill-"
_FILLING: Final = ".filling-"
_COPY = re.compile(r"\.ring-[0-9a-f]{16}")
_WHOLE: Final = "whole"
_LONGEST_NAME: Final = 255 - len(_LABELS)


class NamedVolumes:
    """Those of one folder. For threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._turns: dict[str, threading.Lock] = {}
        self._is_swept = False

    def ensure(self, name: str, spec: DeploymentSpec, server_id: str, populate: Populate) -> Path:
        """The folder of a volume that is the namespace's, or nobody's.

        An empty one is populated, also one that was there: as Docker does it. Raises
        RuntimeFailure(CONFIG_MISSING | INSTANCE_REJECTED | FILE_SYSTEM), OSError.
        """
        if not _NAME.fullmatch(name) or name.endswith(_LABELS) or len(name) > _LONGEST_NAME:
            raise RuntimeFailure(
                FailureClass.INSTANCE_REJECTED,
                f"cannot create volume '{name}': this is no volume name",
            )
        target = self._directory / name
        with self._turns.setdefault(name, threading.Lock()):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            written = self._labels(name)
            named_volumes.require_owner(written or {}, name, spec.namespace)
            fill = self._directory / f"{_FILL}{name}"
            if not target.exists():
                shutil.rmtree(fill, ignore_errors=True)  # of one that somebody has removed since
                if written is None:
                    told = named_volumes.labels_for(spec, server_id)
                    self._write(
                        target.with_name(f"{name}{_LABELS}"), json.dumps(told, sort_keys=True)
                    )
                self._make(target, populate)
            elif not _are_beside(self._directory, target):
                self._fill_apart(target.resolve(), self._directory / f"{_FILLING}{name}", populate)
            elif fill.exists():
                _move(fill, target)
            elif not any(target.iterdir()):
                self._fill(target, fill, populate)
        return target

    def held(self) -> tuple[HeldVolume, ...]:
        """Those with Ring's label, by name."""
        names = sorted(
            path.name.removesuffix(_LABELS) for path in self._directory.glob(f"*{_LABELS}")
        )
        written = [(name, self._labels(name) or {}) for name in names]
        return tuple(
            HeldVolume(name, told.get(labels.NAMESPACE, ""), told.get(labels.SERVER, ""))
            for name, told in written
            if told.get(labels.MANAGED) == "true" and (self._directory / name).exists()
        )

    def _make(self, target: Path, populate: Populate) -> None:
        """Whole or not at all: a volume that is there is never populated a second time."""
        with self._unfinished() as unfinished:
            unfinished.chmod(MODE)
            populate(unfinished)
            try:
                unfinished.rename(target)
            except OSError as error:
                if error.errno not in {errno.EEXIST, errno.ENOTEMPTY} or not target.exists():
                    raise

    def _fill(self, target: Path, fill: Path, populate: Populate) -> None:
        """One that is there and empty stays the folder that it is: an instance may have it mounted.

        A copy that fails or breaks off leaves it empty, and what breaks off later goes on with the
        next use.
        """
        with self._unfinished() as unfinished:
            with _opened(target) as source, _opened(unfinished) as made:
                trees.describe(source, made)  # where the image has no such folder it stays that
            populate(unfinished)
            if any(target.iterdir()):
                return  # somebody else was quicker
            unfinished.rename(fill)
            _move(fill, target)

    def _fill_apart(self, target: Path, note: Path, populate: Populate) -> None:
        """One that is a disk of its own, or elsewhere: filled as whole as any other, from within.

        What it holds is its owner's, but for the one folder that the note names.
        """
        _settle(target, note)
        if any(target.iterdir()):
            return
        copy = target / f".ring-{secrets.token_hex(8)}"
        self._write(note, copy.name)
        try:
            copy.mkdir(mode=0o700)
        except OSError:
            populate(target)  # may have nothing to do; else it fails as well, and leaves nothing
        else:
            if populate(copy) and list(target.iterdir()) == [copy]:
                self._write(note, f"{copy.name}\n{_WHOLE}")
        finally:
            _settle(target, note)

    @contextlib.contextmanager
    def _unfinished(self) -> Iterator[Path]:
        """A new folder beside the volumes, locked; it goes with the end unless it was renamed."""
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._directory))
        try:
            with _opened(unfinished) as number:
                fcntl.flock(number, fcntl.LOCK_EX)
                yield unfinished
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _sweep(self) -> None:
        """What a server began that did not live to finish it; somebody who works on one holds its
        lock."""
        if self._is_swept:
            return
        self._is_swept = True
        for unfinished in self._directory.glob(f"{_UNFINISHED}*"):
            with contextlib.suppress(OSError):
                number = os.open(unfinished, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(unfinished)
                finally:
                    os.close(number)

    def _labels(self, name: str) -> dict[str, str] | None:
        """None: nothing is written about it."""
        path = self._directory / f"{name}{_LABELS}"
        try:
            told = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise RuntimeFailure(
                FailureClass.FILE_SYSTEM, f"cannot tell whose volume '{name}' is: see {path}"
            )
        return {str(key): str(value) for key, value in told.items()}

    def _write(self, path: Path, text: str) -> None:
        """Whole or not at all."""
        number, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=self._directory)
        try:
            with os.fdopen(number, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(number)
            Path(unfinished).rename(path)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise


def _settle(target: Path, note: Path) -> None:
    """Ends what was begun in a volume that is elsewhere: a copy that is whole goes to its place,
    what is less goes away. May be broken off at any point, and called again. Raises OSError."""
    try:
        name, _, state = note.read_text().partition("\n")
    except FileNotFoundError:
        return
    copy = target / name
    if _COPY.fullmatch(name) and _is_folder(copy):
        if state == _WHOLE:
            _move(copy, target)
        else:
            removal.remove(copy)
    note.unlink()


def _is_folder(path: Path) -> bool:
    """And no link to one, which an instance may have put there."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _move(fill: Path, target: Path) -> None:
    """All of it, into the volume. What is there under the same name is somebody else's, and stays.

    May be broken off at any point, and called again. Raises OSError.
    """
    with _opened(fill) as source, _opened(target) as made:
        for name in os.listdir(source):  # noqa: PTH208 - an open folder has no path
            if not _is_in(made, name):
                os.rename(name, name, src_dir_fd=source, dst_dir_fd=made)
        trees.describe(source, made)
    shutil.rmtree(fill)


def _are_beside(directory: Path, target: Path) -> bool:
    """What is in the one can be renamed into the other: nobody has mounted something there, or put
    it elsewhere."""
    if target.is_symlink():
        return False
    with _opened(directory.resolve()) as above, _opened(target) as below:
        return _place(above) == _place(below)


def _place(number: int) -> tuple[int, bytes]:
    """Of an open folder: its file system, and the mount that it was opened by (proc(5))."""
    told = Path(f"/proc/self/fdinfo/{number}").read_bytes().partition(b"mnt_id:")[2]
    return os.fstat(number).st_dev, told.partition(b"\n")[0]


def _is_in(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield number
    finally:
        os.close(number)
