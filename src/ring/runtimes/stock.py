"""What a runtime holds besides instances: images, networks and volumes, listed and removed.

Asked for rarely and by few, so it is no part of what every runtime has to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ring.core.model.stock import HeldImage, HeldNetwork, HeldVolume, Holder


@runtime_checkable
class Stock(Protocol):
    """Every call raises Unavailable where the engine does not answer."""

    async def images(self) -> tuple[HeldImage, ...]:
        """All of the engine's, whoever brought them."""
        ...

    async def holders(self) -> tuple[Holder, ...]:
        """Every container of the engine in every state, whoever made it."""
        ...

    async def remove_image(self, image_id: str, names: Sequence[str]) -> None:
        """Takes these names off it, and with the last one itself. Gone already is success.

        Never by force: an engine keeps what a container uses. Raises RuntimeFailure.
        """
        ...

    async def data_directory(self) -> Path | None:
        """Where on this machine the engine keeps its images; None: it is on another."""
        ...

    async def networks(self) -> tuple[HeldNetwork, ...]:
        """Those with Ring's label, whichever server made them."""
        ...

    async def remove_network(self, network_id: str) -> None:
        """Refused where anything is on it. Gone already is success. Raises RuntimeFailure."""
        ...

    async def volumes(self) -> tuple[HeldVolume, ...]:
        """Those with Ring's label, whichever server made them."""
        ...
