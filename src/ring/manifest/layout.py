"""What a manifest may hold, as the shape of a deployment widened by what only a file has."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ring.core.model.shapes import (
    DEPLOYMENT,
    Anything,
    Flag,
    ListOf,
    MapOf,
    Member,
    Object,
    Shape,
    Text,
)


def _member(shape: Shape, *, required: bool = False) -> Member:
    return Member(shape, required, "")


def _deployment() -> Object:
    members = dict(DEPLOYMENT.members)
    # filled from the top-level `name`
    del members["manifest"]
    # an unknown runtime fails its own entry, not the file; a pull policy may hold a variable
    members["runtime"] = _member(Text())
    members["config"] = _with(members["config"], image_pull_policy=_member(Text()))
    volumes = members["volumes"].shape
    assert isinstance(volumes, ListOf)  # noqa: S101 - as in core.model.spec
    volume = _with(_member(volumes.item), source=_member(Text(), required=True))
    members["volumes"] = replace(members["volumes"], shape=ListOf(volume.shape))
    return Object("Deployment", members)


def _with(member: Member, **changed: Member) -> Member:
    shape = member.shape
    assert isinstance(shape, Object)  # noqa: S101 - as in core.model.spec
    return replace(member, shape=replace(shape, members={**shape.members, **changed}))


NAMESPACE: Final = Object(
    "Namespace", {"name": _member(Text(), required=True), "network": _member(Anything())}
)
CONFIG: Final = Object(
    "Config",
    {
        "namespace": _member(Text(), required=True),
        "name": _member(Text(), required=True),
        "data": _member(Anything()),
        "files": _member(MapOf(Text())),
        "interpolate": _member(Flag()),
        "labels": _member(Anything()),
    },
)
MANIFEST: Final = Object(
    "Manifest",
    {
        "name": _member(Text()),
        "namespaces": _member(MapOf(NAMESPACE)),
        "configs": _member(MapOf(CONFIG)),
        "deployments": _member(MapOf(_deployment())),
    },
)
SECTIONS: Final = ("deployments", "namespaces", "configs")
"""A manifest has at least one of them."""
