"""Orders and images for tests that need one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ring.core.model.ids import DeploymentId, InstanceName
from ring.core.model.spec import DeploymentSpec
from ring.runtimes.base import File, Image, Order
from ring.runtimes.containerd.image_config import ImageConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "shop_web_0a1b2c3d"
_WEB = {"name": "web", "namespace": "shop", "runtime": "containerd", "image": "nginx:1"}


def order(
    members: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    files: tuple[File, ...] = (),
) -> Order:
    """`members`: of the spec, as a manifest has them."""
    return Order(
        name=InstanceName(NAME),
        deployment_id=DeploymentId("d-1"),
        server_id="s-1",
        spec=DeploymentSpec.model_validate_json(json.dumps({**_WEB, **(members or {})})),
        image=Image("nginx@sha256:" + "a" * 64, "sha256:" + "a" * 64),
        environment=environment or {},
        files=files,
    )


def image(
    *,
    entrypoint: tuple[str, ...] = (),
    command: tuple[str, ...] = (),
    environment: tuple[str, ...] = (),
    directory: str = "",
    user: str = "",
    volumes: tuple[str, ...] = (),
) -> ImageConfig:
    return ImageConfig(
        chain_id="",
        diff_ids=(),
        entrypoint=entrypoint,
        command=command,
        environment=environment,
        directory=directory,
        user=user,
        volumes=volumes,
    )
