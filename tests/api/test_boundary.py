"""What a token bound to namespaces can reach, whatever its scopes."""

from __future__ import annotations

import pytest

from tests.api.world import World, manifest


def _prod(world: World) -> str:
    deployment_id: str = world.apply(namespace="prod").json["id"]
    return deployment_id


def test_validation_comes_before_the_boundary(world: World) -> None:
    bound = world.token(scopes=["admin"], namespaces=["prod"])
    bad = manifest(namespace="staging", image="")
    assert world.call("POST", "/deployments", token=bound, body=bad).status == 422


@pytest.mark.parametrize("scopes", [["admin"], ["deployments:write", "namespaces:write"]])
def test_creating_outside_is_refused_and_leaves_nothing(world: World, scopes: list[str]) -> None:
    bound = world.token(scopes=scopes, namespaces=["prod"])
    reply = world.call("POST", "/deployments", token=bound, body=manifest(namespace="staging"))
    assert reply.status == 403
    assert reply.json["detail"] == "token is not scoped to namespace 'staging'"
    assert world.call("GET", "/namespaces").json == []


def test_a_namespace_granted_by_name_may_be_made(world: World) -> None:
    bound = world.token(scopes=["deployments:write"], namespaces=["prod"])
    reply = world.call("POST", "/deployments", token=bound, body=manifest(namespace="prod"))
    assert reply.status == 201


def test_an_unbound_writer_may_not_make_one(world: World) -> None:
    writer = world.token(scopes=["deployments:write"])
    reply = world.call("POST", "/deployments", token=writer, body=manifest(namespace="fresh"))
    assert reply.status == 403
    assert world.call("GET", "/namespaces").json == []
    world.call("POST", "/namespaces", body={"name": "fresh"})
    reply = world.call("POST", "/deployments", token=writer, body=manifest(namespace="fresh"))
    assert reply.status == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/deployments/{}"),
        ("HEAD", "/deployments/{}"),
        ("DELETE", "/deployments/{}"),
        ("GET", "/deployments/{}/events"),
        ("GET", "/deployments/{}/events?follow=true"),
    ],
)
def test_what_is_outside_is_403_by_id(world: World, method: str, path: str) -> None:
    deployment_id = _prod(world)
    bound = world.token(scopes=["admin"], namespaces=["staging"])
    assert world.call(method, path.format(deployment_id), token=bound).status == 403
    assert world.call(method, path.format("nope"), token=bound).status == 404
    assert world.call("GET", f"/deployments/{deployment_id}").json["status"] == "creating"


@pytest.mark.parametrize("query", ["", "?namespace=prod", "?namespace[]=prod&namespace=staging"])
def test_lists_leave_out_what_is_outside(world: World, query: str) -> None:
    _prod(world)
    bound = world.token(scopes=["admin"], namespaces=["staging"])
    assert world.call("GET", f"/deployments{query}", token=bound).json == []
