"""Volumes: what an order mounts, as mounts of this machine, made where Ring is to make it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.runtimes import shares
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd import removal, rootfs
from ring.runtimes.containerd.named_volumes import NamedVolumes
from ring.runtimes.containerd.nfs import Shares
from ring.runtimes.containerd.oci.confinement import Relabelling
from ring.runtimes.containerd.oci.mounts import bind
from ring.runtimes.named_volumes import no_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ring.core.model.shares import Share
    from ring.core.model.spec import DeploymentSpec, Volume
    from ring.core.model.stock import HeldVolume
    from ring.runtimes.base import Order
    from ring.runtimes.containerd.image_config import ImageConfig
    from ring.runtimes.containerd.mounting import Mount
    from ring.runtimes.containerd.rootfs import Root

    OciMount = dict[str, object]

FILE_MODE: Final = 0o444
"""Anybody inside may read it; outside, nobody gets past its folder."""
_FOLDER_MODE: Final = 0o755
_PRIVATE: Final = 0o700
_ANONYMOUS = re.compile(r"(?P<instance>[A-Za-z0-9][A-Za-z0-9_.-]*)/(?P<number>[0-9]+)")
_OF_THE_ORDER: Final = frozenset({"config", "secret"})
"""Volumes that come as files of the order."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What one instance needs."""

    order: Order
    image: ImageConfig
    mounts: Sequence[Mount]
    instance_id: InstanceId
    mounted: Mapping[str, str]
    """Where shares are, by their source."""


class _View:
    """The root file system of the instance, opened when something is first asked of it."""

    def __init__(self, mounts: Sequence[Mount], stack: contextlib.ExitStack) -> None:
        self._mounts = mounts
        self._stack = stack
        self._root: Root | None = None

    @property
    def root(self) -> Root:
        if self._root is None:
            self._root = self._stack.enter_context(rootfs.opened(self._mounts))
        return self._root


class Volumes:
    """Those below one state directory. Loop thread only."""

    def __init__(self, state_dir: Path) -> None:
        self._instances = state_dir / "containerd"
        self._anonymous = state_dir / "anonymous"
        self._named = NamedVolumes(state_dir / "volumes")
        self._shares = Shares(state_dir / "nfs")

    async def prepare(
        self,
        order: Order,
        image: ImageConfig,
        mounts: Sequence[Mount],
        instance_id: InstanceId,
    ) -> tuple[OciMount, ...]:
        """What is to be mounted into the instance, in order; all of it is there afterwards.

        mounts: of the instance's snapshot, which new volumes are populated from. Leaves nothing of
        the instance behind where it fails. Raises RuntimeFailure(INSTANCE_REJECTED |
        CONFIG_MISSING | FILE_SYSTEM).
        """
        _expect_below_root(order, image)
        try:
            mounted = {
                source: await self._shares.use(source, share, instance_id)
                for source, share in _shares_of(order.spec)
            }
            work = _Work(order, image, mounts, instance_id, mounted)
            return await asyncio.to_thread(self._prepared, work)
        except RuntimeFailure:
            with contextlib.suppress(RuntimeFailure):
                await self.release(instance_id)
            raise

    async def release(self, instance_id: InstanceId) -> None:
        """What is the instance's alone goes: its anonymous volumes, its files, its use of shares.

        Nothing of it there is success. Raises RuntimeFailure(FILE_SYSTEM).
        """
        with _translated():
            await asyncio.to_thread(self._forget, instance_id)
            await self._shares.release(instance_id)

    async def anonymous(self, instance_id: InstanceId) -> tuple[str, ...]:
        """The names of those that were made for an instance."""
        return await asyncio.to_thread(self._anonymous_of, instance_id)

    async def remove(self, name: str) -> bool:
        """See AnonymousVolumes.remove_volume, for one whose instance is gone: nobody else has it.
        One that has another kind of name is not removed."""
        found = _ANONYMOUS.fullmatch(name)
        if found is not None:
            with _translated():
                await asyncio.to_thread(
                    _remove, self._anonymous / found["instance"] / found["number"]
                )
        return True

    async def held(self) -> tuple[HeldVolume, ...]:
        """Named ones with Ring's label. Raises RuntimeFailure(FILE_SYSTEM)."""
        with _translated():
            return await asyncio.to_thread(self._named.held)

    def _prepared(self, work: _Work) -> tuple[OciMount, ...]:
        with _translated(), contextlib.ExitStack() as stack:
            view = _View(work.mounts, stack)
            labelling = Relabelling(work.order.spec, work.order.name)
            found = [
                self._mount(volume, work, view, labelling)
                for volume in work.order.spec.volumes
                if volume.type not in _OF_THE_ORDER
            ]
            found += self._files(work, labelling)
            found += self._made(work, view, labelling)
            return tuple(found)

    def _mount(self, volume: Volume, work: _Work, view: _View, labelling: Relabelling) -> OciMount:
        is_read_only, source = volume.permission == "ro", volume.source or ""
        if source in work.mounted:
            return bind(work.mounted[source], volume.destination, is_read_only=is_read_only)
        if not volume.is_named:
            if not Path(source).exists():
                raise no_source(source)
            if volume.relabel is not None:
                labelling.always(Path(source), shared=volume.relabel == "shared")
            return bind(source, volume.destination, is_read_only=is_read_only)
        if volume.type == "volume" and volume.driver == shares.DRIVER:
            raise RuntimeFailure(
                FailureClass.INSTANCE_REJECTED,
                f"volume '{source}' is no share of the driver '{shares.DRIVER}': there are no "
                "plugins on containerd, so its source must be 'server:/path'",
            )
        path = self._named.ensure(
            source,
            work.order.spec,
            work.order.server_id,
            lambda folder: view.root.copy_tree(volume.destination, folder),
        )
        labelling.where_labelled(path, shared=True)
        return bind(os.fspath(path), volume.destination, is_read_only=is_read_only)

    def _files(self, work: _Work, labelling: Relabelling) -> Iterator[OciMount]:
        folder = self._instances / work.instance_id / "files"
        for number, file in enumerate(work.order.files):
            path = file.path
            if path is None:
                path = os.fspath(_written(folder, f"{number}", file.content))
            labelling.where_labelled(Path(path), shared=True)
            yield bind(path, file.destination, is_read_only=True)

    def _made(self, work: _Work, view: _View, labelling: Relabelling) -> Iterator[OciMount]:
        """For the volumes of the image that the order mounts nothing at."""
        folder = self._anonymous / work.instance_id
        for number, destination in enumerate(_uncovered(work.order, work.image)):
            path = _private(folder) / f"{number}"
            _remove(path)
            path.mkdir()
            path.chmod(_FOLDER_MODE)
            view.root.copy_tree(destination, path)
            labelling.where_labelled(path, shared=False)
            yield bind(os.fspath(path), destination, is_read_only=False)

    def _forget(self, instance_id: InstanceId) -> None:
        for folder in (self._anonymous / instance_id, self._instances / instance_id / "files"):
            _remove(folder)

    def _anonymous_of(self, instance_id: InstanceId) -> tuple[str, ...]:
        try:
            numbers = [int(path.name) for path in (self._anonymous / instance_id).iterdir()]
        except FileNotFoundError:
            return ()
        return tuple(f"{instance_id}/{number}" for number in sorted(numbers))


