"""User accounts: who may change whom is decided here, after the gate, in one fixed order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from ring.api import bodies, wire
from ring.api.problems import Problem, invalid
from ring.api.routing import Doc, Guarded
from ring.core import accounts
from ring.core.access import ROLES, Scope
from ring.store.users import UserChange, UserDraft

if TYPE_CHECKING:
    from ring.api.calls import Call
    from ring.api.routing import Route
    from ring.store.store import User


async def list_users(call: Call) -> Response:
    return await wire.answer_list(call.services.store.users.all(), wire.user)


async def read_me(call: Call) -> Response:
    """The owner of the presented token."""
    return _shown(call, call.caller.token.user.id)


async def read_user(call: Call) -> Response:
    return _shown(call, call.params["id"])


async def create_user(call: Call) -> Response:
    call.caller.expect_unbound()
    body = wire.parse(await bodies.read(call.request), wire.UserBody)
    if body.role is not None:
        _expect_manager(call)
        _expect_known_role(body.role)
    _expect_valid(body.username, body.password)
    hashed = await call.services.logins.hashed(body.password, call.caller.token.user.id)
    draft = UserDraft(body.username, hashed, body.role or "viewer")
    row = await call.services.store.users.create(draft, call.caller.token)
    return wire.answer(wire.user(row), status=201)


async def update_user(call: Call) -> Response:
    """Whoever may not is told before the body is judged, and whoever may not even try before it is
    read."""
    call.caller.expect_unbound()
    if call.params["id"] != call.caller.token.user.id:
        _expect_manager(call)
    before = _existing(call, call.params["id"])
    body = wire.parse(await bodies.read(call.request), wire.UserChangeBody)
    if _differs(body.role, before.role) or _differs(body.status, before.status):
        _expect_manager(call)
    if body.password is not None and before.id == call.caller.token.user.id:
        _expect_worth_a_login(call)
    if body.role is not None:
        _expect_known_role(body.role)
    if body.status is not None and body.status not in accounts.STATUSES:
        raise Problem(400, "Unknown status")
    _expect_valid(body.username, body.password)
    change = await _change(call, body)
    row = await call.services.store.users.update(before.id, change, call.caller.token)
    return wire.answer(wire.user(row))


async def delete_user(call: Call) -> Response:
    call.caller.expect_unbound()
    _expect_manager(call)
    if call.params["id"] == call.caller.token.user.id:
        raise Problem(403, "nobody may delete their own account")
    await call.services.store.users.delete(call.params["id"], call.caller.token)
    return Response(status_code=204)


async def _change(call: Call, body: wire.UserChangeBody) -> UserChange:
    password = body.password
    hashed = (
        None
        if password is None
        else await call.services.logins.hashed(password, call.caller.token.user.id)
    )
    return UserChange(username=body.username, password=hashed, role=body.role, status=body.status)


def _shown(call: Call, user_id: str) -> Response:
    return wire.answer(wire.user(_existing(call, user_id)))


def _existing(call: Call, user_id: str) -> User:
    row = call.services.store.users.by_id(user_id)
    if row is None:
        raise Problem(404, "User not found")
    return row


def _expect_manager(call: Call) -> None:
    """Raises 403 unless the owner is an admin and the token itself may write users."""
    caller = call.caller
    if caller.token.user.role != "admin" or not caller.may(Scope.USERS_WRITE):
        raise Problem(403, f"this needs an admin's token with scope '{Scope.USERS_WRITE}'")


def _expect_worth_a_login(call: Call) -> None:
    """Raises 403 where the owner's login may do more than the token: whoever sets the password can
    log in with it."""
    caller = call.caller
    granted = ROLES.get(caller.token.user.role, frozenset({Scope.ADMIN}))
    if not all(caller.may(scope) for scope in granted):
        raise Problem(403, "a token that may do less than its owner cannot set their password")


def _expect_known_role(role: str) -> None:
    if role not in ROLES:
        raise Problem(400, "Unknown role")


def _expect_valid(username: str | None, password: str | None) -> None:
    violations = list(accounts.user(username, password))
    if violations:
        raise invalid(violations)


def _differs(wanted: str | None, current: str) -> bool:
    return wanted is not None and wanted != current


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/users",
        list_users,
        Doc("List users, oldest first", gives=wire.AccountShape, listed=True),
        Scope.USERS_READ,
    ),
    Guarded(
        "POST",
        "/users",
        create_user,
        Doc("Make a user", takes=wire.UserBody, gives=wire.AccountShape, statuses=(201,)),
        Scope.USERS_WRITE,
    ),
    Guarded(
        "GET",
        "/users/me",
        read_me,
        Doc("The user whose token this is", gives=wire.AccountShape),
        Scope.USERS_READ,
    ),
    Guarded(
        "GET",
        "/users/{id}",
        read_user,
        Doc("Read a user", gives=wire.AccountShape),
        Scope.USERS_READ,
    ),
    Guarded(
        "PUT",
        "/users/{id}",
        update_user,
        Doc(
            "Change a user: oneself, or as an admin with `users:write` anybody, and roles",
            takes=wire.UserChangeBody,
            gives=wire.AccountShape,
        ),
        Scope.USERS_READ,
    ),
    Guarded(
        "DELETE",
        "/users/{id}",
        delete_user,
        Doc(
            "Delete another user, as an admin with `users:write`", statuses=(204,), refusals=(409,)
        ),
        Scope.USERS_READ,
    ),
)
