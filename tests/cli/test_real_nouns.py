"""Secrets, configs, volumes, users, tokens and webhooks: their commands against the API itself."""

from __future__ import annotations

import json
import re
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


@pytest.mark.usefixtures("world")
def test_users(ring: Ring) -> None:
    made = ring("user", "create", "-u", "mira", "-p", "hunter22", "--role", "operator")
    assert made.out == "User 'mira' created\n"
    listed = ring("user").out
    assert "| mira " in listed
    assert "| operator |" in listed
    refused = ring("user", "create", "-u", "@", "-p", "short")
    assert refused.code == 1
    assert refused.err.startswith("Unable to create user: Validation failed (422)\n  * username: ")
    assert ring("user", "update", "-u", "boss").out == "User 'boss' updated\n"
    mira = next(row["id"] for row in rows(ring, "user") if row["username"] == "mira")
    assert ring("user", "delete", mira).out == f"User {mira} deleted\n"
    assert ring("user", "delete", mira).code == 4


def test_tokens(ring: Ring, world: World) -> None:
    made = ring("token", "create", "ci", "--scope", "deployments:read")
    assert re.fullmatch("ring_pat_[0-9a-f]{64}\n", made.out)
    (row,) = rows(ring, "token")

    def status(value: str) -> int:
        return world.call("GET", "/deployments", token=value.strip()).status

    assert ring.process("token", "revoke", row["id"]).code == 1
    assert status(made.out) == 200
    rotated = ring("token", "rotate", row["id"])
    assert (status(made.out), status(rotated.out)) == (401, 200)
    fresh = next(each["id"] for each in rows(ring, "token") if each["revoked_at"] is None)
    assert ring("token", "revoke", fresh, "--yes").out == f"Token '{fresh}' revoked\n"
    assert status(rotated.out) == 401
    assert "| active" not in ring("token").out


@pytest.mark.usefixtures("world")
def test_webhooks(ring: Ring) -> None:
    made = ring("webhook", "create", "http://172.17.0.1:9/x", "--event", "deployment.*")
    (row,) = rows(ring, "webhook")
    assert made.out == f"{row['id']}\n"
    assert re.search("^  Secret : whsec_[0-9a-f]{64}$", made.err, re.MULTILINE)
    listed = ring("webhook").out
    assert "| http://172.17.0.1:9/x | deployment.* | active " in listed
    assert ring("webhook", "inspect", row["id"]).code == 0
    assert ring("webhook", "delete", row["id"]).code == 0
    assert "| active" not in ring("webhook").out
    assert ring("webhook", "inspect", "missing").code == 4
    assert ring("webhook", "create", "http://127.0.0.1/x").code == 1
