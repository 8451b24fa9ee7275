"""Named volumes: made with Ring's labels before they are mounted, never removed."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.model import labels
from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.docker import failures, mapping, paths, payload

if TYPE_CHECKING:
    from ring.core.model.spec import DeploymentSpec, Volume
    from ring.runtimes.docker.connection import Answer, Connection


async def ensure(connection: Connection, spec: DeploymentSpec) -> None:
    """Every named volume of the spec exists and is its namespace's, or nobody's.

    Raises RuntimeFailure(CONFIG_MISSING | INSTANCE_REJECTED), Unavailable.
    """
    for volume in spec.volumes:
        if mapping.is_named_volume(volume) and volume.source:
            await _ensure_one(connection, volume, volume.source, spec)


async def _ensure_one(
    connection: Connection, volume: Volume, name: str, spec: DeploymentSpec
) -> None:
    if not paths.is_segment(name):
        raise RuntimeFailure(
            FailureClass.INSTANCE_REJECTED, f"cannot create volume '{name}': this is no volume name"
        )
    # Looked up first: creating one that exists with another driver is an error.
    answer = await connection.call("GET", f"/volumes/{paths.quoted(name)}")
    if answer.status == HTTPStatus.NOT_FOUND:
        answer = await connection.call(
            "POST",
            "/volumes/create",
            body={
                "Name": name,
                "Driver": volume.driver,
                "Labels": mapping.volume_labels(spec),
            },
        )
    if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
        raise _refused(name, answer)
    written = payload.labels(payload.as_payload(answer.json()), "Labels")
    owner = written.get(labels.NAMESPACE, spec.namespace)
    if owner != spec.namespace:
        raise RuntimeFailure(
            FailureClass.CONFIG_MISSING,
            f"Volume '{name}' belongs to namespace '{owner}'; choose another name",
        )


def _refused(name: str, answer: Answer) -> RuntimeFailure:
    return failures.unless_away(answer) or RuntimeFailure(
        FailureClass.INSTANCE_REJECTED, f"cannot create volume '{name}': {answer.message}"
    )
