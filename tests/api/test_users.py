"""User accounts: the second check after the gate, in its order, and what changes end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.api.asgi import Api
from ring.api.logins import Logins
from ring.core.access import ROLES
from ring.security.passwords import Passwords
from tests.api.world import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.api.client import Reply
    from tests.api.world import World

LAST = "Cannot demote the last admin"


def _id(world: World, username: str) -> str:
    user = world.store.user_named(username)
    assert user is not None
    return user.id


def _put(world: World, username: str, token: str = "", /, **body: object) -> Reply:
    return world.call("PUT", f"/users/{_id(world, username)}", token=token, body=body)


def _alive(world: World, *tokens: str) -> list[bool]:
    """`/logout` aside, reading the API's description takes any valid token."""
    return [world.call("GET", "/openapi.json", token=each).status == 200 for each in tokens]


def _login(world: World, username: str, password: str) -> int:
    body = {"username": username, "password": password}
    return world.call("POST", "/login", token=None, body=body).status


def _audit(world: World) -> list[tuple[str, str]]:
    """(action, name) of what was done to users, oldest first."""
    entries = world.call("GET", "/audit?target_type=user").json
    return [(each["action"], each["target_name"]) for each in reversed(entries)]


# reading and making


def test_a_user_is_made_read_and_listed(world: World) -> None:
    made = world.call("POST", "/users", body={"username": "mira", "password": "correct horse"})
    assert made.status == 201
    assert list(made.json) == [
        "id",
        "username",
        "created_at",
        "updated_at",
        "status",
        "login_at",
        "role",
    ]
    assert (made.json["role"], made.json["status"]) == ("viewer", "active")
    assert b'"updated_at":null' in made.body
    assert b'"login_at":null' in made.body
    assert world.call("GET", f"/users/{made.json['id']}").json == made.json
    listed = world.call("GET", "/users")
    assert [each["username"] for each in listed.json] == ["admin", "mira"]
    assert b"argon2" not in listed.body
    assert _audit(world) == [("create", "mira")]


def test_a_new_user_reads_and_writes_nothing(world: World) -> None:
    world.call("POST", "/users", body={"username": "mira", "password": "correct horse"})
    body = {"username": "mira", "password": "correct horse"}
    token = world.call("POST", "/login", token=None, body=body).json["token"]
    for path in ("/deployments", "/namespaces", "/users", "/users/me"):
        assert world.call("GET", path, token=token).status == 200
    assert world.call("POST", "/namespaces", token=token, body={"name": "shop"}).status == 403
    me = world.call("GET", "/users/me", token=token).json
    assert me["username"] == "mira"
    assert me["login_at"] == "2027-03-02T08:15:04.120934Z"


def test_me_is_for_reading(world: World) -> None:
    for method in ("PUT", "DELETE"):
        reply = world.call(method, "/users/me", body={})
        assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("identity", ["nope", "00000000-0000-4000-8000-000000000000", "%00", "a'b"])
def test_an_unknown_user_is_404(world: World, method: str, identity: str) -> None:
    reply = world.call(method, f"/users/{identity}", body={"password": "short"})
    assert (reply.status, reply.json["detail"]) == (404, "User not found")


def test_usernames_are_unique(world: World) -> None:
    body = {"username": "admin", "password": "correct horse"}
    reply = world.call("POST", "/users", body=body)
    assert (reply.status, reply.json["detail"]) == (409, "username 'admin' already exists")
    world.user("mira", "viewer")
    reply = _put(world, "mira", username="admin", password="correct horse")
    assert (reply.status, reply.json["detail"]) == (409, "username 'admin' already exists")
    assert _login(world, "mira", PASSWORD) == 200  # nothing of it was done


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (
            {"username": "@", "password": "short"},
            ["user.username.length", "user.username.format", "user.password.length"],
        ),
        ({"username": "", "password": ""}, None),
        ({"username": "a" * 51, "password": "x" * 129}, None),
        ({}, ["request.field.missing", "request.field.missing"]),
        ({"username": 1, "password": None}, ["request.field.type", "request.field.type"]),
        ({"username": "mira", "password": "correct horse", "role": 7}, ["request.field.type"]),
    ],
)
def test_all_violations_are_told_at_once(
    world: World, body: dict[str, object], codes: list[str] | None
) -> None:
    reply = world.call("POST", "/users", body=body)
    assert reply.status == 422
    if codes is not None:
        assert reply.codes == codes
    assert len(world.call("GET", "/users").json) == 1


