"""Health that instances show to others, on engines that have no health checks of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ring.core.model.health import Health
    from ring.core.model.ids import InstanceId


@runtime_checkable
class ShowsHealth(Protocol):
    """A runtime whose instances show what Ring finds: a proxy that watches them asks the engine.

    Those of an order with a check that is shown (core.health.shown_check) are created as
    `starting`; others show nothing. `Instance.health` is what one shows, also in listings.
    """

    async def show_health(self, instance_id: InstanceId, health: Health) -> None:
        """Raises Gone, Unavailable, RuntimeFailure."""
        ...
