"""`ring token`: the value is shown once, alone, and nowhere else."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.catalogue import MADE, NEW_TOKEN, TOKEN
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub

VALUE = "ring_pat_9ac41e00"
TOLD = """\
This is the only time the token is shown: keep it somewhere safe.
  Scopes     : deployments:read,secrets:read
  Namespaces : all
  Expires    : never
  Prefix     : ring_pat_9ac41e
"""


class TestCreate:
    @pytest.fixture(autouse=True)
    def minting(self, stub: Stub) -> None:
        stub.on("POST /tokens", Answer(201, NEW_TOKEN))

    def test_only_the_value_is_a_result(self, ring: Ring, stub: Stub) -> None:
        ended = ring.process("token", "create", "ci", "--scope", "deployments:read")
        assert (ended.code, ended.out, ended.err) == (0, f"{VALUE}\n", TOLD)
        assert re.fullmatch("ring_pat_[0-9a-f]+\n", ended.out)
        assert stub.requests[0].json == {
            "name": "ci",
            "scopes": ["deployments:read"],
            "namespaces": [],
        }

    def test_with_everything(self, ring: Ring, stub: Stub) -> None:
        made = {**NEW_TOKEN, "namespaces": ["a", "b"], "expire_at": MADE}
        stub.on("POST /tokens", Answer(201, made))
        before = datetime.now(UTC)
        ended = ring(
            *("token", "create", "ci", "-s", "admin", "-s", "users:read"),
            *("-n", "a", "-n", "b", "-e", "30d"),
        )
        after = datetime.now(UTC)
        assert ended.code == 0
        assert "  Namespaces : a,b\n  Expires    : 2026-02-11 08:14:09 UTC\n" in ended.err
        body: Any = stub.requests[0].json
        assert (body["scopes"], body["namespaces"]) == (["admin", "users:read"], ["a", "b"])
        expiry = datetime.fromisoformat(body["expire_at"])
        assert before + timedelta(days=30) <= expiry <= after + timedelta(days=30)
        assert body["expire_at"].endswith("Z")

    @pytest.mark.parametrize(
        ("text", "length"),
        [
            ("45m", timedelta(minutes=45)),
            ("12h", timedelta(hours=12)),
            ("0d", timedelta(0)),
        ],
    )
    def test_durations(self, ring: Ring, stub: Stub, text: str, length: timedelta) -> None:
        now = datetime.now(UTC)
        assert ring("token", "create", "ci", "-s", "admin", "--expires", text).code == 0
        body: Any = stub.requests[0].json
        expiry = datetime.fromisoformat(body["expire_at"])
        assert timedelta(0) <= expiry - now - length < timedelta(minutes=1)

    @pytest.mark.parametrize(
        "text",
        ["", "30", "d", "1w", "1.5h", "-1d", " 1d", "\u0661d", "9" * 5000 + "d", "99999999d"],
    )
    def test_a_duration_that_is_none(self, ring: Ring, stub: Stub, text: str) -> None:
        ended = ring("token", "create", "ci", "-s", "admin", "--expires", text)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == f"error: invalid duration '{text}': use 30d, 12h or 45m\n"
        assert stub.requests == []

    def test_at_least_one_scope(self, ring: Ring, stub: Stub) -> None:
        assert ring("token", "create", "ci").code == 2
        assert stub.requests == []

    def test_refused(self, ring: Ring, stub: Stub) -> None:
        violations = [("name", "must be 2 to 63 characters"), ("scopes", "unknown scope 'x'")]
        stub.on("POST /tokens", problem(422, "Validation failed", "", *violations))
        ended = ring("token", "create", "c", "-s", "x")
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == (
            "Failed to create token 'c': Validation failed (422)\n"
            "  * name: must be 2 to 63 characters\n  * scopes: unknown scope 'x'\n"
        )

    @pytest.mark.parametrize("value", [None, "", 1])
    def test_an_answer_without_a_value(self, ring: Ring, stub: Stub, value: object) -> None:
        stub.on("POST /tokens", Answer(201, {**NEW_TOKEN, "token": value}))
        ended = ring("token", "create", "ci", "-s", "admin")
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == f"error: the server at {stub.url} answered without a token\n"


class TestList:
    def test_table(self, ring: Ring, stub: Stub) -> None:
        bound = {**TOKEN, "scopes": [], "namespaces": ["a", "b"], "last_used_at": MADE}
        stub.on("GET /tokens", Answer(200, [TOKEN, bound]))
        ended = ring("token", "list")
        assert (ended.code, ended.err) == (0, "")
        lines = [line for line in ended.out.splitlines() if line.startswith("|")]
        cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
        stamp = "2026-02-11 08:14:09"
        assert cells == [
            [
                *("Id", "Name", "Prefix", "Scopes", "Namespaces", "Status"),
                *("Created (UTC)", "Last used (UTC)", "Expires (UTC)"),
            ],
            [
                *("t1", "ci", "ring_pat_9ac41e", "deployments:read,secrets:read", "all"),
                *("active", stamp, "never", "never"),
            ],
            ["t1", "ci", "ring_pat_9ac41e", "-", "a,b", "active", stamp, stamp, "never"],
        ]

    @pytest.mark.parametrize(
        ("expiry", "revoked", "status"),
        [
            (None, None, "active"),
            ("2999-01-01T00:00:00.000000Z", None, "active"),
            (MADE.replace("2026", "2020"), None, "expired"),
            ("tomorrow", None, "expired"),
            ("", None, "expired"),
            (7, None, "expired"),
            ("0001-01-01T00:00:00+23:59", None, "expired"),
            (MADE.replace("2026", "2020"), MADE, "revoked"),
        ],
    )
    def test_status(
        self, ring: Ring, stub: Stub, expiry: object, revoked: object, status: str
    ) -> None:
        stub.on("GET /tokens", Answer(200, [{**TOKEN, "expire_at": expiry, "revoked_at": revoked}]))
        assert f"| {status}" in ring("token").out

    def test_refused(self, ring: Ring, stub: Stub) -> None:
        stub.on("GET /tokens", problem(403, "Forbidden"))
        ended = ring("token", "list")
        assert (ended.code, ended.err) == (2, "error: not authorized to list tokens\n")


class TestRevoke:
    QUESTION = "Revoke token 't1'? [y/N] "

    @pytest.fixture(autouse=True)
    def revoking(self, stub: Stub) -> None:
        stub.on("DELETE /tokens/t1", Answer(204))

    @pytest.mark.parametrize("flag", ["-y", "--yes"])
    def test_without_asking(self, ring: Ring, stub: Stub, flag: str) -> None:
        ended = ring.process("token", "revoke", "t1", flag)
        assert (ended.code, ended.out, ended.err) == (0, "Token 't1' revoked\n", "")
        assert stub.seen() == ["DELETE /tokens/t1"]

    def test_nobody_to_ask(self, ring: Ring, stub: Stub) -> None:
        ended = ring.process("token", "revoke", "t1", stdin="y\n")
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == (
            "error: refusing to revoke without confirmation; "
            "pass --yes to proceed non-interactively\n"
        )
        assert stub.requests == []

    def test_asked_and_agreed(self, ring: Ring) -> None:
        ended = ring.on_terminal("token", "revoke", "t1", typed=[(self.QUESTION, "y\n")])
        assert (ended.code, ended.out) == (0, "Token 't1' revoked\n")

    def test_asked_and_not_agreed(self, ring: Ring, stub: Stub) -> None:
        ended = ring.on_terminal("token", "revoke", "t1", typed=[(self.QUESTION, "\n")])
        assert (ended.code, ended.out) == (1, "")
        assert "Aborted.\n" in ended.err
        assert stub.requests == []

    def test_interrupted(self, ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt() -> str:
            raise KeyboardInterrupt

        monkeypatch.setattr("ring.cli.commands.token.is_interactive", lambda: True)
        monkeypatch.setattr("ring.cli.prompts.read_line", interrupt)
        ended = ring("token", "revoke", "t1")
        assert (ended.code, ended.out, ended.err) == (130, "", self.QUESTION)

    def test_refused(self, ring: Ring, stub: Stub) -> None:
        stub.on("DELETE /tokens/t1", problem(404, "Not Found", "token not found"))
        ended = ring("token", "revoke", "t1", "--yes")
        assert (ended.code, ended.out) == (4, "")
        assert ended.err == "Failed to revoke token 't1': Not Found (404)\n  token not found\n"


class TestRotate:
    def test_only_the_value_is_a_result(self, ring: Ring, stub: Stub) -> None:
        stub.on("POST /tokens/t1/rotate", Answer(201, NEW_TOKEN))
        ended = ring.process("token", "rotate", "t1")
        assert (ended.code, ended.out, ended.err) == (0, f"{VALUE}\n", TOLD)

    def test_refused(self, ring: Ring, stub: Stub) -> None:
        stub.on("POST /tokens/t1/rotate", problem(409, "Conflict", "token is revoked"))
        ended = ring("token", "rotate", "t1")
        assert (ended.code, ended.out) == (5, "")
        assert ended.err == "Failed to rotate token 't1': Conflict (409)\n  token is revoked\n"
