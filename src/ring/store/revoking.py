"""Ends tokens, and refuses what a token asks that has ended meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.clock import rfc3339
from ring.core.errors import Lapsed
from ring.store.mirror import TokensEnded

if TYPE_CHECKING:
    from ring.store.database import Transaction
    from ring.store.records import Token


def expect_live(tx: Transaction, token: Token) -> None:
    """Raises Lapsed: what is made for a token must not outlive a revocation it has not seen."""
    if tx.one("tokens", "live", {"id": token.id}) is None:
        raise Lapsed


def revoke(tx: Transaction, token_id: str, user_id: str) -> bool:
    """A token of this user. False: it was revoked before."""
    is_new = tx.run("tokens", "revoke", {"id": token_id, "at": rfc3339(tx.now)}) > 0
    if is_new:
        tell(tx, user_id)
    return is_new


def revoke_all(tx: Transaction, user_id: str) -> None:
    """Sessions and PATs of a user."""
    tx.run("tokens", "revoke_of_user", {"user_id": user_id, "at": rfc3339(tx.now)})
    tell(tx, user_id)


def revoke_other_sessions(tx: Transaction, user_id: str, *, kept: str) -> None:
    """All sessions of a user but one; PATs stay."""
    values = {"user_id": user_id, "kept": kept, "at": rfc3339(tx.now)}
    tx.run("tokens", "revoke_other_sessions", values)
    tell(tx, user_id)


def tell(tx: Transaction, user_id: str) -> None:
    """What is open for the user's tokens is to end where they have."""
    tx.changes.append(TokensEnded(user_id))
