"""The one description of a deployment: validation, API schema and docs come from these models.

Strict, immutable, unknown members ignored (checking.py names them). Parsed from JSON text only:
strict mode takes a list for a tuple there. Rules that are more than a type are in core/rules.py.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Mapping

U16 = Annotated[int, Field(ge=0, le=65535)]
U32 = Annotated[int, Field(ge=0, le=4294967295)]
RuntimeName = Literal["docker", "podman", "containerd", "cloud-hypervisor", "firecracker"]


class Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class SecretRef(Model):
    secretRef: str


EnvValue = str | SecretRef


class Volume(Model):
    type: Literal["bind", "volume", "config", "secret"]
    source: str | None = None
    key: str | None = None
    destination: str
    driver: Literal["local", "nfs"] = "local"
    permission: Literal["ro", "rw"] | None = None
    """None until normalised: `rw`, or `ro` for config and secret."""
    relabel: Literal["shared", "private"] | None = None


class Port(Model):
    published: U16
    target: U16
    protocol: Literal["tcp", "udp"] = "tcp"
    host_ip: str | None = None


class Network(Model):
    mode: Literal["bridge", "host", "none", "shared"] = "bridge"


class Quantities(Model):
    cpu: str | None = None
    memory: str | None = None


class Resources(Model):
    limits: Quantities | None = None
    requests: Quantities | None = None


class User(Model):
    id: U32 | None = None
    group: U32 | None = None
    privileged: bool | None = None
    userns: Literal["keep-id"] | None = None


class Config(Model):
    image_pull_policy: str = "Always"
    server: str | None = None
    username: str | None = None
    password: str | None = None
    use_host_auth: bool = False
    image_pull_secret: str | None = None
    user: User | None = None


class DeploymentSpec(Model):
    name: str
    namespace: str
    runtime: RuntimeName
    image: str
    kind: Literal["worker", "job"] = "worker"
    replicas: U32 = 1
    command: tuple[str, ...] = ()
    environment: Mapping[str, EnvValue] = Field(default_factory=dict)
    volumes: tuple[Volume, ...] = ()
    ports: tuple[Port, ...] = ()
    network: Network | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    resources: Resources | None = None
    config: Config | None = None
    manifest: str | None = None

    @property
    def pull_policy(self) -> str:
        return self.config.image_pull_policy if self.config else "Always"


def canonical(spec: DeploymentSpec) -> str:
    """Canonical JSON: sorted keys, no spaces; two specs are the same iff these are equal."""
    import json

    return json.dumps(
        spec.model_dump(mode="json", exclude_none=True),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )


def fingerprint(spec: DeploymentSpec) -> str:
    """SHA-256 hex of the canonical JSON without what `manifest` and `replicas` say."""
    return hashlib.sha256(
        canonical(spec.model_copy(update={"replicas": 0, "manifest": None})).encode()
    ).hexdigest()
