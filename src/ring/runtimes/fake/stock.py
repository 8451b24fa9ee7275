"""A client of the fake engine that also tells of images, networks and volumes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.core.model.stock import HeldImage, HeldNetwork, HeldVolume, Holder, Origin
from ring.runtimes.base import Image, RuntimeFailure
from ring.runtimes.fake.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ring.core.model.spec import PullPolicy
    from ring.runtimes.base import Login
    from ring.runtimes.fake.engine import FakeEngine

SIZE_BYTES = 1000


@dataclass(slots=True, eq=False)
class FakeStock:
    """What the engine holds besides containers; an image's id is its digest."""

    images: dict[str, HeldImage] = field(default_factory=dict)
    networks: dict[str, HeldNetwork] = field(default_factory=dict)
    volumes: list[HeldVolume] = field(default_factory=list)
    strangers: list[Holder] = field(default_factory=list)
    """Containers that Ring has not made."""
    directory: Path | None = None
    on_removal: Callable[[str], None] = lambda _: None
    """Is told of an image that is about to be removed; may raise."""

    def bring(self, reference: str, digest: str) -> None:
        """The reference leads to this image from now on, as after a pull."""
        repository = reference.partition("@")[0].rpartition(":")[0] or reference
        for held in list(self.images.values()):
            left = tuple(name for name in held.names if name != reference)
            self.images[held.id] = replace(held, names=left)
        held = self.images.get(digest, HeldImage(digest, (), SIZE_BYTES))
        names = dict.fromkeys((*held.names, reference, f"{repository}@{digest}"))
        self.images[digest] = replace(held, names=tuple(names))


class StockedRuntime(FakeRuntime):
    """What FakeRuntime is, and ring.runtimes.stock.Stock."""

    def __init__(
        self, engine: FakeEngine, stock: FakeStock | None = None, name: str = "docker"
    ) -> None:
        super().__init__(engine, name)
        self.stock = stock or FakeStock()

    async def resolve_image(
        self, ref: str, policy: PullPolicy, pin: str | None, login: Login | None = None
    ) -> Image:
        was_here = set(self.stock.images)
        image = await super().resolve_image(ref, policy, pin, login)
        if image.digest is None or (policy != "Always" and image.digest in was_here):
            return replace(image, id=image.digest)
        self.stock.bring(ref, image.digest)
        origin = Origin.PULLED if image.digest in was_here else Origin.BROUGHT
        return replace(image, id=image.digest, origin=origin)

    async def images(self) -> tuple[HeldImage, ...]:
        return await self._ask("images", "", lambda: tuple(self.stock.images.values()))

    async def holders(self) -> tuple[Holder, ...]:
        def effect() -> tuple[Holder, ...]:
            ours = (
                Holder(
                    container.instance.name,
                    container.instance.image_digest or "",
                    (f"ring_{container.spec.namespace}",),
                )
                for container in self.engine.containers.values()
            )
            return (*ours, *self.stock.strangers)

        return await self._ask("holders", "", effect)

    async def remove_image(self, image_id: str, names: Sequence[str]) -> None:
        def effect() -> None:
            self.stock.on_removal(image_id)
            held = self.stock.images.get(image_id)
            if held is None:
                return
            if foreign := set(held.names) - set(names):
                raise RuntimeFailure(FailureClass.OTHER, f"it is also {', '.join(foreign)}")
            used = {c.instance.image_digest for c in self.engine.containers.values()}
            if image_id in used | {one.image_id for one in self.stock.strangers}:
                raise RuntimeFailure(FailureClass.OTHER, "a container uses it")
            del self.stock.images[image_id]
            kept = {r: d for r, d in self.engine.images.items() if d != image_id}
            self.engine.images = kept

        await self._ask("remove_image", image_id, effect)

    async def data_directory(self) -> Path | None:
        return await self._ask("data_directory", "", lambda: self.stock.directory)

    async def networks(self) -> tuple[HeldNetwork, ...]:
        return await self._ask("networks", "", lambda: tuple(self.stock.networks.values()))

    async def remove_network(self, network_id: str) -> None:
        await self._ask(
            "remove_network", network_id, lambda: self.stock.networks.pop(network_id, None)
        )

    async def volumes(self) -> tuple[HeldVolume, ...]:
        return await self._ask("volumes", "", lambda: tuple(self.stock.volumes))
