"""`ring config list|inspect|delete`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.catalogue import CONFIG
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub


def test_list_counts_entries(ring: Ring, stub: Stub) -> None:
    raw = {**CONFIG, "id": "c2", "name": "raw", "data": "no json"}
    stub.on("GET /configs", Answer(200, [CONFIG, raw]))
    ended = ring("config", "-n", "shop")
    assert (ended.code, ended.err) == (0, "")
    assert [line.split("|")[1:-1] for line in ended.out.splitlines() if line[0] == "|"] == [
        [
            *(" Id ", " Name     ", " Created at (UTC)    ", " Updated at (UTC) "),
            *(" Namespace ", " Data "),
        ],
        [
            *(" c1 ", " web.conf ", " 2026-02-11 08:14:09 ", "                  "),
            *(" shop      ", " 2    "),
        ],
        [
            *(" c2 ", " raw      ", " 2026-02-11 08:14:09 ", "                  "),
            *(" shop      ", " -    "),
        ],
    ]
    assert stub.requests[0].query == [("namespace[]", "shop")]


def test_list_refused(ring: Ring, stub: Stub) -> None:
    stub.on("GET /configs", problem(403, "Forbidden"))
    ended = ring("config", "list", "-n", "shop")
    assert ended.code == 2
    assert ended.err == "error: cannot list configs in namespace 'shop': not authorized\n"


SHOWN = """\
Name      : web.conf
Namespace : shop
Labels    : tier=front

Data

a.conf
------
one

b.conf
------
two
lines
"""


def test_inspect_by_id(ring: Ring, stub: Stub) -> None:
    stub.on("GET /configs/c1", Answer(200, CONFIG))
    ended = ring("config", "inspect", "c1")
    assert (ended.code, ended.out, ended.err) == (0, SHOWN, "")


def test_inspect_by_name(ring: Ring, stub: Stub) -> None:
    other = {**CONFIG, "id": "c9", "name": "other"}
    stub.on("GET /configs", Answer(200, [other, CONFIG]))
    stub.on("GET /configs/c1", Answer(200, CONFIG))
    ended = ring("config", "inspect", "web.conf", "-n", "shop")
    assert (ended.code, ended.out, ended.err) == (0, SHOWN, "")
    assert stub.requests[0].query == [("namespace", "shop"), ("name", "web.conf")]
    assert (
        json.loads(ring("config", "inspect", "web.conf", "-n", "shop", "-o", "json").out) == CONFIG
    )


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ("plain\n  text", "plain\n  text"),
        ('["a"]', '["a"]'),
        ('{"n":{"deep":[1,"ü"]}}', 'n\n-\n{"deep":[1,"ü"]}'),
        ('{"n":null}', "n\n-\nnull"),
        ("a\x1b[2J", "a\\x1b[2J"),
    ],
)
def test_inspect_of_other_data(ring: Ring, stub: Stub, data: Any, shown: str) -> None:
    stub.on("GET /configs/c1", Answer(200, {**CONFIG, "data": data}))
    ended = ring("config", "inspect", "c1")
    assert ended.out.partition("\nData\n\n")[2] == shown + "\n"


@pytest.mark.parametrize("words", [("missing",), ("missing", "-n", "shop")])
def test_inspect_of_none(ring: Ring, stub: Stub, words: tuple[str, ...]) -> None:
    stub.on("GET /configs", Answer(200, [CONFIG]))
    ended = ring("config", "inspect", *words)
    assert (ended.code, ended.out) == (4, "")
    assert ended.err == "error: config 'missing' not found\n"


def test_inspect_by_name_refused(ring: Ring, stub: Stub) -> None:
    stub.on("GET /configs", problem(401, "Unauthorized"))
    ended = ring("config", "inspect", "x", "-n", "shop")
    assert ended.code == 2
    assert ended.err == (
        "error: not authorized to act on config 'x' — run `ring login` or set RING_TOKEN\n"
    )


def test_every_delete_is_tried_and_the_first_failure_counts(ring: Ring, stub: Stub) -> None:
    stub.on("DELETE /configs/a", Answer(204))
    stub.on("DELETE /configs/b", problem(403, "Forbidden"))
    ended = ring.process("config", "delete", "missing", "a", "b")
    assert (ended.code, ended.out) == (4, "Config a deleted\n")
    assert ended.err == (
        "error: config 'missing' not found\nerror: not authorized to act on config 'b'\n"
    )
    assert len(stub.requests) == 3
