"""Ends tokens, and refuses what a token asks that has ended meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.clock import rfc3339
from ring.core.errors import Lapsed

if TYPE_CHECKING:
    from ring.store.database import Transaction
    from ring.store.records import Token


def expect_live(tx: Transaction, token: Token) -> None:
    """Raises Lapsed: what is made for a token must not outlive a revocation it has not seen."""
    if tx.one("tokens", "live", {"id": token.id}) is None:
        raise Lapsed


def revoke(tx: Transaction, token_id: str) -> bool:
    """False: it was revoked before."""
    return tx.run("tokens", "revoke", {"id": token_id, "at": rfc3339(tx.now)}) > 0


def revoke_all(tx: Transaction, user_id: str) -> None:
    """Sessions and PATs of a user."""
    tx.run("tokens", "revoke_of_user", {"user_id": user_id, "at": rfc3339(tx.now)})


def revoke_other_sessions(tx: Transaction, user_id: str, *, kept: str) -> None:
    """All sessions of a user but one; PATs stay."""
    values = {"user_id": user_id, "kept": kept, "at": rfc3339(tx.now)}
    tx.run("tokens", "revoke_other_sessions", values)