@pytest.mark.parametrize(
    ("password", "status"),
    [
        ("", 422),
        ("x" * 7, 422),
        ("x" * 8, 201),
        ("x" * 128, 201),
        ("x" * 129, 422),
        ("пароль-é🔑", 201),
        ("🔑" * 7, 422),
        ("🔑" * 128, 201),
        ("\x00" * 8, 201),
        (" " * 8, 201),
    ],
)
def test_passwords_are_counted_in_characters(world: World, password: str, status: int) -> None:
    body = {"username": "mira", "password": password}
    made = world.call("POST", "/users", body=body)
    assert made.status == status
    if password.strip():
        assert password not in made.body.decode()
    assert _login(world, "mira", password) == (200 if status == 201 else 401)


@pytest.mark.parametrize(
    ("role", "status"), [("admin", 201), ("operator", 201), (None, 201), ("emperor", 400)]
)
def test_an_admin_may_give_a_role_at_once(world: World, role: str | None, status: int) -> None:
    body = {"username": "mira", "password": "correct horse", "role": role}
    made = world.call("POST", "/users", body=body)
    assert made.status == status
    if status == 201:
        assert made.json["role"] == (role or "viewer")
    else:
        assert made.json["detail"] == "Unknown role"


def test_nobody_else_may_give_a_role(world: World) -> None:
    token = world.token(world.user("otto", "operator"), ["users:write"])
    body = {"username": "mira", "password": "correct horse", "role": "viewer"}
    assert world.call("POST", "/users", token=token, body=body).status == 403
    del body["role"]
    assert world.call("POST", "/users", token=token, body=body).status == 201


# the second check


def test_everybody_may_change_their_own_name_and_password(world: World) -> None:
    token = world.session(world.user("mira", "viewer"))
    changed = _put(world, "mira", token, username="mira2", password="correct horse")
    assert changed.status == 200
    assert changed.json["username"] == "mira2"
    assert changed.json["updated_at"] == "2027-03-02T08:15:04.120934Z"
    assert _login(world, "mira2", "correct horse") == 200
    assert _audit(world) == [("update", "mira2")]


def test_a_viewer_does_not_widen_itself(world: World) -> None:
    token = world.session(world.user("mira", "viewer"))
    for change in (
        {"role": "admin"},
        {"role": "emperor"},
        {"role": ""},
        {"status": "disabled"},
        {"password": "correct horse", "role": "operator"},
    ):
        assert _put(world, "mira", token, **change).status == 403
    assert _put(world, "mira", token, role="viewer", status="active").status == 200
    assert world.call("GET", "/users/me", token=token).json["updated_at"] is None
    assert _login(world, "mira", PASSWORD) == 200


@pytest.mark.parametrize(
    ("role", "scopes"),
    [
        ("viewer", ["users:read"]),
        ("operator", ["users:read", "users:write"]),
        ("operator", ["users:read", "admin"]),
        ("admin", ["users:read"]),
    ],
)
def test_others_are_for_admins_whose_token_may_write_users(
    world: World, role: str, scopes: list[str]
) -> None:
    world.user("mira", "viewer")
    token = world.token(world.user("boss", role), scopes)
    mira = _id(world, "mira")
    for identity in (mira, "nope"):  # whoever may not learns nothing of ids either
        for method in ("PUT", "DELETE"):
            reply = world.call(method, f"/users/{identity}", token=token, body=b"{bad")
            assert reply.status == 403
            assert "lacks required scope" not in reply.json["detail"]
    other = world.token(world.user("boss2", "admin"), ["users:read", "users:write"])
    assert _put(world, "mira", other, password="correct horse").status == 200


