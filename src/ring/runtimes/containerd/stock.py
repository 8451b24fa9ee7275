"""What containerd holds besides Ring's instances."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.core.model import labels
from ring.core.model.stock import Holder
from ring.runtimes.containerd import methods
from ring.runtimes.containerd.api import introspection_pb2 as introspection
from ring.runtimes.containerd.client import Refused

if TYPE_CHECKING:
    from ring.runtimes.containerd.api import containers_pb2 as containers
    from ring.runtimes.containerd.client import Client

_CONTENT: Final = 'type=="io.containerd.content.v1"'


def holder(container: containers.Container) -> Holder:
    """Of the digest in the reference that it was made of; somebody else's may have none."""
    network = container.labels.get(labels.NETWORK, "")
    return Holder(
        name=container.labels.get(labels.INSTANCE) or container.id,
        image_id=container.image.rpartition("@")[2],
        networks=(network,) if network else (),
    )


async def data_directory(client: Client) -> Path | None:
    """See Stock.data_directory. Raises Unavailable."""
    request = introspection.PluginsRequest(filters=[_CONTENT])
    try:
        answer = await client.call(methods.INTROSPECTION_PLUGINS, request)
    except Refused as error:
        raise client.unavailable(error.message) from error
    roots = (Path(told) for plugin in answer.plugins if (told := plugin.exports.get("root", "")))
    return next((root.parent for root in roots if root.is_absolute()), None)