def user_of(name: str) -> InstanceId | None:
    """The one instance that an anonymous volume is mounted into; None: this is not one's name."""
    found = _ANONYMOUS.fullmatch(name)
    return InstanceId(found["instance"]) if found is not None else None


def _shares_of(spec: DeploymentSpec) -> Iterator[tuple[str, Share]]:
    for volume in spec.volumes:
        if (share := shares.share_of(volume)) is not None and volume.source:
            yield volume.source, share


def _uncovered(order: Order, image: ImageConfig) -> list[str]:
    spec = order.spec
    taken = [entry.destination for entry in spec.volumes]
    taken += [entry.destination for entry in spec.tmpfs]
    covered = {_inside(destination) for destination in taken}
    return sorted({_inside(path) for path in image.volumes} - covered)


def _expect_below_root(order: Order, image: ImageConfig) -> None:
    """Raises RuntimeFailure(INSTANCE_REJECTED)."""
    wanted = {
        "a volume of the manifest": [entry.destination for entry in order.spec.volumes],
        "a tmpfs of the manifest": [entry.destination for entry in order.spec.tmpfs],
        "a volume that the image declares": image.volumes,
    }
    for what, paths in wanted.items():
        if any(_inside(path) == "/" for path in paths):
            raise RuntimeFailure(
                FailureClass.INSTANCE_REJECTED,
                f"{what} is for '/': that is where the image itself is, name a folder below it",
            )


def _inside(path: str) -> str:
    """Absolute and without `..`."""
    return "/" + posixpath.normpath(posixpath.join("/", path)).lstrip("/")


def _written(folder: Path, name: str, content: bytes) -> Path:
    path = _private(folder) / name
    path.unlink(missing_ok=True)
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400)
    with os.fdopen(number, "wb") as file:
        file.write(content)
        os.fchmod(number, FILE_MODE)
    return path


def _private(folder: Path) -> Path:
    """There, with those above it; what has to be made for it is root's alone."""
    if not folder.exists():
        _private(folder.parent)
        folder.mkdir(mode=_PRIVATE, exist_ok=True)
    return folder


def _remove(folder: Path) -> None:
    """Nothing there is success."""
    removal.remove(folder)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f" '{error.filename}'" if isinstance(error.filename, str) else ""
        raise RuntimeFailure(
            FailureClass.FILE_SYSTEM, f"cannot use the folder of a volume{where}: {error.strerror}"
        ) from error
