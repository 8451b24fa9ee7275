"""Deployments on the wire, with everything they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NotRequired, assert_never

from typing_extensions import TypedDict

from ring.api.wire.process import ProcessShape, add_process
from ring.clock import rfc3339
from ring.core.model.spec import MASK, CommandCheck, HttpCheck, TcpCheck

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.core.model.deployment import Deployment
    from ring.core.model.observed import Instance
    from ring.core.model.spec import (
        Config,
        DeploymentSpec,
        HealthCheck,
        Quantities,
        Resources,
        User,
        Volume,
    )


class InstanceShape(TypedDict):
    id: str
    address: NotRequired[str]


class SecretRefShape(TypedDict):
    secretRef: str


class PortShape(TypedDict):
    published: int
    target: int
    host_ip: str | None
    protocol: str


class VolumeShape(TypedDict):
    type: str
    source: str | None
    key: str | None
    destination: str
    driver: str
    permission: str | None
    relabel: NotRequired[str]


class UserShape(TypedDict):
    id: int | None
    group: int | None
    privileged: bool | None
    userns: NotRequired[str]


class ConfigShape(TypedDict, total=False):
    """Empty when the manifest has none; otherwise all but the last two are there."""

    image_pull_policy: str
    server: str | None
    username: str | None
    password: str | None
    user: UserShape | None
    use_host_auth: Literal[True]
    image_pull_secret: str


class QuantitiesShape(TypedDict, total=False):
    cpu: str
    memory: str


class ResourcesShape(TypedDict, total=False):
    limits: QuantitiesShape
    requests: QuantitiesShape


class NetworkShape(TypedDict):
    mode: str


class CheckShape(TypedDict):
    """A health check as it is declared; of `port`, `url` and `command` the one its type has."""

    type: Literal["tcp", "http", "command"]
    port: NotRequired[int]
    url: NotRequired[str]
    command: NotRequired[str]
    interval: str
    timeout: str
    threshold: int
    on_failure: Literal["restart", "stop", "alert"]
    readiness: bool
    min_healthy_time: NotRequired[str]
    start_period: NotRequired[str]


class AutoscaleShape(TypedDict):
    min: int
    max: int
    target_cpu: float


class DeploymentShape(ProcessShape):
    id: str
    created_at: str
    updated_at: str
    name: str
    namespace: str
    runtime: str
    image: str
    kind: str
    status: str
    restart_count: int
    command: list[str]
    config: ConfigShape
    replicas: int
    revision: int
    manifest: NotRequired[str]
    autoscale: NotRequired[AutoscaleShape]
    desired_replicas: NotRequired[int]
    ports: list[PortShape]
    labels: dict[str, str]
    instances: list[InstanceShape]
    environment: dict[str, str | SecretRefShape]
    volumes: list[VolumeShape]
    health_checks: NotRequired[list[CheckShape]]
    auto_rollback: NotRequired[bool]
    resources: NotRequired[ResourcesShape]
    image_digest: NotRequired[str]
    parent_id: NotRequired[str]
    stopped: NotRequired[Literal[True]]
    network: NotRequired[NetworkShape]


def deployment(
    row: Deployment, instances: Sequence[Instance] = (), *, addresses: bool = True
) -> DeploymentShape:
    """The object of every deployment route. No secret leaves: references stay references."""
    spec = row.spec
    shape: DeploymentShape = {
        "id": row.id,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at) if row.updated_at else "",
        "name": spec.name,
        "namespace": spec.namespace,
        "runtime": spec.runtime,
        "image": spec.image,
        "kind": spec.kind,
        "status": row.status,
        "restart_count": row.restart_count,
        "command": list(spec.command),
        "config": _config(spec.config) if spec.config else {},
        "replicas": spec.replicas,
        "revision": row.revision,
        "ports": _ports(spec),
        "labels": dict(spec.labels),
        "instances": [_instance(each, addresses=addresses) for each in instances],
        "environment": _environment(spec),
        "volumes": [_volume(each) for each in spec.volumes],
    }
    if spec.manifest is not None:
        shape["manifest"] = spec.manifest
    if spec.autoscale is not None:
        policy = spec.autoscale
        shape["autoscale"] = {
            "min": policy.min,
            "max": policy.max,
            "target_cpu": policy.target_cpu,
        }
        shape["desired_replicas"] = row.full_target
    if spec.health_checks:
        shape["health_checks"] = [_check(each) for each in spec.health_checks]
    if spec.auto_rollback is not None:
        shape["auto_rollback"] = spec.auto_rollback
    if spec.resources is not None:
        shape["resources"] = _resources(spec.resources)
    if row.image_digest is not None:
        shape["image_digest"] = row.image_digest
    if row.parent_id is not None:
        shape["parent_id"] = row.parent_id
    if row.stopped:
        shape["stopped"] = True
    if spec.network is not None:
        shape["network"] = {"mode": spec.network.mode}
    add_process(shape, spec)
    return shape


def _check(check: HealthCheck) -> CheckShape:
    shape: CheckShape = {
        "type": check.type,
        "interval": check.interval,
        "timeout": check.timeout,
        "threshold": check.threshold,
        "on_failure": check.on_failure,
        "readiness": check.readiness,
    }
    match check:
        case TcpCheck():
            shape["port"] = check.port
        case HttpCheck():
            shape["url"] = check.url
        case CommandCheck():
            shape["command"] = check.command
        case _:
            assert_never(check)
    if check.min_healthy_time is not None:
        shape["min_healthy_time"] = check.min_healthy_time
    if check.start_period is not None:
        shape["start_period"] = check.start_period
    return shape


def _instance(instance: Instance, *, addresses: bool) -> InstanceShape:
    if addresses and instance.address:
        return {"id": instance.id, "address": instance.address}
    return {"id": instance.id}


def _ports(spec: DeploymentSpec) -> list[PortShape]:
    return [
        {
            "published": port.published,
            "target": port.target,
            "host_ip": port.host_ip,
            "protocol": port.protocol,
        }
        for port in spec.ports
    ]


def _environment(spec: DeploymentSpec) -> dict[str, str | SecretRefShape]:
    return {
        name: value if isinstance(value, str) else {"secretRef": value.secretRef}
        for name, value in spec.environment.items()
    }


def _volume(volume: Volume) -> VolumeShape:
    shape: VolumeShape = {
        "type": volume.type,
        "source": volume.source,
        "key": volume.key,
        "destination": volume.destination,
        "driver": volume.driver,
        "permission": volume.permission,
    }
    if volume.relabel is not None:
        shape["relabel"] = volume.relabel
    return shape


def _config(config: Config) -> ConfigShape:
    shape: ConfigShape = {
        "image_pull_policy": config.image_pull_policy,
        "server": config.server,
        "username": config.username,
        "password": None if config.password is None else MASK,
        "user": _user(config.user) if config.user else None,
    }
    if config.use_host_auth:
        shape["use_host_auth"] = True
    if config.image_pull_secret is not None:
        shape["image_pull_secret"] = config.image_pull_secret
    return shape


def _user(user: User) -> UserShape:
    shape: UserShape = {"id": user.id, "group": user.group, "privileged": user.privileged}
    if user.userns is not None:
        shape["userns"] = user.userns
    return shape


def _resources(resources: Resources) -> ResourcesShape:
    shape: ResourcesShape = {}
    if resources.limits is not None:
        shape["limits"] = _quantities(resources.limits)
    if resources.requests is not None:
        shape["requests"] = _quantities(resources.requests)
    return shape


def _quantities(quantities: Quantities) -> QuantitiesShape:
    shape: QuantitiesShape = {}
    if quantities.cpu is not None:
        shape["cpu"] = quantities.cpu
    if quantities.memory is not None:
        shape["memory"] = quantities.memory
    return shape
