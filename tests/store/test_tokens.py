"""Accounts and tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.errors import Conflict
from ring.store.store import Store, Token, User
from ring.store.trouble import StoreError
from tests.store.builders import MIRA, START, ManualClock, accepted, audit, done, sql

if TYPE_CHECKING:
    from pathlib import Path

HASH = "ab" * 32


def admin(store: Store) -> User:
    done(store.seed_admin("$argon2id$one"))
    user = store.user_named("admin")
    assert user is not None
    return user


def session(store: Store, token_hash: str = HASH) -> Token:
    done(
        store.open_session(
            admin(store),
            token_hash=token_hash,
            token_prefix="ring_pat_9ac41e",
            scopes=["deployments:read", "admin"],
        )
    )
    token = store.token(token_hash)
    assert token is not None
    return token


def test_admin_is_seeded_only_where_there_is_nobody(store: Store) -> None:
    assert store.user_named("admin") is None
    assert done(store.seed_admin("$argon2id$one"))
    assert not done(store.seed_admin("$argon2id$two"))
    user = store.user_named("admin")
    assert user is not None
    assert (user.username, user.password, user.role, user.status) == (
        "admin",
        "$argon2id$one",
        "admin",
        "active",
    )
    sql(store, "UPDATE user SET username = 'mira'")
    assert not done(store.seed_admin("$argon2id$two"))
    assert store.user_named("admin") is None


def test_a_session(store: Store, clock: ManualClock) -> None:
    clock.advance(5)
    token = session(store)
    assert token.user == store.user_named("admin")
    assert token.kind == "session"
    assert token.scopes == {"admin", "deployments:read"}
    assert token.namespaces == ()
    assert (token.expire_at, token.revoked_at, token.last_used_at) == (None, None, None)
    (row,) = sql(store, "SELECT login_at FROM user")
    assert row["login_at"] == "2027-03-02T08:15:09.120934Z"
    assert audit(store) == [("login", "session", "admin", None, token.user.id)]
    assert store.token("cd" * 32) is None


def test_a_user_that_is_gone_gets_no_session(store: Store) -> None:
    ghost = User("nobody", "ghost", "", "admin", "active", START, None, None)
    with pytest.raises(Conflict, match="ghost"):
        done(store.open_session(ghost, token_hash=HASH, token_prefix="ring_pat_0", scopes=[]))
    assert store.token(HASH) is None
    assert audit(store) == []


def test_revoking_is_idempotent(store: Store, clock: ManualClock) -> None:
    token = session(store)
    clock.advance(5)
    done(store.revoke_token(token))
    revoked = store.token(HASH)
    assert revoked is not None
    assert revoked.revoked_at == clock.wall()
    clock.advance(5)
    done(store.revoke_token(token))
    assert store.token(HASH) == revoked
    assert [entry[0] for entry in audit(store)] == ["login", "logout"]


@pytest.mark.parametrize("column", ["scopes", "namespaces"])
@pytest.mark.parametrize("damage", ["", "{", "null", '"admin"', '{"admin":1}', "[1]", b"\xff\xfe"])
def test_damaged_lists_make_a_token_invalid(
    store: Store, column: str, damage: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    token = session(store)
    sql(store, f"UPDATE token SET {column} = CAST(? AS TEXT)", damage)  # noqa: S608 - own literals
    assert store.token(HASH) is None
    assert token.id in caplog.text


def test_a_revocation_that_cannot_be_read_is_a_revocation(store: Store) -> None:
    session(store)
    sql(store, "UPDATE token SET revoked_at = 'yesterday'")
    assert store.token(HASH) is None


def test_an_expiry_is_handed_out_as_it_is(store: Store) -> None:
    session(store)
    sql(
        store,
        "UPDATE token SET expire_at = 'soon', last_used_at = 'lately', namespaces = '[\"a\"]'",
    )
    token = store.token(HASH)
    assert token is not None
    assert (token.expire_at, token.last_used_at, token.namespaces) == ("soon", None, ("a",))


def test_use_is_noted_with_the_next_write(store: Store, clock: ManualClock) -> None:
    token = session(store)
    clock.advance(5)
    used = clock.wall()
    store.touch_token(token)
    assert store.token(HASH) == token
    clock.advance(5)
    accepted(store)
    touched = store.token(HASH)
    assert touched is not None
    assert touched.last_used_at == used


def test_use_is_noted_once_in_60_seconds(store: Store, clock: ManualClock) -> None:
    token = session(store)

    def last_used_after(wait_s: float) -> object:
        clock.advance(wait_s)
        store.touch_token(token)
        done(store.create_namespace(f"n{clock.passed}", MIRA))
        found = store.token(HASH)
        assert found is not None
        return found.last_used_at

    first = last_used_after(1)
    assert first == clock.wall()
    assert last_used_after(59) == first
    assert last_used_after(1) == clock.wall()


def test_use_is_not_lost_with_a_write_that_fails(store: Store) -> None:
    token = session(store)
    store.touch_token(token)
    with pytest.raises(Conflict):
        done(
            store.open_session(
                User("nobody", "ghost", "", "admin", "active", START, None, None),
                token_hash="cd" * 32,
                token_prefix="ring_pat_0",
                scopes=[],
            )
        )
    accepted(store)
    touched = store.token(HASH)
    assert touched is not None
    assert touched.last_used_at == START


def test_use_is_written_at_the_latest_when_the_store_closes(
    tmp_path: Path, clock: ManualClock
) -> None:
    store = Store.open(tmp_path / "ring.db", clock, inline=True)
    store.touch_token(session(store))
    done(store.close())
    again = Store.open(tmp_path / "ring.db", clock, inline=True)
    touched = again.token(HASH)
    done(again.close())
    assert touched is not None
    assert touched.last_used_at == START


def test_a_store_that_cannot_write_any_more_still_closes(store: Store) -> None:
    store.touch_token(session(store))
    sql(store, "PRAGMA query_only = ON")
    done(store.close())
    with pytest.raises(StoreError, match="closed"):
        done(store.seed_admin("x"))
