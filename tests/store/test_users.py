"""What holds of all accounts together, and that a change is whole or not made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ring.core.errors import Conflict, Lapsed, NotFound
from ring.store.migrate import available, migrate
from ring.store.pats import PatDraft
from ring.store.users import UserChange, UserDraft
from tests.store.builders import audit, done, sql

if TYPE_CHECKING:
    from ring.store.records import Token
    from ring.store.store import Store


class Minted:
    def __init__(self, digit: str) -> None:
        self.hash = digit * 64
        self.prefix = f"ring_pat_{digit * 6}"


def token_of(store: Store, username: str, digit: str) -> Token:
    user = store.user_named(username)
    assert user is not None
    done(
        store.open_session(user, token_hash=digit * 64, token_prefix="ring_pat_0", scopes=["admin"])
    )
    token = store.token(digit * 64)
    assert token is not None
    return token


@pytest.fixture
def admin(store: Store) -> Token:
    done(store.seed_admin("$argon2id$one"))
    return token_of(store, "admin", "a")


def test_the_guard_counts_inside_the_transaction(store: Store, admin: Token) -> None:
    boss = done(store.users.create(UserDraft("boss", "x", "admin"), admin))
    other = token_of(store, "boss", "b")
    done(store.users.update(boss.id, UserChange(role="viewer"), admin))
    with pytest.raises(Lapsed):  # its token ended with its role
        done(store.users.update(admin.user.id, UserChange(role="viewer"), other))
    with pytest.raises(Conflict, match="Cannot demote the last admin"):
        done(store.users.update(admin.user.id, UserChange(role="viewer"), admin))
    with pytest.raises(Conflict, match="Cannot delete the last admin"):
        done(store.users.delete(admin.user.id, admin))


def test_a_refused_change_is_rolled_back_whole(store: Store, admin: Token) -> None:
    mira = done(store.users.create(UserDraft("mira", "x"), admin))
    token = token_of(store, "mira", "c")
    before = audit(store)
    with pytest.raises(Conflict, match="'admin' already exists"):
        done(store.users.update(mira.id, UserChange(username="admin", role="operator"), admin))
    assert store.users.by_id(mira.id) == store.user_named("mira")
    assert store.token("c" * 64) == store.token("c" * 64) is not None
    assert token.revoked_at is None
    assert audit(store) == before


def test_a_role_and_more_are_two_entries(store: Store, admin: Token) -> None:
    mira = done(store.users.create(UserDraft("mira", "x"), admin))
    done(store.users.update(mira.id, UserChange(username="mira2", role="operator"), admin))
    assert [(entry[0], entry[2]) for entry in audit(store)][-2:] == [
        ("role", "mira2"),
        ("update", "mira2"),
    ]


def test_nothing_is_done_for_a_token_that_has_ended(store: Store, admin: Token) -> None:
    done(store.revoke_token(admin))
    draft = PatDraft("ci", ("admin",), (), None)
    for act in (
        store.users.create(UserDraft("mira", "x"), admin),
        store.users.update(admin.user.id, UserChange(password="y"), admin),
        store.users.delete(admin.user.id, admin),
        store.pats.create(draft, Minted("d"), admin),
        store.pats.rotate("x", Minted("d"), admin),
        store.pats.revoke("x", admin),
    ):
        with pytest.raises(Lapsed, match="Invalid token"):
            done(act)
    assert [user.username for user in store.users.all()] == ["admin"]
    assert list(store.pats.of(admin.user.id)) == []


def test_who_is_gone_is_not_found(store: Store, admin: Token) -> None:
    for act in (
        store.users.update("nope", UserChange(role="admin"), admin),
        store.users.delete("nope", admin),
    ):
        with pytest.raises(NotFound, match="User not found"):
            done(act)


def test_damaged_times_of_a_user_leave_it_readable(store: Store, admin: Token) -> None:
    sql(store, "UPDATE user SET created_at = 'x', login_at = 'y', updated_at = 'z'")
    (user,) = store.users.all()
    assert (user.username, user.login_at, user.updated_at) == ("admin", None, None)
    assert store.token("a" * 64) is not None


def test_tokens_from_before_are_kept_by_the_migration() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        steps = available()
        migrate(connection, steps[:4])
        connection.execute(
            "INSERT INTO user (id, username, password, role, status, created_at)"
            " VALUES ('u', 'admin', 'x', 'admin', 'active', 'then')"
        )
        for name in ("first", "second"):
            connection.execute(
                "INSERT INTO token (id, user_id, name, kind, token_hash, token_prefix, scopes,"
                " namespaces, created_at, expire_at, last_used_at, revoked_at)"
                " VALUES (?, 'u', ?, 'pat', ?, 'p', '[]', '[\"a\"]', 'c', 'e', 'l', 'r')",
                (name, name, name),
            )
        before = connection.execute("SELECT rowid, * FROM token ORDER BY rowid").fetchall()
        migrate(connection, steps)
        assert connection.execute("SELECT rowid, * FROM token ORDER BY rowid").fetchall() == before
        connection.execute("DELETE FROM user")
        assert connection.execute("SELECT count(*) FROM token").fetchone() == (2,)
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("UPDATE token SET token_hash = 'one'")
