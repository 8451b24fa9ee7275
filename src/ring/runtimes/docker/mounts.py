"""What an instance sees of the host and of the engine's volumes, in the engine's words."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.runtimes import shares
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.docker import nfs, payload
from ring.runtimes.named_volumes import no_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.model.spec import DeploymentSpec, Volume
    from ring.runtimes.base import Order
    from ring.runtimes.docker.payload import Payload

_ENGINES_OWN: Final = frozenset({"bind", "volume"})
"""Volumes that the engine finds by their source; the others are files of the order."""
_RANDOM: Final = re.compile(r"[0-9a-f]{64}")
_LABELS: Final = {"shared": "z", "private": "Z"}


def name_of(volume: Volume) -> str:
    """What the engine calls a named volume."""
    source = volume.source or ""
    return source if shares.share_of(volume) is None else nfs.volume_name(source)


def members(order: Order, *, is_labelled: bool = False) -> dict[str, object]:
    """Members of the `HostConfig` of a create body.

    As mounts, not binds: the engine refuses a missing host path instead of creating it. Only a bind
    can tell the engine to label its source, though (see require_sources). is_labelled: it labels
    the order's files, which are Ring's own; a user's only where he says so.
    """
    files = [(file.path, file.destination) for file in order.files if file.path]
    labelled = [file for file in files if is_labelled and ":" not in "".join(file)]
    mounts = [
        *(_mount(each) for each in order.spec.volumes if _is_mount(each)),
        *(_file(*file) for file in files if file not in labelled),
    ]
    binds = [_bind(each) for each in _relabelled(order.spec)]
    binds += [f"{path}:{destination}:ro,{_LABELS['shared']}" for path, destination in labelled]
    return {"Mounts": mounts, **({"Binds": binds} if binds else {})}


async def require_made(spec: DeploymentSpec, *, is_here: bool) -> None:
    """For an engine that makes every missing source: as require_sources, of all that is bound."""
    for volume in spec.volumes:
        source = volume.source or ""
        if is_here and _is_bind(volume) and not await asyncio.to_thread(os.path.exists, source):
            raise no_source(source)


async def require_sources(spec: DeploymentSpec, *, is_here: bool) -> None:
    """What is bound to be labelled can be, and is there as far as this machine can tell.

    The engine makes a missing one on its own host, which nobody asked for. Raises
    RuntimeFailure(INSTANCE_REJECTED).
    """
    for volume in _relabelled(spec):
        source = volume.source or ""
        if ":" in source + volume.destination:
            raise RuntimeFailure(
                FailureClass.INSTANCE_REJECTED,
                f"'{source}' cannot be relabelled for '{volume.destination}': "
                "the engine takes no path with a ':' then",
            )
        if is_here and not await asyncio.to_thread(os.path.exists, source):
            raise no_source(source)


def anonymous(entry: Payload) -> tuple[str, ...]:
    """The volumes that the engine made for a container, from `GET /containers/{id}/json`.

    Their names are random; one like that may also be somebody's choice, and is then asked for.
    """
    host = payload.section(entry, "HostConfig")
    asked = {mount.get("Source") for mount in _entries(host)}
    names = [mount.get("Name") for mount in _entries(entry) if mount.get("Type") == "volume"]
    return tuple(
        name
        for name in names
        if isinstance(name, str) and _RANDOM.fullmatch(name) and name not in asked
    )


def _entries(holder: Payload) -> tuple[Payload, ...]:
    return payload.as_payloads(holder.get("Mounts") or [])


def _relabelled(spec: DeploymentSpec) -> Iterator[Volume]:
    return (each for each in spec.volumes if each.relabel is not None and _is_bind(each))


def _is_bind(volume: Volume) -> bool:
    return volume.type == "bind" and not volume.is_named


def _is_mount(volume: Volume) -> bool:
    return volume.type in _ENGINES_OWN and not (_is_bind(volume) and volume.relabel is not None)


def _mount(volume: Volume) -> dict[str, object]:
    named = volume.is_named
    return {
        "Type": "volume" if named else "bind",
        "Source": name_of(volume) if named else volume.source or "",
        "Target": volume.destination,
        "ReadOnly": volume.permission == "ro",
    }


def _bind(volume: Volume) -> str:
    access = "ro" if volume.permission == "ro" else "rw"
    label = _LABELS[volume.relabel or "shared"]
    return f"{volume.source}:{volume.destination}:{access},{label}"


def _file(path: str, destination: str) -> dict[str, object]:
    return {"Type": "bind", "Source": path, "Target": destination, "ReadOnly": True}
