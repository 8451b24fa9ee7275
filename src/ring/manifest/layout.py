"""What a manifest may hold, as the shape of a deployment widened by what only a file has."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ring.core.model.shapes import (
    DEPLOYMENT,
    Choice,
    Either,
    Flag,
    ListOf,
    MapOf,
    Member,
    Object,
    Shape,
    Text,
)
from ring.manifest.namespace_network import NETWORK


def _required(shape: Shape, description: str) -> Member:
    return Member(shape, required=True, description=description)


def _optional(shape: Shape, description: str) -> Member:
    return Member(shape, required=False, description=description)


def _deployment() -> Object:
    members = dict(DEPLOYMENT.members)
    # filled from the top-level `name`
    del members["manifest"]
    # an unknown runtime fails its own entry, not the file; a pull policy may hold a variable
    members["runtime"] = replace(_unchecked(members["runtime"]), required=False, default="docker")
    members["labels"] = replace(members["labels"], shape=MapOf(Text(), listed=True))
    config = members["config"].shape
    assert isinstance(config, Object)  # noqa: S101 - as in core.model.spec
    policy = _unchecked(config.members["image_pull_policy"])
    members["config"] = _with(members["config"], image_pull_policy=policy)
    volumes = members["volumes"].shape
    assert isinstance(volumes, ListOf)  # noqa: S101 - as in core.model.spec
    assert isinstance(volumes.item, Object)  # noqa: S101 - as in core.model.spec
    source = replace(volumes.item.members["source"], required=True)
    volume = replace(volumes.item, members={**volumes.item.members, "source": source})
    members["volumes"] = replace(members["volumes"], shape=ListOf(volume))
    return Object("Deployment", members)


def _unchecked(member: Member) -> Member:
    """The member with any text in place of some words."""
    shape = member.shape
    assert isinstance(shape, Choice)  # noqa: S101 - as in core.model.spec
    return replace(member, shape=Text(shape.values))


def _with(member: Member, **changed: Member) -> Member:
    shape = member.shape
    assert isinstance(shape, Object)  # noqa: S101 - as in core.model.spec
    return replace(member, shape=replace(shape, members={**shape.members, **changed}))


NAMESPACE: Final = Object(
    "Namespace",
    {
        "name": _required(Text(), "Name of the namespace: 2 to 63 of a-z, 0-9 and '-'."),
        "network": _optional(NETWORK, "Settings of the namespace's network."),
    },
)
CONFIG: Final = Object(
    "Config",
    {
        "namespace": _required(
            Text(), "Namespace it lives in: that of the deployments which mount it."
        ),
        "name": _required(Text(), "Name of the config: what a `config` volume has as `source`."),
        "data": _optional(
            Either(Text(), MapOf(Text())),
            "Contents by key: a map, or the text of a JSON object. Needed unless `files` is set.",
        ),
        "files": _optional(
            MapOf(Text()),
            "Files whose contents are added under their keys; relative to the manifest.",
        ),
        "interpolate": _optional(
            Flag(),
            "Where `$NAME` is replaced. Absent: in `data` alone; true: in files too; "
            "false: nowhere.",
        ),
        "labels": _optional(
            Either(Text(), MapOf(Text())), "Free text, or a map that is kept as JSON text."
        ),
    },
)
MANIFEST: Final = Object(
    "Manifest",
    {
        "name": _optional(
            Text(),
            "Name of the manifest, kept with each of its deployments; `--prune` goes by it.",
        ),
        "namespaces": _optional(
            MapOf(NAMESPACE), "Namespaces to make. The keys are labels for the reader."
        ),
        "configs": _optional(
            MapOf(CONFIG), "Configs to make or update. The keys are labels for the reader."
        ),
        "deployments": _optional(
            MapOf(_deployment()), "Deployments to apply. The keys are labels for the reader."
        ),
    },
)
SECTIONS: Final = ("deployments", "namespaces", "configs")
"""A manifest has at least one of them."""
