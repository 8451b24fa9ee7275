"""One instance in the engine's words: an order becomes a create body, an answer an Instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model import labels
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.core.model.observed import Exit, Instance, State
from ring.core.model.quantities import parse_cpu, parse_memory
from ring.runtimes.base import Process
from ring.runtimes.docker import payload, references

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ring.core.model.spec import DeploymentSpec, Port, Resources, Volume
    from ring.runtimes.base import Order
    from ring.runtimes.docker.payload import Payload

_ENGINES_OWN = frozenset({"bind", "volume"})
"""Volumes that the engine finds by their source; the others are files of the order."""
NETWORK_PREFIX = "ring_"
HOST_NETWORK = "host"

_STATES = {
    "created": State.CREATED,
    "restarting": State.STARTING,
    "running": State.RUNNING,
    "paused": State.PAUSED,
    "exited": State.EXITED,
    "dead": State.EXITED,
}
"""Any other word, `removing` among them, says neither that it lives nor how it ended."""


def network_name(namespace: str) -> str:
    return NETWORK_PREFIX + namespace


def is_named_volume(volume: Volume) -> bool:
    """Also a bind whose source is no path, in rows older than the rule against it."""
    if volume.type == "bind":
        return not (volume.source or "").startswith("/")
    return volume.type == "volume"


def create_body(order: Order) -> dict[str, object]:
    """The body of `POST /containers/create`."""
    spec = order.spec
    network = _network_mode(spec)
    body: dict[str, object] = {
        "Image": order.image.ref,
        "Env": [f"{name}={value}" for name, value in order.environment.items()],
        "Labels": labels_of(order),
        "ExposedPorts": {_port_key(port): {} for port in spec.ports},
        "User": _user(spec),
        "HostConfig": {
            "NetworkMode": network,
            "Privileged": _is_privileged(spec),
            "PortBindings": _bindings(spec.ports, order.default_host_ip),
            "Mounts": [
                *(_mount(volume) for volume in spec.volumes if volume.type in _ENGINES_OWN),
                *(_mounted(file.path, file.destination) for file in order.files if file.path),
            ],
            **_limits(spec.resources),
        },
    }
    if spec.command:
        body["Cmd"] = list(spec.command)
    if network != HOST_NETWORK:
        aliases = {"Aliases": [spec.name, order.name]}
        body["NetworkingConfig"] = {"EndpointsConfig": {network: aliases}}
    return body


def _network_mode(spec: DeploymentSpec) -> str:
    """It is created on the namespace's network and on no other: that is the isolation."""
    if spec.network is not None and spec.network.mode == "host":
        return HOST_NETWORK
    return network_name(spec.namespace)


def _user(spec: DeploymentSpec) -> str:
    """`id:group` or `id`; empty: the image decides."""
    user = spec.config.user if spec.config else None
    if user is None or user.id is None:
        return ""
    return f"{user.id}" if user.group is None else f"{user.id}:{user.group}"


def _is_privileged(spec: DeploymentSpec) -> bool:
    user = spec.config.user if spec.config else None
    return bool(user and user.privileged)


def labels_of(order: Order) -> dict[str, str]:
    """The manifest's labels, then Ring's own: none of the former can take over ownership."""
    spec = order.spec
    return dict(spec.labels) | {
        labels.DEPLOYMENT: order.deployment_id,
        labels.MANAGED: "true",
        labels.NAMESPACE: spec.namespace,
        labels.NAME: spec.name,
        labels.KIND: spec.kind,
        labels.SERVER: order.server_id,
    }


def volume_labels(spec: DeploymentSpec) -> dict[str, str]:
    return {
        labels.MANAGED: "true",
        labels.NAMESPACE: spec.namespace,
        "ring.deployment": spec.name,
        labels.NAME: spec.name,
    }


def network_labels(namespace: str) -> dict[str, str]:
    return {labels.MANAGED: "true", labels.NAMESPACE: namespace}


def _port_key(port: Port) -> str:
    return f"{port.target}/{port.protocol}"


def _bindings(
    ports: Sequence[Port], default_host_ip: str | None
) -> dict[str, list[dict[str, str]]]:
    """Several published ports may lead to one target; an empty HostIp means all addresses."""
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        address = port.host_ip or default_host_ip or ""
        entry = {"HostIp": address, "HostPort": str(port.published)}
        bindings.setdefault(_port_key(port), []).append(entry)
    return bindings


def _mount(volume: Volume) -> dict[str, object]:
    """As a mount, not a bind: the engine refuses a missing host path instead of creating it."""
    return {
        "Type": "volume" if is_named_volume(volume) else "bind",
        "Source": volume.source or "",
        "Target": volume.destination,
        "ReadOnly": volume.permission == "ro",
    }


