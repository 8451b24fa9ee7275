"""`ring user list|create|update|delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.catalogue import MADE, USER
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub

ROLELESS = {key: value for key, value in USER.items() if key != "role"}


@pytest.fixture(autouse=True)
def accounts(stub: Stub) -> None:
    stub.on("POST /users", Answer(201, USER))
    stub.on("GET /users/me", Answer(200, USER))
    stub.on("PUT /users/u1", Answer(200, USER))


class TestList:
    def test_a_row_without_dates_is_shown(self, ring: Ring, stub: Stub) -> None:
        admin = {**USER, "id": "u22", "username": "admin", "login_at": MADE, "role": "admin"}
        stub.on("GET /users", Answer(200, [USER, admin]))
        ended = ring("user", "list")
        assert (ended.code, ended.err) == (0, "")
        lines = [line for line in ended.out.splitlines() if line.startswith("|")]
        cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
        assert cells == [
            [
                *("ID", "Created at (UTC)", "Updated at (UTC)", "Status", "Username"),
                *("Login at (UTC)", "Role"),
            ],
            ["u1", "2026-02-11 08:14:09", "", "active", "mira", "", "viewer"],
            [
                *("u22", "2026-02-11 08:14:09", "", "active", "admin"),
                *("2026-02-11 08:14:09", "admin"),
            ],
        ]
        assert lines[1].startswith("|  u1 |")

    @pytest.mark.parametrize("body", [[], [ROLELESS]])
    def test_roles_only_where_the_server_has_them(
        self, ring: Ring, stub: Stub, body: object
    ) -> None:
        stub.on("GET /users", Answer(200, body))
        assert "Role" not in ring("user").out

    @pytest.mark.parametrize(
        ("status", "code", "line"),
        [
            (403, 2, "error: not authorized to list users"),
            (500, 1, "error: cannot list users: request failed (500)"),
        ],
    )
    def test_refusals(self, ring: Ring, stub: Stub, status: int, code: int, line: str) -> None:
        stub.on("GET /users", problem(status, "x"))
        ended = ring("user", "list")
        assert (ended.code, ended.err) == (code, line + "\n")


class TestCreate:
    def test_from_the_command_line(self, ring: Ring, stub: Stub) -> None:
        ended = ring("user", "create", "-u", "mira", "-p", "hunter22", "--role", "operator")
        assert (ended.code, ended.out, ended.err) == (0, "User 'mira' created\n", "")
        assert stub.requests[0].json == {
            "username": "mira",
            "password": "hunter22",
            "role": "operator",
        }

    def test_from_standard_input(self, ring: Ring, stub: Stub) -> None:
        ended = ring.process("user", "create", "-u", "mira", "--password-stdin", stdin="p w\n")
        assert (ended.code, ended.out, ended.err) == (0, "User 'mira' created\n", "")
        assert stub.requests[0].json == {"username": "mira", "password": "p w"}

    def test_from_prompts(self, ring: Ring, stub: Stub) -> None:
        typed = [("Username: ", "mira\n"), ("Password: ", "pw1\n"), ("Repeat password: ", "pw1\n")]
        ended = ring.on_terminal("user", "create", typed=typed)
        assert (ended.code, ended.out) == (0, "User 'mira' created\n")
        assert "pw1" not in ended.err
        assert stub.requests[0].json == {"username": "mira", "password": "pw1"}

    @pytest.mark.parametrize(
        ("words", "line"),
        [
            ((), "error: username required; pass --username or run in a terminal\n"),
            (("-u", "m"), "error: password required; pass --password or run in a terminal\n"),
        ],
    )
    def test_nobody_to_ask(self, ring: Ring, stub: Stub, words: tuple[str, ...], line: str) -> None:
        ended = ring.process("user", "create", *words)
        assert (ended.code, ended.out, ended.err) == (1, "", line)
        assert stub.requests == []

    @pytest.mark.parametrize("flags", [("--role", "root"), ("-p", "x", "--password-stdin")])
    def test_misuse(self, ring: Ring, stub: Stub, flags: tuple[str, ...]) -> None:
        assert ring("user", "create", "-u", "m", *flags).code == 2
        assert stub.requests == []

    def test_refused(self, ring: Ring, stub: Stub) -> None:
        violations = [("username", "too short"), ("password", "must be 8 to 128 characters")]
        stub.on("POST /users", problem(422, "Validation failed", "", *violations))
        ended = ring("user", "create", "-u", "@", "-p", "short")
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == (
            "Unable to create user: Validation failed (422)\n"
            "  * username: too short\n  * password: must be 8 to 128 characters\n"
        )

    @pytest.mark.parametrize("verb", ["create", "update"])
    def test_help_says_what_is_safer(self, ring: Ring, verb: str) -> None:
        text = "".join(ring("user", verb, "--help").out.split())
        assert "--password-stdinissafer" in text


class TestUpdate:
    def test_a_new_name(self, ring: Ring, stub: Stub) -> None:
        ended = ring("user", "update", "-u", "mira2")
        assert (ended.code, ended.out, ended.err) == (0, "User 'mira2' updated\n", "")
        assert stub.seen() == ["GET /users/me", "PUT /users/u1"]
        assert stub.requests[1].json == {"username": "mira2"}

    def test_a_new_password(self, ring: Ring, stub: Stub) -> None:
        stub.on("PUT /users/u1", Answer(200))
        ended = ring("user", "update", "--password", "hunter22")
        assert (ended.code, ended.out, ended.err) == (0, "User 'mira' updated\n", "")
        assert stub.requests[1].json == {"password": "hunter22"}

    def test_a_password_on_standard_input(self, ring: Ring, stub: Stub) -> None:
        ended = ring.process("user", "update", "--password-stdin", stdin="hunter22\n")
        assert (ended.code, ended.out) == (0, "User 'mira' updated\n")
        assert stub.requests[1].json == {"password": "hunter22"}

    def test_nothing_to_do(self, ring: Ring, stub: Stub) -> None:
        ended = ring("user", "update")
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == "error: nothing to update; pass --username or --password\n"
        assert stub.requests == []

    @pytest.mark.parametrize("route", ["GET /users/me", "PUT /users/u1"])
    def test_refused(self, ring: Ring, stub: Stub, route: str) -> None:
        stub.on(route, problem(403, "Forbidden", "no"))
        ended = ring("user", "update", "-u", "x")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == "Unable to update user: Forbidden (403)\n  no\n"


def test_delete(ring: Ring, stub: Stub) -> None:
    stub.on("DELETE /users/u1", Answer(204))
    ended = ring("user", "delete", "u1")
    assert (ended.code, ended.out, ended.err) == (0, "User u1 deleted\n", "")
    ended = ring("user", "delete", "u2")
    assert (ended.code, ended.err) == (4, "error: user 'u2' not found\n")