def test_the_order_of_the_checks(world: World) -> None:
    """403, 404, 400, 422, 409: each before the ones after it."""
    mira = world.session(world.user("mira", "viewer"))
    own = f"/users/{_id(world, 'mira')}"
    wrong = {"username": "@", "role": "emperor"}
    assert world.call("PUT", "/users/nope", token=mira, body=wrong).status == 403
    assert world.call("PUT", own, token=mira, body=wrong).status == 403
    assert world.call("PUT", "/users/nope", body=wrong).status == 404
    assert world.call("PUT", own, body=wrong).json["detail"] == "Unknown role"
    assert world.call("PUT", own, body={"status": "asleep"}).json["detail"] == "Unknown status"
    assert world.call("PUT", own, body={"username": "@", "role": "viewer"}).status == 422
    last = {"username": "@", "role": "viewer"}
    assert world.call("PUT", f"/users/{_id(world, 'admin')}", body=last).status == 422


def test_a_refused_role_leaves_everything_as_it_was(world: World) -> None:
    reply = _put(world, "admin", username="boss", password="correct horse", role="viewer")
    assert (reply.status, reply.json["detail"]) == (409, LAST)
    assert _login(world, "admin", PASSWORD) == 200
    assert _audit(world) == []


def test_null_is_absent_and_nothing_is_no_change(world: World) -> None:
    world.user("mira", "viewer")
    for body in ({}, {"username": None, "password": None, "role": None, "status": None}):
        reply = _put(world, "mira", **body)
        assert (reply.status, reply.json["updated_at"]) == (200, None)
    assert _audit(world) == []


# the last admin


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_the_last_admin_is_not_demoted(world: World, role: str) -> None:
    reply = _put(world, "admin", role=role)
    assert (reply.status, reply.json["detail"]) == (409, LAST)
    world.user("sleeper", "admin", status="disabled")  # could not help anybody
    assert _put(world, "admin", role=role).status == 409
    assert _put(world, "admin", status="disabled").json["detail"] == "Cannot disable the last admin"
    world.user("boss", "admin")
    assert _put(world, "admin", role=role).status == 200


def test_nobody_deletes_themselves(world: World) -> None:
    world.user("boss", "admin")
    reply = world.call("DELETE", f"/users/{_id(world, 'admin')}")
    assert reply.status == 403
    assert world.call("DELETE", f"/users/{_id(world, 'boss')}").status == 204


def test_two_admins_who_demote_each_other_do_not_both_succeed(world: World) -> None:
    world.user("boss", "admin")
    tokens = {"boss": world.admin, "admin": world.session("boss")}
    ids = {name: _id(world, name) for name in tokens}

    async def both() -> list[int]:
        exchanges = [
            world.open("PUT", f"/users/{ids[name]}", token=token, body={"role": "viewer"})
            for name, token in tokens.items()
        ]
        return sorted([(await each.reply()).status for each in exchanges])

    statuses = world.run(both())
    assert statuses[0] == 200
    assert statuses[1] in {401, 403, 409}
    roles = sorted(each.role for each in world.store.users.all())
    assert roles == ["admin", "viewer"]


# what a change ends


def test_a_role_change_ends_every_token_of_the_user(world: World) -> None:
    mira = world.user("mira", "operator")
    tokens = [world.session(mira), world.session(mira), world.token(mira, ["deployments:read"])]
    assert _put(world, "mira", role="operator").status == 200
    assert _alive(world, *tokens) == [True, True, True]
    changed = _put(world, "mira", role="viewer")
    assert (changed.status, changed.json["role"]) == (200, "viewer")
    assert _alive(world, *tokens, world.admin) == [False, False, False, True]
    assert _audit(world) == [("role", "mira")]


def test_a_password_change_ends_the_other_sessions(world: World) -> None:
    mira = world.user("mira", "viewer")
    own, other = world.session(mira), world.session(mira)
    pat = world.token(mira, ["deployments:read"])
    assert _put(world, "mira", own, password="correct horse").status == 200
    assert _alive(world, own, other, pat, world.admin) == [True, False, True, True]
    assert _put(world, "mira", password="correct horse 2").status == 200  # by an admin
    assert _alive(world, own, pat, world.admin) == [False, True, True]
    assert (_login(world, "mira", "correct horse"), _login(world, "mira", "correct horse 2")) == (
        401,
        200,
    )