def _mounted(path: str, destination: str) -> dict[str, object]:
    return {"Type": "bind", "Source": path, "Target": destination, "ReadOnly": True}


def _limits(resources: Resources | None) -> dict[str, int]:
    limits: dict[str, int] = {}
    if resources is None:
        return limits
    if caps := resources.limits:
        if caps.cpu is not None:
            limits["NanoCpus"] = parse_cpu(caps.cpu)
        if caps.memory is not None:
            limits["Memory"] = parse_memory(caps.memory)
    if requests := resources.requests:
        if requests.cpu is not None:
            # The kernel knows no weight below 2.
            limits["CpuShares"] = max(2, round(parse_cpu(requests.cpu) * 1024 / 1_000_000_000))
        if requests.memory is not None:
            limits["MemoryReservation"] = parse_memory(requests.memory)
    return limits


def listed(entry: Payload) -> Instance:
    """One entry of `GET /containers/json`, which tells no exit code and only whole seconds."""
    instance_id = payload.text(entry, "Id")
    names = [name.removeprefix("/") for name in payload.texts(entry, "Names")]
    # Links of other containers appear as `other/alias`.
    own = next((name for name in names if "/" not in name), instance_id[:12])
    return _instance(
        instance_id,
        own,
        payload.labels(entry, "Labels"),
        _STATES.get(payload.text(entry, "State"), State.UNKNOWN),
        created_at=payload.stamp(entry, "Created"),
        address=_address(entry),
        is_attached=_is_attached(entry),
        image_digest=_image_digest(entry.get("Image"), entry.get("ImageID")),
    )


def inspected(entry: Payload) -> Instance:
    """The answer of `GET /containers/{id}/json`."""
    told = payload.section(entry, "State")
    state = _STATES.get(payload.text(told, "Status"), State.UNKNOWN)
    config = payload.section(entry, "Config")
    return _instance(
        payload.text(entry, "Id"),
        payload.text(entry, "Name").removeprefix("/"),
        payload.labels(config, "Labels"),
        state,
        created_at=payload.known_moment(entry, "Created"),
        address=_address(entry),
        is_attached=_is_attached(entry),
        image_digest=_image_digest(config.get("Image"), entry.get("Image")),
        end=_exit(told) if state is State.EXITED else None,
    )


def process(entry: Payload) -> Process | None:
    """Of the same answer; an engine numbers the process of what does not run 0."""
    pid = payload.number(payload.section(entry, "State"), "Pid")
    return Process(pid, payload.number(entry, "RestartCount")) if pid else None


def _instance(
    instance_id: str,
    name: str,
    written: dict[str, str],
    state: State,
    *,
    created_at: datetime,
    address: str | None,
    is_attached: bool,
    image_digest: str | None,
    end: Exit | None = None,
) -> Instance:
    return Instance(
        id=InstanceId(instance_id),
        name=InstanceName(name),
        deployment_id=DeploymentId(written.get(labels.DEPLOYMENT, "")),
        server_id=written.get(labels.SERVER, ""),
        state=state,
        created_at=created_at,
        address=address,
        is_attached=is_attached,
        image_digest=image_digest,
        exit=end,
    )


def _exit(state: Payload) -> Exit:
    return Exit(
        code=payload.number(state, "ExitCode"),
        finished_at=payload.moment(state, "FinishedAt"),
        oom=state.get("OOMKilled") is True,
    )


def _image_digest(written: object, local_id: object) -> str | None:
    """See Image.digest: of the reference it was created by, else the id of its local image.

    A listing has only the id once nothing local goes by that reference any more.
    """
    digest = written.rpartition("@")[2] if isinstance(written, str) else ""
    for told in (digest, local_id):
        if isinstance(told, str) and references.is_digest(told):
            return told
    return None


def _address(entry: Payload) -> str | None:
    """The address on the network it was created on, while it has one."""
    home, networks = _networks(entry)
    if home not in networks:
        return None
    address = payload.section(networks, home).get("IPAddress")
    return address if isinstance(address, str) and address else None


def _is_attached(entry: Payload) -> bool:
    """The engine forgets a network only once somebody disconnects the container from it."""
    home, networks = _networks(entry)
    return home in networks or not home.startswith(NETWORK_PREFIX)


def _networks(entry: Payload) -> tuple[str, Payload]:
    """The network it was created on, and those that it is on."""
    home = payload.section(entry, "HostConfig").get("NetworkMode")
    networks = payload.section(payload.section(entry, "NetworkSettings"), "Networks")
    return home if isinstance(home, str) else "", networks
