"""The identity of this server: made with its database, never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ring.store.database import Transaction


def identify(tx: Transaction) -> str:
    """The server's UUID; drawn the first time it is asked for."""
    row = tx.one("meta", "read", {"key": "server_id"})
    if row is not None:
        return str(row["value"])
    drawn = tx.new_id()
    tx.run("meta", "insert", {"key": "server_id", "value": drawn})
    return drawn
