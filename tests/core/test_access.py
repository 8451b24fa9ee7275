from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ring.core.access import (
    ROLES,
    Scope,
    UnknownRole,
    allows,
    has_expired,
    reaches,
    session_scopes,
)

NOW = datetime(2027, 3, 2, 8, 15, tzinfo=UTC)


def test_the_scopes_are_a_closed_set() -> None:
    assert len(Scope) == 17
    assert set(session_scopes("admin")) == {Scope.ADMIN}


def test_viewers_read_everything_but_tokens() -> None:
    assert session_scopes("viewer") == {scope for scope in Scope if scope.endswith(":read")}


def test_operators_write_everything_but_users() -> None:
    written = {scope for scope in Scope if scope.endswith(":write")}
    entering = {Scope.DEPLOYMENTS_EXEC, Scope.DEPLOYMENTS_FORWARD}
    wider = session_scopes("operator") - session_scopes("viewer")
    assert wider == (written | entering) - {Scope.USERS_WRITE}


@pytest.mark.parametrize("scope", [Scope.DEPLOYMENTS_EXEC, Scope.DEPLOYMENTS_FORWARD])
def test_nothing_but_itself_and_admin_lets_anybody_into_an_instance(scope: Scope) -> None:
    assert not allows({one for one in Scope if one not in {scope, Scope.ADMIN}}, scope)
    assert scope not in session_scopes("viewer")


@pytest.mark.parametrize("role", ["", "root", "Admin"])
def test_no_other_role_exists(role: str) -> None:
    with pytest.raises(UnknownRole, match=f"'{role}'"):
        session_scopes(role)


def test_writing_does_not_imply_reading() -> None:
    assert not allows({Scope.DEPLOYMENTS_WRITE}, Scope.DEPLOYMENTS_READ)


@pytest.mark.parametrize("required", Scope)
def test_admin_satisfies_everything_and_nothing_else_satisfies_admin(required: Scope) -> None:
    assert allows(ROLES["admin"], required)
    assert allows({scope for scope in Scope if scope != "admin"}, Scope.ADMIN) is False


def test_an_empty_list_is_no_boundary() -> None:
    assert reaches((), "shop")
    assert reaches(("shop", "media"), "media")
    assert not reaches(("shop",), "media")


@pytest.mark.parametrize(
    ("expire_at", "expired"),
    [
        (None, False),
        ((NOW + timedelta(seconds=1)).isoformat(), False),
        ("2027-03-02T08:15:00Z", True),
        ("2027-03-02T09:00:00", True),
        ("tomorrow", True),
        ("", True),
        ((NOW + timedelta(seconds=1)).astimezone(timezone(timedelta(hours=5))).isoformat(), False),
    ],
)
def test_what_cannot_be_read_has_expired(expire_at: str | None, *, expired: bool) -> None:
    assert has_expired(expire_at, NOW) is expired