def test_a_disabled_user_is_kept_out_until_enabled_again(world: World) -> None:
    mira = world.user("mira", "viewer")
    session, pat = world.session(mira), world.token(mira, ["deployments:read"])
    assert _put(world, "mira", status="disabled").json["status"] == "disabled"
    assert _alive(world, session, pat) == [False, False]
    assert _login(world, "mira", PASSWORD) == 401
    assert _put(world, "mira", status="active").status == 200
    assert _alive(world, pat) == [True]
    assert _audit(world) == [("update", "mira"), ("update", "mira")]


def test_a_deleted_user_leaves_only_revoked_tokens(world: World) -> None:
    mira = world.user("mira", "viewer")
    tokens = [world.session(mira), world.token(mira, ["deployments:read"])]
    identity = _id(world, "mira")
    assert world.call("DELETE", f"/users/{identity}").status == 204
    assert _alive(world, *tokens) == [False, False]
    assert world.call("GET", f"/users/{identity}").status == 404
    assert world.call("DELETE", f"/users/{identity}").status == 404
    rows = world.store._database._writer.execute(
        "SELECT revoked_at FROM token WHERE user_id = ?", (identity,)
    ).fetchall()
    assert [bool(row["revoked_at"]) for row in rows] == [True, True]
    assert _audit(world) == [("delete", "mira")]
    world.user("mira", "viewer")  # another one of this name has none of them
    assert _alive(world, *tokens) == [False, False]


def test_a_bound_token_does_not_change_its_owner_either(world: World) -> None:
    bound = world.token(scopes=["admin"], namespaces=["prod"])
    assert _put(world, "admin", bound, password="correct horse").status == 403
    assert world.call("GET", "/users", token=bound).status == 200


@pytest.mark.parametrize(
    ("role", "scopes", "status"),
    [
        ("admin", ["users:read"], 403),
        ("admin", ["users:read", "users:write"], 403),
        ("admin", ["admin"], 200),
        ("operator", ["users:read", "deployments:write"], 403),
        ("operator", sorted(ROLES["operator"]), 200),
        ("viewer", sorted(ROLES["viewer"]), 200),
    ],
)
def test_a_token_opens_no_login_that_may_do_more_than_itself(
    world: World, role: str, scopes: list[str], status: int
) -> None:
    """Whoever sets a password can log in with it."""
    token = world.token(world.user("mira", role), scopes)
    assert _put(world, "mira", token, password="correct horse").status == status
    assert _login(world, "mira", "correct horse" if status == 200 else PASSWORD) == 200
    assert _put(world, "mira", token, username="mira2").status == 200


class _Slow(Passwords):
    """Hashes, and lets something happen before anybody hears of it."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    async def hash(self, password: str) -> str:
        encoded = await super().hash(password)
        await self.meanwhile()
        return encoded


def test_what_a_revoked_token_has_waiting_is_not_done(world: World) -> None:
    """A password is hashed beside the loop; meanwhile its token may end."""
    mira = world.user("mira", "viewer")
    token = world.session(mira)
    slow = _Slow(lambda: world.open("POST", "/logout", token=token).reply())
    services = world.app._services
    services.logins.close()
    world.app = Api(replace(services, logins=Logins(world.store, world.clock, slow)))
    assert _put(world, "mira", token, password="correct horse").status == 401
    assert _login(world, "mira", PASSWORD) == 200


def test_a_queue_of_passwords_is_bounded(world: World) -> None:
    async def ask() -> list[int]:
        tries = [
            world.open(
                "POST", "/users", body={"username": f"u{number}", "password": "correct horse"}
            )
            for number in range(6)
        ]
        return sorted([(await each.reply()).status for each in tries])

    assert world.run(ask()) == [201, 201, 201, 201, 503, 503]
