"""What of an order is needed again when its instance is started, stopped or connected.

It is kept with the container object, as an extension: there is never one without the other.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from google.protobuf.any_pb2 import Any as AnyMessage

from ring.core.model import stopping
from ring.core.model.ids import InstanceName
from ring.runtimes import ownership
from ring.runtimes.base import Unavailable
from ring.runtimes.containerd.networking.published import Published

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.runtimes.base import Order
    from ring.runtimes.containerd.api import containers_pb2 as containers

EXTENSION: Final = "ring.instance"
_TYPE: Final = "ring/instance/v1"


@dataclass(frozen=True, slots=True)
class Record:
    name: InstanceName
    namespace: str
    deployment: str
    network: str
    """`host`, or the name of the namespace's network."""
    hostname: str
    ports: tuple[Published, ...] = ()
    """The order's default address is among them."""
    extra_hosts: tuple[tuple[str, str], ...] = ()
    stop_signal: str = ""
    """Empty: the image's, else SIGTERM."""
    grace_s: float | None = None
    anonymous_volumes: tuple[str, ...] = ()
    is_gated: bool = False
    """Its name leads to it only once its readiness checks say so."""

    @property
    def is_on_host(self) -> bool:
        return self.network == ownership.HOST_NETWORK

    @property
    def aliases(self) -> tuple[str, ...]:
        return (self.deployment, self.name)


def of_order(order: Order, stop_signal: str, anonymous_volumes: tuple[str, ...]) -> Record:
    """stop_signal: the image's."""
    spec = order.spec
    return Record(
        name=order.name,
        namespace=spec.namespace,
        deployment=spec.name,
        network=ownership.network_mode(spec),
        hostname=spec.hostname or spec.name,
        ports=tuple(
            Published(
                host_ip=port.host_ip or order.default_host_ip,
                published=port.published,
                target=port.target,
                protocol=port.protocol,
            )
            for port in spec.ports
        ),
        extra_hosts=tuple(spec.extra_hosts.items()),
        stop_signal=spec.stop_signal or stop_signal,
        grace_s=stopping.grace_s(spec),
        anonymous_volumes=anonymous_volumes,
        is_gated=spec.kind == "worker" and any(check.readiness for check in spec.health_checks),
    )


def packed(record: Record) -> Mapping[str, AnyMessage]:
    """The extensions of its container object."""
    value = json.dumps(asdict(record), separators=(",", ":")).encode()
    return {EXTENSION: AnyMessage(type_url=_TYPE, value=value)}


def unpacked(container: containers.Container) -> Record:
    """Of a container object; one without (a copy that somebody made) is taken as it looks.

    Raises Unavailable for what is none of ours.
    """
    if EXTENSION not in container.extensions:
        return Record(InstanceName(container.id), "", "", ownership.HOST_NETWORK, container.id)
    try:
        told = json.loads(container.extensions[EXTENSION].value)
        told["ports"] = tuple(Published(**port) for port in told["ports"])
        told["extra_hosts"] = tuple((name, address) for name, address in told["extra_hosts"])
        told["anonymous_volumes"] = tuple(told["anonymous_volumes"])
        return Record(**told)
    except (ValueError, TypeError, KeyError) as error:
        raise Unavailable(f"what containerd keeps of instance {container.id} is damaged") from error
