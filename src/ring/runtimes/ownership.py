"""What Ring writes on the things it makes, by which they are found again, and the networks' names.

The same on every runtime; scripts rely on the keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ring.core.model import labels

if TYPE_CHECKING:
    from ring.core.model.spec import DeploymentSpec
    from ring.runtimes.base import Order

NETWORK_PREFIX: Final = "ring_"
HOST_NETWORK: Final = "host"


def network_name(namespace: str) -> str:
    return NETWORK_PREFIX + namespace


def network_mode(spec: DeploymentSpec) -> str:
    """It is created on the namespace's network and on no other: that is the isolation."""
    if spec.network_mode == HOST_NETWORK:
        return HOST_NETWORK
    return network_name(spec.namespace)


def instance_labels(order: Order) -> dict[str, str]:
    """The manifest's labels but those that are Ring's, then Ring's own: none of the former can take
    over ownership."""
    spec = order.spec
    authors = {key: value for key, value in spec.labels.items() if key not in labels.OWN}
    return authors | {
        labels.DEPLOYMENT: order.deployment_id,
        labels.MANAGED: "true",
        labels.NAMESPACE: spec.namespace,
        labels.NAME: spec.name,
        labels.KIND: spec.kind,
        labels.SERVER: order.server_id,
        labels.INSTANCE: order.name,
        labels.IMAGE: order.image.digest or "",
        labels.NETWORK: network_mode(spec),
    }


def network_labels(namespace: str, server_id: str) -> dict[str, str]:
    """Without a server's id nobody can tell later whose it is."""
    owner = {labels.SERVER: server_id} if server_id else {}
    return {labels.MANAGED: "true", labels.NAMESPACE: namespace, **owner}
