"""A containerd by its own program, for what Ring never asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.outside import printed

if TYPE_CHECKING:
    from ring.runtimes.containerd.client import Client


async def leases(client: Client) -> list[str]:
    """The ids of those that there are where this client is."""
    return (await _asked(client, "leases", "list", "--quiet")).split()


async def delete_content(client: Client, digest: str) -> None:
    await _asked(client, "content", "delete", digest)


async def _asked(client: Client, *argv: str) -> str:
    where = ("--address", str(client.socket), "--namespace", client.namespace)
    return await printed("ctr", *where, *argv)
