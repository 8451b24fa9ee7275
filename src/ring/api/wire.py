"""The JSON of the API: bodies it takes, objects it gives, with their keys, order and presence.

Shapes are declared once, here; the mapping functions are checked against them, and the API
description is made of them.
"""

from __future__ import annotations

import json
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NotRequired, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.responses import Response
from typing_extensions import TypedDict

from ring.api.problems import Problem, invalid
from ring.clock import rfc3339
from ring.core.violations import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic_core import ErrorDetails

    from ring.core.model.deployment import Deployment
    from ring.core.model.events import Event
    from ring.core.model.logs import LogRecord
    from ring.core.model.observed import Instance
    from ring.core.model.spec import Config, DeploymentSpec, Quantities, Resources, User, Volume
    from ring.store.store import Namespace

T = TypeVar("T", bound=BaseModel)

JSON: Mapping[str, str] = MappingProxyType({"Content-Type": "application/json"})

MASK = "***"
"""Stands in every answer for a password that is set."""


class Body(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)


class LoginBody(Body):
    username: str
    password: str = Field(repr=False)


class NamespaceBody(Body):
    name: str
    network: object = None


class LoginShape(TypedDict):
    token: str


class HealthShape(TypedDict):
    state: Literal["UP"]


class NamespaceShape(TypedDict):
    id: str
    created_at: str
    updated_at: str | None
    name: str


class EventShape(TypedDict):
    id: str
    deployment_id: str
    timestamp: str
    level: str
    message: str
    component: str
    reason: str | None


class LogShape(TypedDict):
    instance: str
    message: str
    level: str
    timestamp: str | None
    stream: NotRequired[str]


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


class DeploymentShape(TypedDict):
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
    ports: list[PortShape]
    labels: dict[str, str]
    instances: list[InstanceShape]
    environment: dict[str, str | SecretRefShape]
    volumes: list[VolumeShape]
    resources: NotRequired[ResourcesShape]
    image_digest: NotRequired[str]
    parent_id: NotRequired[str]
    network: NotRequired[NetworkShape]


class ViolationShape(TypedDict):
    property_path: str
    message: str
    code: str


class ProblemShape(TypedDict):
    type: str
    title: str
    status: int
    detail: str
    violations: list[ViolationShape]
    error: str
    message: NotRequired[str]


def parse(body: bytes, model: type[T]) -> T:
    """The model that the JSON text stands for. Raises 400 and 422, which repeat no value."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        raise Problem(400, "the body is not valid JSON")
    raise invalid([_violation(detail) for detail in details])


def _violation(detail: ErrorDetails) -> Violation:
    path = ".".join(str(step) for step in detail["loc"])
    if detail["type"] == "missing":
        return Violation(path=path, code="request.field.missing", message="is required")
    message = detail["msg"].replace("Input should be", "must be")
    return Violation(path=path, code="request.field.type", message=message)


def schemas(models: Iterable[type], ref_template: str) -> dict[str, object]:
    """JSON Schemas of these models and of all they mention, by name."""
    mode: Literal["validation"] = "validation"
    inputs = [(model, mode, TypeAdapter[object](model)) for model in dict.fromkeys(models)]
    _, found = TypeAdapter.json_schemas(inputs, ref_template=ref_template)
    return dict(found["$defs"])


def answer(
    shape: Mapping[str, object] | Sequence[Mapping[str, object]],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Compact JSON, UTF-8 unescaped."""
    text = json.dumps(shape, separators=(",", ":"), ensure_ascii=False)
    content = text.encode(errors="replace")
    return Response(content, status_code=status, headers={**JSON, **(headers or {})})


def namespace(row: Namespace) -> NamespaceShape:
    return {
        "id": row.id,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at) if row.updated_at else None,
        "name": row.name,
    }


def event(entry: Event) -> EventShape:
    return {
        "id": entry.id,
        "deployment_id": entry.deployment_id,
        "timestamp": rfc3339(entry.timestamp),
        "level": entry.level,
        "message": entry.message,
        "component": entry.component,
        "reason": entry.reason,
    }


def log(record: LogRecord) -> LogShape:
    at = record.timestamp
    return {
        "instance": record.instance,
        "message": record.message,
        "level": record.level,
        "timestamp": rfc3339(at) if isinstance(at, datetime) else at,
        "stream": record.stream,
    }


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
    if spec.resources is not None:
        shape["resources"] = _resources(spec.resources)
    if row.image_digest is not None:
        shape["image_digest"] = row.image_digest
    if row.parent_id is not None:
        shape["parent_id"] = row.parent_id
    if spec.network is not None:
        shape["network"] = {"mode": spec.network.mode}
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
