"""What a deployment refers to by name in its namespace, and whether that has changed under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from ring.core.model.spec import SecretRef

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ring.core.model.spec import DeploymentSpec


class Reference(NamedTuple):
    kind: Literal["secret", "config", "volume"]
    name: str


class Stamp(NamedTuple):
    """Which object of a name it is, and in which state. A name made anew is another object."""

    id: str
    version: int


Inputs = dict[Reference, Stamp | None]
"""Secrets and configs as they were at some time; None: there was none of that name."""


def references(spec: DeploymentSpec) -> frozenset[Reference]:
    return frozenset(_references(spec))


def inputs(spec: DeploymentSpec) -> frozenset[Reference]:
    """The secrets and configs among them: what an instance is given when it is made."""
    return frozenset(each for each in _references(spec) if each.kind != "volume")


def changed_among(recorded: Mapping[Reference, Stamp | None], now: Inputs) -> tuple[Reference, ...]:
    """What a row made with what is recorded would find to be something else now.

    One that is gone is no change: what runs keeps what it was given, and a row in its place could
    only wait. One that was missing is recorded when it first appears (store.inputs), because that
    is the one the row waited for.
    """
    return tuple(
        reference
        for reference, stamp in now.items()
        if stamp is not None and recorded.get(reference) != stamp
    )


def _references(spec: DeploymentSpec) -> Iterator[Reference]:
    for value in spec.environment.values():
        if isinstance(value, SecretRef):
            yield Reference("secret", value.secretRef)
    for volume in spec.volumes:
        if volume.type != "bind" and volume.source:
            yield Reference(volume.type, volume.source)
    if spec.config is not None and spec.config.image_pull_secret:
        yield Reference("secret", spec.config.image_pull_secret)
