"""Files of an order that cannot be mounted, because the engine is on another host: copied."""

from __future__ import annotations

import io
import tarfile
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.runtimes.base import Gone, RuntimeFailure
from ring.runtimes.docker import failures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.core.model.ids import InstanceId
    from ring.runtimes.base import File
    from ring.runtimes.docker.connection import Connection

MODE = 0o444


async def copy(connection: Connection, instance_id: InstanceId, files: Sequence[File]) -> None:
    """Puts those without a path on the host into a created container. Missing folders are made.

    Raises RuntimeFailure(INSTANCE_REJECTED), Gone, Unavailable.
    """
    copied = [file for file in files if file.path is None]
    if not copied:
        return
    answer = await connection.call(
        "PUT", f"/containers/{instance_id}/archive", query={"path": "/"}, body=_archive(copied)
    )
    if answer.status == HTTPStatus.NOT_FOUND and "no such container" in answer.message.lower():
        raise Gone(answer.message)
    if answer.status != HTTPStatus.OK:
        raise failures.unless_away(answer) or RuntimeFailure(
            FailureClass.INSTANCE_REJECTED,
            f"cannot copy {', '.join(file.destination for file in copied)}: {answer.message}",
        )


def _archive(files: Sequence[File]) -> bytes:
    """A tar of the files alone: an entry for a folder would change one that is there."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for file in files:
            entry = tarfile.TarInfo(file.destination.lstrip("/"))
            entry.size, entry.mode = len(file.content), MODE
            archive.addfile(entry, io.BytesIO(file.content))
    return whole.getvalue()
