"""What every real engine is asked behind the runtime's back, whatever its own way of telling it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tests.contract.outside import Outside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ring.core.model.ids import InstanceId
    from ring.network.pools import Pools
    from ring.runtimes.base import Runtime
    from tests.contract.statistics import Told


class EngineOutside(Outside, Protocol):
    """A real engine on this machine, as everybody else sees it."""

    tells_signals: bool
    """Of a kill by somebody else, which signal it was."""
    tells_kills: bool
    """That somebody else sent a signal at all."""
    labels_hide_codes: bool
    """In an event: a label of the name of what else it tells."""
    serves_ipv6: bool
    """A published port also over IPv6, where the instance has no such address."""
    tells_remote_digests: bool
    """Those of images that it has not pulled."""
    compares_by_head: bool
    """A pull asks a registry for no more than the digest of what is here already."""
    images_folder: str
    """In its data directory."""
    least_grace_s: float
    """What it counts a grace in."""
    most_label_bytes: int
    """Of a label's name and value together."""
    inits: frozenset[str]
    """The programs that it begins with where one is wanted, as the kernel names them."""

    def with_pools(self, pools: Pools) -> Runtime:
        """Another runtime of the same engine."""
        ...

    async def run(self, instance_id: InstanceId, *argv: str) -> tuple[int, str]:
        """Exit code and output of a command inside the instance."""
        ...

    async def kills(self, instance_id: InstanceId) -> None:
        """Somebody does."""
        ...

    async def removes(self, instance_id: InstanceId) -> None:
        """Somebody does, by force."""
        ...

    async def makes_foreign(self, name: str, labels: Mapping[str, str]) -> None:
        """Somebody makes a container of their own; `clean` removes it by `ring.namespace`."""
        ...

    async def labels(self, instance_id: InstanceId) -> Mapping[str, str]: ...

    async def restarts(self, instance_id: InstanceId) -> bool:
        """The engine itself would run it again."""
        ...

    async def argv(self, instance_id: InstanceId) -> Sequence[str]:
        """Its program, also of one that has not run."""
        ...

    async def image_id(self, instance_id: InstanceId) -> str:
        """Of the image that it is made of, as Image.id."""
        ...

    async def gateway(self, namespace: str) -> str:
        """This machine's address on the namespace's network."""
        ...

    async def subnet(self, namespace: str) -> str: ...

    async def makes_volume(self, name: str) -> None:
        """Somebody makes one, with no labels."""
        ...

    async def has_volume(self, name: str) -> bool:
        """A named one, or one of Instance.anonymous_volumes."""
        ...

    async def volume_labels(self, name: str) -> Mapping[str, str] | None:
        """None or empty: it has none."""
        ...

    async def removes_volume(self, name: str) -> None:
        """Somebody does. Fails where something uses it, or it is gone."""
        ...

    async def with_volume(self, image: str, path: str) -> None:
        """Makes this image, which is as `self.image` and asks for a volume at the path."""
        ...

    async def pushes(self, image: str, content: str) -> None:
        """Pushes one with this label to the registry; nothing of it is left here."""
        ...

    async def forgets(self, repository: str) -> None:
        """Removes every image of a repository from here."""
        ...

    async def has_image(self, reference: str) -> bool:
        """By its name, or its id."""
        ...

    async def tags(self, image: str, name: str) -> None:
        """Somebody gives an image one more name."""
        ...

    async def removes_image(self, image_id: str) -> None:
        """Somebody does, by force."""
        ...

    async def statistics(self, instance_id: InstanceId) -> Told: ...

    async def tells_anonymous_memory(self) -> bool:
        """And no other, in its statistics."""
        ...

    async def pids_limit(self, instance_id: InstanceId) -> int:
        """That it was told; 0: none."""
        ...

    async def upper(self, instance_id: InstanceId) -> Path:
        """Where what the instance writes is kept."""
        ...

    async def joins(self, instance_ids: Sequence[InstanceId], namespace: str) -> None:
        """Somebody connects them with one another by a second network."""
        ...

    async def leaves(self, instance_ids: Sequence[InstanceId], namespace: str) -> None:
        """That network is gone afterwards."""
        ...

    async def addresses(self, instance_id: InstanceId) -> Sequence[str]:
        """On every network that it is on."""
        ...
