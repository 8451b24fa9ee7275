"""Secrets, configs and volumes: their commands against the API itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_real_api import world

if TYPE_CHECKING:
    from tests.api.world import World
    from tests.cli.conftest import Ring

__all__ = ["world"]


def rows(ring: Ring, noun: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(ring(noun, "list", "-o", "json").out)
    return listed


@pytest.mark.usefixtures("world")
class TestSecrets:
    def test_from_creation_to_deletion(self, ring: Ring) -> None:
        ring("namespace", "create", "shop")
        made = ring("secret", "create", "db", "-n", "shop", "-v", "hunter2")
        assert (made.code, made.err) == (0, "")
        (row,) = rows(ring, "secret")
        assert made.out == f"Secret 'db' created in namespace 'shop' (id: {row['id']})\n"
        assert "hunter2" not in ring("secret", "list").out + str(row)
        assert ring("secret", "create", "db", "-n", "shop", "-v", "x").code == 5
        assert ring("secret", "delete", row["id"]).out == f"Secret {row['id']} deleted\n"
        assert ring("secret", "delete", row["id"]).code == 4

    def test_a_missing_namespace(self, ring: Ring) -> None:
        ended = ring("secret", "create", "vv", "-n", "missing", "-v", "x")
        assert ended.code == 4
        first, second = ended.err.splitlines()
        assert first.endswith("(404)")
        assert "missing" in second


def test_configs(ring: Ring, world: World) -> None:
    body = {"namespace": "shop", "name": "web.conf", "data": '{"b":"2","a":"1"}', "labels": "x"}
    assert world.call("POST", "/configs", body=body).status == 201
    (row,) = rows(ring, "config")
    by_name = ring("config", "inspect", "web.conf", "-n", "shop")
    assert by_name.out.endswith("\nData\n\na\n-\n1\n\nb\n-\n2\n")
    assert by_name.out == ring("config", "inspect", row["id"]).out
    ended = ring("config", "delete", "missing", row["id"])
    assert (ended.code, ended.out) == (4, f"Config {row['id']} deleted\n")
    assert ended.err == "error: config 'missing' not found\n"


@pytest.mark.usefixtures("world")
def test_volumes(ring: Ring) -> None:
    ring("namespace", "create", "shop")
    made = ring("volume", "create", "data", "-n", "shop", "--size", "10", "--label", "a=b")
    (row,) = rows(ring, "volume")
    assert made.out == f"Volume 'data' created in namespace 'shop' (id: {row['id']})\n"
    assert (row["size"], row["labels"], row["backend_type"]) == (10, {"a": "b"}, "local")
    assert ring("volume", "inspect", row["id"]).out.endswith("\nLABELS\n  a = b\n")
    assert ring("volume", "delete", row["id"]).code == 0
    assert ring("volume", "inspect", row["id"]).code == 4
