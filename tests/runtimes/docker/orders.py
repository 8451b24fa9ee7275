"""Orders for tests that need one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ring.core.model.ids import DeploymentId, InstanceName
from ring.core.model.spec import (
    Config,
    DeploymentSpec,
    Network,
    Port,
    Resources,
    Volume,
    canonical,
)
from ring.runtimes.base import File, Image, Order

if TYPE_CHECKING:
    from collections.abc import Mapping


def order(
    *,
    command: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    ports: tuple[Port, ...] = (),
    volumes: tuple[Volume, ...] = (),
    resources: Resources | None = None,
    network: Network | None = None,
    config: Config | None = None,
    default_host_ip: str | None = None,
    files: tuple[File, ...] = (),
    **members: object,
) -> Order:
    """`members`: further ones of the spec, as a manifest has them."""
    spec = DeploymentSpec(
        name="web",
        namespace="shop",
        runtime="docker",
        image="nginx:1",
        command=command,
        labels=labels or {},
        ports=ports,
        volumes=volumes,
        resources=resources,
        network=network,
        config=config,
    )
    spec = DeploymentSpec.model_validate_json(
        json.dumps({**json.loads(canonical(spec)), **members})
    )
    return Order(
        name=InstanceName("shop_web_0a1b2c3d"),
        deployment_id=DeploymentId("d-1"),
        server_id="s-1",
        spec=spec,
        image=Image("nginx@sha256:" + "a" * 64, "sha256:" + "a" * 64),
        environment=environment or {},
        default_host_ip=default_host_ip,
        files=files,
    )
