"""The label keys that Ring writes on its instances; no label of a manifest takes their place.

Any other key, another `ring.` one too, is the author's and goes to the engine as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

DEPLOYMENT: Final = "ring_deployment"
"""The deployment's id: the only one that tells whose an instance is. Refused in a manifest."""
MANAGED: Final = "ring.managed"
NAMESPACE: Final = "ring.namespace"
NAME: Final = "ring.name"
KIND: Final = "ring.kind"
SERVER: Final = "ring.server"
INSTANCE: Final = "ring.instance"
"""The name it was made under, which a container made of its image has as well."""
# Not every engine's listing tells these.
IMAGE: Final = "ring.image"
"""The digest of the image it was made of; may be empty."""
NETWORK: Final = "ring.network"
"""The network that it was made on, as the engine is told it."""

HEALTH: Final = "ring.health"
"""One of core.model.health.Health, where the engine has no health checks of its own."""

OWN: Final = frozenset(
    {DEPLOYMENT, MANAGED, NAMESPACE, NAME, KIND, SERVER, INSTANCE, IMAGE, NETWORK, HEALTH}
)


def own_among(keys: Iterable[str]) -> tuple[str, ...]:
    """Those that are Ring's, in order: they are left out when an instance is created."""
    return tuple(sorted(OWN.intersection(keys)))
