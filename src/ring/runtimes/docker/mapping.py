"""One instance in the engine's words: an order becomes a create body, an answer an Instance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ring.core import health
from ring.core.model import labels, stopping
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.core.model.observed import Exit, Instance, State
from ring.core.model.quantities import QuantityError, parse_cpu, parse_duration, parse_memory
from ring.runtimes import ownership
from ring.runtimes.base import Process
from ring.runtimes.docker import mounts, options, payload
from ring.runtimes.images import references

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ring.core.model.spec import DeploymentSpec, Port, Resources
    from ring.runtimes.base import Order
    from ring.runtimes.docker.payload import Payload

_MOST_NANOSECONDS = 2**63 - 1
_ADDRESSES = ("IPAddress", "GlobalIPv6Address")
NOTHING_FOUND = options.Found()

_STATES = {
    "created": State.CREATED,
    "configured": State.CREATED,  # this and the next, as "stopping" and "stopped", are Podman's
    "initialized": State.CREATED,
    "restarting": State.STARTING,
    "running": State.RUNNING,
    "stopping": State.RUNNING,
    "paused": State.PAUSED,
    "exited": State.EXITED,
    "stopped": State.EXITED,
    "dead": State.EXITED,
}
"""Any other word, `removing` among them, says neither that it lives nor how it ended."""


def create_body(order: Order, found: options.Found = NOTHING_FOUND) -> dict[str, object]:
    """The body of `POST /containers/create`."""
    spec = order.spec
    network = ownership.network_mode(spec)
    body: dict[str, object] = {
        "Image": order.image.ref,
        "Env": [f"{name}={value}" for name, value in order.environment.items()],
        "Labels": ownership.instance_labels(order),
        "ExposedPorts": {_port_key(port): {} for port in spec.ports},
        "User": _user(spec),
        "HostConfig": {
            "NetworkMode": network,
            "Privileged": _is_privileged(spec),
            **_userns(spec),
            "PortBindings": _bindings(spec.ports, order.default_host_ip),
            **mounts.members(order, is_labelled=found.is_labelled),
            **_limits(spec.resources),
            **options.host_config(spec, found),
        },
        **options.top_level(spec),
    }
    if spec.command:
        body["Cmd"] = list(spec.command)
    if spec.stop_signal is not None:
        body["StopSignal"] = spec.stop_signal
    grace_s = stopping.grace_s(spec)
    if grace_s is not None:
        body["StopTimeout"] = math.ceil(grace_s)
    healthcheck = _healthcheck(spec)
    if healthcheck is not None:
        body["Healthcheck"] = healthcheck
    if network != ownership.HOST_NETWORK:
        aliases = {"Aliases": [spec.name, order.name]}
        body["NetworkingConfig"] = {"EndpointsConfig": {network: aliases}}
    return body


def _healthcheck(spec: DeploymentSpec) -> dict[str, object] | None:
    """Of the first readiness command, so that others can watch it; None: the image decides.

    The engine looks at nothing else: what Ring connects to, it would have to have a program for.
    """
    check = health.shown_check(spec)
    if check is None:
        return None
    return {
        "Test": ["CMD-SHELL", check.command],
        "Interval": _nanoseconds(check.interval),
        "Timeout": _nanoseconds(check.timeout),
        "StartPeriod": _nanoseconds(check.start_period),
        "Retries": check.threshold,
    }


def _nanoseconds(duration: str | None) -> int:
    """0, which is the engine's default, for what is no duration."""
    if duration is None:
        return 0
    try:
        return min(parse_duration(duration) * 1_000_000, _MOST_NANOSECONDS)
    except QuantityError:
        return 0


def _user(spec: DeploymentSpec) -> str:
    """`id:group` or `id`; empty: the image decides."""
    user = spec.config.user if spec.config else None
    if user is None or user.id is None:
        return ""
    # Without a group it would have root's, which is not the one that is mapped to the user's own.
    group = user.id if user.group is None and user.userns is not None else user.group
    return f"{user.id}" if group is None else f"{user.id}:{group}"


def _userns(spec: DeploymentSpec) -> dict[str, str]:
    """Whose ids the engine's user has inside: the order's, where it names some.

    Root's it has anyway, and its own where nothing else is said.
    """
    user = spec.config.user if spec.config else None
    if user is None or user.userns is None or user.id == 0:
        return {}
    if user.id is None:
        return {"UsernsMode": user.userns}
    # No engine takes the group 0 here.
    return {"UsernsMode": f"{user.userns}:uid={user.id},gid={user.group or user.id}"}


def _is_privileged(spec: DeploymentSpec) -> bool:
    user = spec.config.user if spec.config else None
    return bool(user and user.privileged)


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
    written = payload.labels(entry, "Labels")
    home, networks = _networks(entry, written)
    return _instance(
        instance_id,
        own,
        written,
        _STATES.get(payload.text(entry, "State"), State.UNKNOWN),
        created_at=payload.stamp(entry, "Created"),
        address=_address(home, networks),
        is_attached=_is_attached(home, networks),
        image_digest=_image_digest(entry.get("Image"), entry.get("ImageID")),
    )


def inspected(entry: Payload) -> Instance:
    """The answer of `GET /containers/{id}/json`."""
    told = payload.section(entry, "State")
    state = _STATES.get(payload.text(told, "Status"), State.UNKNOWN)
    config = payload.section(entry, "Config")
    written = payload.labels(config, "Labels")
    home, networks = _networks(entry, written)
    return _instance(
        payload.text(entry, "Id"),
        payload.text(entry, "Name").removeprefix("/"),
        written,
        state,
        created_at=payload.known_moment(entry, "Created"),
        address=_address(home, networks),
        is_attached=_is_attached(home, networks),
        image_digest=_image_digest(config.get("Image"), entry.get("Image")),
        anonymous_volumes=mounts.anonymous(entry),
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
    anonymous_volumes: tuple[str, ...] = (),
    end: Exit | None = None,
) -> Instance:
    made_as = written.get(labels.INSTANCE)
    return Instance(
        id=InstanceId(instance_id),
        name=InstanceName(name),
        deployment_id=DeploymentId(written.get(labels.DEPLOYMENT, "")),
        server_id=written.get(labels.SERVER, ""),
        state=state,
        created_at=created_at,
        address=address,
        is_attached=is_attached,
        image_digest=written.get(labels.IMAGE) or image_digest,
        anonymous_volumes=anonymous_volumes,
        made_as=InstanceName(made_as) if made_as else None,
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


def _address(home: str, networks: Payload) -> str | None:
    """On the network it was created on, else on any other; IPv4 before IPv6."""
    at_home = [(home, kind) for kind in _ADDRESSES if home in networks]
    anywhere = [(name, kind) for kind in _ADDRESSES for name in networks]
    for name, kind in at_home + anywhere:
        address = payload.section(networks, name).get(kind)
        if isinstance(address, str) and address:
            return address
    return None


def _is_attached(home: str, networks: Payload) -> bool:
    """The engine forgets a network only once somebody disconnects the container from it."""
    return home in networks or not home.startswith(ownership.NETWORK_PREFIX)


def _networks(entry: Payload, written: dict[str, str]) -> tuple[str, Payload]:
    """The network it was created on, and those that it is on.

    Podman calls the former `bridge`, and in a listing always `host`.
    """
    told = payload.section(entry, "HostConfig").get("NetworkMode")
    home = written.get(labels.NETWORK) or told
    networks = payload.section(payload.section(entry, "NetworkSettings"), "Networks")
    return home if isinstance(home, str) else "", networks
