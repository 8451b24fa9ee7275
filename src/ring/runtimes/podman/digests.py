"""Finds an image that has lost its name: its tag moved on, and Podman finds it by that alone."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.runtimes.docker import payload

if TYPE_CHECKING:
    from ring.runtimes.docker.connection import Connection


async def nameless(connection: Connection, digest: str) -> str | None:
    """The id of an image here with this digest. Raises Unavailable."""
    answer = await connection.call("GET", "/libpod/images/json")
    if answer.status != HTTPStatus.OK:
        return None
    for entry in payload.as_payloads(answer.json()):
        if entry.get("Digest") == digest:
            return payload.text(entry, "Id")
    return None
