"""Volumes. Named ones are made with Ring's labels before they are mounted, and never removed."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.model import labels
from ring.core.model.failures import FailureClass
from ring.runtimes import named_volumes, shares
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.docker import failures, mounts, nfs, paths, payload

if TYPE_CHECKING:
    from ring.core.model.spec import DeploymentSpec, Volume
    from ring.runtimes.docker.connection import Answer, Connection
    from ring.runtimes.docker.payload import Payload

_LOCAL = "local"


async def ensure(connection: Connection, spec: DeploymentSpec, server_id: str) -> None:
    """Every named volume of the spec exists and is its namespace's, or nobody's.

    Raises RuntimeFailure(CONFIG_MISSING | INSTANCE_REJECTED), Unavailable.
    """
    for volume in spec.volumes:
        if volume.is_named and volume.source:
            await _ensure_one(connection, volume, spec, server_id)


async def _ensure_one(
    connection: Connection, volume: Volume, spec: DeploymentSpec, server_id: str
) -> None:
    name = mounts.name_of(volume)
    if not paths.is_segment(name):
        raise RuntimeFailure(
            FailureClass.INSTANCE_REJECTED, f"cannot create volume '{name}': this is no volume name"
        )
    share = shares.share_of(volume)
    options = None if share is None else nfs.options(share, read_only=volume.permission == "ro")
    # Looked up first: creating one that exists with another driver is an error.
    answer = await connection.call("GET", f"/volumes/{paths.quoted(name)}")
    if answer.status == HTTPStatus.NOT_FOUND:
        answer = await connection.call(
            "POST",
            "/volumes/create",
            body={
                "Name": name,
                "Driver": volume.driver if options is None else _LOCAL,
                "Labels": named_volumes.labels_for(spec, server_id),
                **({} if options is None else {"DriverOpts": options}),
            },
        )
    if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
        raise _refused(name, answer)
    found = payload.as_payload(answer.json())
    if options is None:
        named_volumes.require_owner(payload.labels(found, "Labels"), name, spec.namespace)
    else:
        _require_share(found, name, volume, options)


async def remove(connection: Connection, name: str) -> bool:
    """See AnonymousVolumes.remove_volume. One that a deployment named stays, whatever its name."""
    told = await connection.call("GET", f"/volumes/{paths.quoted(name)}")
    if told.status == HTTPStatus.OK:
        found = payload.as_payload(told.json())
        if labels.MANAGED in payload.labels(found, "Labels"):
            return True
    answer = await connection.call("DELETE", f"/volumes/{paths.quoted(name)}")
    if answer.status == HTTPStatus.CONFLICT:
        return False
    if answer.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND}:
        raise failures.refused(f"remove volume {name[:12]}", answer)
    return True


def _require_share(found: Payload, name: str, volume: Volume, options: dict[str, str]) -> None:
    """What is on a share is its server's, not a namespace's: anybody may mount what is the same."""
    why = nfs.difference(payload.labels(found, "Options"), options)
    if why is not None:
        raise RuntimeFailure(
            FailureClass.INSTANCE_REJECTED,
            f"cannot mount '{volume.source}' from volume '{name}': {why}; remove that volume from "
            "the engine, and it is made anew",
        )


def _refused(name: str, answer: Answer) -> RuntimeFailure:
    return failures.unless_away(answer) or RuntimeFailure(
        FailureClass.INSTANCE_REJECTED, f"cannot create volume '{name}': {answer.message}"
    )
