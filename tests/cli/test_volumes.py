"""`ring volume list|create|inspect|delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.catalogue import VOLUME
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub


def test_list(ring: Ring, stub: Stub) -> None:
    stub.on("GET /volumes", Answer(200, [VOLUME, {**VOLUME, "id": "v2", "size": None}]))
    ended = ring("volume", "list")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "+----+-----------+------+------+---------+---------------------+\n"
        "| Id | Namespace | Name | Size | Backend | Created at (UTC)    |\n"
        "+----+-----------+------+------+---------+---------------------+\n"
        "| v1 | shop      | data | 1024 | local   | 2026-02-11 08:14:09 |\n"
        "+----+-----------+------+------+---------+---------------------+\n"
        "| v2 | shop      | data |      | local   | 2026-02-11 08:14:09 |\n"
        "+----+-----------+------+------+---------+---------------------+\n"
    )


def test_list_refused(ring: Ring, stub: Stub) -> None:
    stub.on("GET /volumes", problem(404, "Not Found"))
    ended = ring("volume", "list", "-n", "a", "-n", "b")
    assert ended.code == 4
    assert ended.err == "error: cannot list volumes in namespace 'a,b': namespace not found\n"


def test_create_with_defaults(ring: Ring, stub: Stub) -> None:
    stub.on("POST /volumes", Answer(201, VOLUME))
    ended = ring("volume", "create", "data", "-n", "shop")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "Volume 'data' created in namespace 'shop' (id: v1)\n"
    assert stub.requests[0].json == {"namespace": "shop", "name": "data"}


def test_create_with_everything(ring: Ring, stub: Stub) -> None:
    stub.on("POST /volumes", Answer(201, VOLUME))
    ended = ring(
        *("volume", "create", "data", "--namespace", "shop", "--size", "0"),
        *("--backend", "directory", "--label", "tier=back=end", "--label", "empty="),
    )
    assert ended.code == 0
    assert stub.requests[0].json == {
        "namespace": "shop",
        "name": "data",
        "size": 0,
        "backend_type": "directory",
        "labels": {"tier": "back=end", "empty": ""},
    }


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), "Missing option '-n' / '--namespace'"),
        (("-n", "s", "--size", "-1"), "Invalid value for '--size'"),
        (("-n", "s", "--size", "1G"), "Invalid value for '--size'"),
        (("-n", "s", "--backend", "nfs"), "'nfs' is not one of 'local', 'directory'"),
        (("-n", "s", "--label", "x"), "write a label as KEY=VALUE"),
        (("-n", "s", "--label", "=x"), "write a label as KEY=VALUE"),
    ],
)
def test_misuse(ring: Ring, stub: Stub, flags: tuple[str, ...], says: str) -> None:
    ended = ring("volume", "create", "data", *flags)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err.splitlines()[0]
    assert stub.requests == []


def test_create_refused(ring: Ring, stub: Stub) -> None:
    detail = "volume 'data' already exists in namespace 'shop'"
    stub.on("POST /volumes", problem(409, "Conflict", detail))
    ended = ring("volume", "create", "data", "-n", "shop")
    assert ended.code == 5
    assert ended.err == f"Failed to create volume 'data': Conflict (409)\n  {detail}\n"


def test_inspect(ring: Ring, stub: Stub) -> None:
    stub.on("GET /volumes/v1", Answer(200, VOLUME))
    ended = ring("volume", "inspect", "v1")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "Id         : v1\nNamespace  : shop\nName       : data\nSize       : 1024\n"
        "Backend    : local\nHost path  : data\nCreated at : 2026-02-11 08:14:09\n"
        "Updated at : \n\nLABELS\n  tier = back\n"
    )
    stub.on("GET /volumes/v1", Answer(200, {**VOLUME, "labels": {}}))
    assert "LABELS" not in ring("volume", "inspect", "v1").out


def test_delete(ring: Ring, stub: Stub) -> None:
    stub.on("DELETE /volumes/v1", Answer(204))
    ended = ring("volume", "delete", "v1")
    assert (ended.code, ended.out, ended.err) == (0, "Volume v1 deleted\n", "")
    assert stub.requests[0].query == []


def test_delete_of_one_in_use_names_who_uses_it(ring: Ring, stub: Stub) -> None:
    body = {"title": "Conflict", "status": 409, "deployments": ["shop/db"], "violations": []}
    stub.on("DELETE /volumes/v1", Answer(409, body, {"Content-Type": "application/problem+json"}))
    ended = ring("volume", "delete", "v1")
    assert (ended.code, ended.out) == (5, "")
    assert ended.err == ("error: volume 'v1' already exists or still has dependents\n  - shop/db\n")


@pytest.mark.parametrize("verb", ["inspect", "delete"])
def test_none_of_that_id(ring: Ring, verb: str) -> None:
    ended = ring("volume", verb, "x")
    assert (ended.code, ended.err) == (4, "error: volume 'x' not found\n")
