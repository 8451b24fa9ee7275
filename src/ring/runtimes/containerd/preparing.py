"""All that stands ready before an instance's container object is made: its mounts and its spec."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.runtimes import ownership, profiles
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd import etc_files, instance_records, reserved, rootfs
from ring.runtimes.containerd.oci import confinement, users
from ring.runtimes.containerd.oci import spec as oci

if TYPE_CHECKING:
    from ring.core.model.ids import InstanceId
    from ring.runtimes.base import Order
    from ring.runtimes.containerd.image_config import ImageConfig
    from ring.runtimes.containerd.instance_records import Record
    from ring.runtimes.containerd.networking.networks import Networks
    from ring.runtimes.containerd.settings import Settings
    from ring.runtimes.containerd.snapshots import Mounts
    from ring.runtimes.containerd.volumes import Volumes

_CGROUPS: Final = Path("/sys/fs/cgroup")
_USUAL_PROFILES: Final = ("docker-default", "cri-containerd.apparmor.d", "containers-default")


@dataclass(frozen=True, slots=True)
class Prepared:
    spec: dict[str, object]
    """The OCI runtime spec."""
    record: Record


class Preparer:
    """Makes what an order's container object refers to, below the instance's own directories."""

    def __init__(self, settings: Settings, networks: Networks, volumes: Volumes) -> None:
        self._settings = settings
        self._networks = networks
        self._volumes = volumes
        self._has_groups_v2 = (_CGROUPS / "cgroup.controllers").exists()

    async def prepare(
        self, order: Order, image: ImageConfig, mounts: Mounts, instance_id: InstanceId
    ) -> Prepared:
        """What it has made is taken back by whoever finds that it cannot be used.

        Raises RuntimeFailure.
        """
        spec = order.spec
        directory = self._settings.state_dir / "containerd" / instance_id
        mounted = await self._volumes.prepare(order, image, mounts, instance_id)
        anonymous = await self._volumes.anonymous(instance_id) if image.volumes else ()
        record = instance_records.of_order(order, image.stop_signal, anonymous)
        user, profile, apparmor = await asyncio.gather(
            asyncio.to_thread(_user, order, image, mounts),
            profiles.seccomp(spec),
            asyncio.to_thread(_apparmor),
        )
        await asyncio.to_thread(_place, directory, record)
        around = oci.Surroundings(
            directory=directory,
            netns=None if record.is_on_host else self._networks.netns(instance_id),
            cgroups_path=self._cgroups_path(instance_id),
            has_cgroup_v2=self._has_groups_v2,
            apparmor=apparmor,
            mounts=mounted,
            user=user,
            seccomp=profile,
            init=await asyncio.to_thread(oci.find_init) if spec.init else None,
        )
        annotations = reserved.without(ownership.instance_labels(order))
        return Prepared(oci.build(order, image, around, annotations), record)

    def _cgroups_path(self, instance_id: InstanceId) -> str:
        if self._settings.cgroup_driver == "systemd":
            return f"ring.slice:ring:{instance_id}"
        return f"/ring/{instance_id}"


def _user(order: Order, image: ImageConfig, mounts: Mounts) -> users.ResolvedUser:
    user = order.spec.config.user if order.spec.config else None
    with rootfs.opened(mounts) as root:
        return users.resolve(user, image.user, root)


def _place(directory: Path, record: Record) -> None:
    """What is mounted from there has to be there; what stands in it is known at the start."""
    try:
        etc_files.write_all(
            directory,
            hostname=record.hostname,
            address=None,
            gateway=None,
            name_server=None,
            extra_hosts=(),
        )
    except OSError as error:
        raise RuntimeFailure(
            FailureClass.FILE_SYSTEM, f"cannot write the files of {record.name}: {error}"
        ) from error


def _apparmor() -> str | None:
    """The profile that containers get on this machine, if it has AppArmor and one is loaded."""
    loaded = confinement.loaded_profiles()
    return next((profile for profile in _USUAL_PROFILES if profile in loaded), None)
