"""`ring namespace create|list|delete|audit`, and how refused writes are shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.catalogue import AUDIT
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub

SHOP = {"id": "7", "created_at": "2026-02-11T08:14:09.120331Z", "updated_at": None, "name": "shop"}


@pytest.mark.parametrize("words", [("namespace", "list"), ("namespace",)])
def test_list(ring: Ring, stub: Stub, words: tuple[str, ...]) -> None:
    stub.on("GET /namespaces", Answer(200, [SHOP]))
    ended = ring(*words)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "+----+------+---------------------+\n"
        "| Id | Name | Created at (UTC)    |\n"
        "+----+------+---------------------+\n"
        "| 7  | shop | 2026-02-11 08:14:09 |\n"
        "+----+------+---------------------+\n"
    )


def test_list_as_json(ring: Ring, stub: Stub) -> None:
    stub.on("GET /namespaces", Answer(200, [SHOP]))
    assert json.loads(ring("namespace", "-o", "json").out) == [SHOP]


@pytest.mark.parametrize(
    ("status", "code", "line"),
    [
        (401, 2, "error: not authorized to list namespaces"),
        (403, 2, "error: not authorized to list namespaces"),
        (404, 4, "error: cannot list namespaces: request failed (404)"),
        (500, 1, "error: cannot list namespaces: request failed (500)"),
    ],
)
def test_list_refused(ring: Ring, stub: Stub, status: int, code: int, line: str) -> None:
    stub.on("GET /namespaces", problem(status, "no"))
    ended = ring("namespace", "list")
    assert (ended.code, ended.err) == (code, line + "\n")


def test_create(ring: Ring, stub: Stub) -> None:
    stub.on("POST /namespaces", Answer(201, SHOP))
    ended = ring("namespace", "create", "shop")
    assert (ended.code, ended.out, ended.err) == (0, "Namespace 'shop' created (id: 7)\n", "")
    assert stub.requests[0].json == {"name": "shop"}


def test_create_again(ring: Ring, stub: Stub) -> None:
    stub.on("POST /namespaces", problem(409, "Conflict", "namespace 'shop' already exists"))
    ended = ring("namespace", "create", "shop")
    assert ended.code == 5
    assert ended.err == (
        "Failed to create namespace 'shop': Conflict (409)\n  namespace 'shop' already exists\n"
    )


def test_create_with_a_bad_name_behind_a_double_dash(ring: Ring, stub: Stub) -> None:
    refusal = problem(
        422,
        "Validation failed",
        "name: must be 2 to 63 characters",
        ("name", "must be 2 to 63 characters"),
        ("name", "must contain only lowercase letters"),
    )
    stub.on("POST /namespaces", refusal)
    ended = ring.process("namespace", "create", "--", "-")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "Failed to create namespace '-': Validation failed (422)\n"
        "  * name: must be 2 to 63 characters\n"
        "  * name: must contain only lowercase letters\n"
    )
    assert stub.requests[0].json == {"name": "-"}


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (
            Answer(502, b" <b>bad</b>\n"),
            "Failed to create namespace 'n': 502 Bad Gateway\n<b>bad</b>\n",
        ),
        (Answer(502, b"x" * 2001), "Failed to create namespace 'n': 502 Bad Gateway\n"),
        (Answer(500, b""), "Failed to create namespace 'n': 500 Internal Server Error\n"),
        (
            Answer(500, b"{", {"Content-Type": "application/problem+json"}),
            "Failed to create namespace 'n': 500 Internal Server Error\n{\n",
        ),
        (
            Answer(503, {}, {"Content-Type": "application/problem+json; charset=utf-8"}),
            "Failed to create namespace 'n': Service Unavailable (503)\n",
        ),
        (
            problem(500, "Oh\x1b[31m", "one\ntwo"),
            "Failed to create namespace 'n': Oh\\x1b[31m (500)\n  one\n  two\n",
        ),
    ],
)
def test_refusals_of_other_shapes(ring: Ring, stub: Stub, answer: Answer, shown: str) -> None:
    stub.on("POST /namespaces", answer)
    ended = ring("namespace", "create", "n")
    assert (ended.code, ended.out, ended.err) == (1, "", shown)


def test_delete(ring: Ring, stub: Stub) -> None:
    stub.on("DELETE /namespaces/shop", Answer(204))
    ended = ring("namespace", "delete", "shop")
    assert (ended.code, ended.out, ended.err) == (0, "Namespace 'shop' deleted\n", "")


def test_delete_of_one_that_is_not_empty(ring: Ring, stub: Stub) -> None:
    stub.on("DELETE /namespaces/shop", problem(409, "Conflict", "namespace is not empty"))
    ended = ring("namespace", "delete", "shop")
    assert (ended.code, ended.out) == (5, "")
    assert ended.err == (
        "Unable to delete namespace 'shop': Conflict (409)\n  namespace is not empty\n"
    )


def test_audit(ring: Ring, stub: Stub) -> None:
    entries = [AUDIT, {**AUDIT, "user_id": "u1", "action": "delete"}]
    stub.on("GET /namespaces/shop/audit", Answer(200, entries))
    ended = ring.process("namespace", "audit", "shop", "--limit", "2")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "+---------------------+------+--------+--------+--------+\n"
        "| Timestamp           | User | Action | Type   | Target |\n"
        "+---------------------+------+--------+--------+--------+\n"
        "| 2026-02-11 08:14:09 | -    | create | secret | db     |\n"
        "+---------------------+------+--------+--------+--------+\n"
        "| 2026-02-11 08:14:09 | u1   | delete | secret | db     |\n"
        "+---------------------+------+--------+--------+--------+\n"
    )
    assert stub.requests[0].query == [("limit", "2")]


def test_audit_without_entries(ring: Ring, stub: Stub) -> None:
    stub.on("GET /namespaces/shop/audit", Answer(200, []))
    ended = ring("namespace", "audit", "shop")
    assert (ended.code, ended.out) == (0, "No audit entries for namespace 'shop'\n")
    assert stub.requests[0].query == []
    assert ring("namespace", "audit", "shop", "-o", "json").out == "[]\n"


def test_audit_refused(ring: Ring, stub: Stub) -> None:
    stub.on("GET /namespaces/shop/audit", problem(403, "Forbidden"))
    ended = ring("namespace", "audit", "shop")
    assert ended.code == 2
    assert ended.err == "error: not authorized to act on namespace 'shop'\n"
