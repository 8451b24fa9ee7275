"""Deleting a namespace: only an empty one, with its volume rows and its trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.ids import DeploymentId
from ring.core.plan.view import Plan

if TYPE_CHECKING:
    from tests.api.world import World


def _make(world: World, name: str = "busy") -> str:
    identity: str = world.call("POST", "/namespaces", body={"name": name}).json["id"]
    return identity


def _trail(world: World, name: str = "busy") -> list[tuple[str, str]]:
    entries = world.call("GET", f"/namespaces/{name}/audit").json
    return [(each["action"], each["target_type"]) for each in entries]


def test_one_that_holds_something_stays(world: World) -> None:
    _make(world)
    body = {"namespace": "busy", "name": "site", "data": "{}"}
    config = world.call("POST", "/configs", body=body).json["id"]
    refused = world.call("DELETE", "/namespaces/busy")
    assert refused.status == 409
    assert refused.json["detail"] == refused.json["error"] == "namespace is not empty"
    assert refused.json["remaining"] == 1
    assert refused.json["hint"]
    assert len(_trail(world)) == 2
    world.call("DELETE", f"/configs/{config}")
    gone = world.call("DELETE", "/namespaces/busy")
    assert (gone.status, gone.body) == (204, b"")
    assert world.call("GET", "/namespaces/busy").status == 404
    assert _trail(world) == [("delete", "namespace")]


def test_everything_in_it_counts_but_deleted_deployments(world: World) -> None:
    made = world.apply(namespace="busy").json["id"]
    world.call("POST", "/secrets", body={"namespace": "busy", "name": "key", "value": "hunter2"})
    world.call("POST", "/configs", body={"namespace": "busy", "name": "site", "data": "{}"})
    assert world.call("DELETE", "/namespaces/busy").json["remaining"] == 3
    world.call("DELETE", f"/deployments/{made}")
    assert world.call("DELETE", "/namespaces/busy").json["remaining"] == 2


def test_a_deployment_on_its_way_out_does_not_hold_it(world: World) -> None:
    made = world.apply(namespace="busy").json["id"]
    world.call("DELETE", f"/deployments/{made}")
    assert world.call("DELETE", "/namespaces/busy").status == 204
    row = world.store.deployment(DeploymentId(made))
    assert row is not None
    assert world.run(world.store.commit(Plan(purge=(row,))))
    assert _trail(world) == [("delete", "namespace")]


def test_its_volume_rows_go_with_it(world: World) -> None:
    for name in ("busy", "other"):
        _make(world, name)
        world.call("POST", "/volumes", body={"namespace": name, "name": "disk"})
    assert world.call("DELETE", "/namespaces/busy").status == 204
    assert [each["namespace"] for each in world.call("GET", "/volumes").json] == ["other"]


def test_by_id_and_by_name_which_goes_first(world: World) -> None:
    identity = _make(world)
    _make(world, identity)  # a name may look like an id
    assert world.call("DELETE", f"/namespaces/{identity}").status == 204
    assert [each["name"] for each in world.call("GET", "/namespaces").json] == ["busy"]
    assert world.call("DELETE", f"/namespaces/{identity}").status == 204
    assert world.call("GET", "/namespaces").json == []
    assert world.call("DELETE", f"/namespaces/{identity}").status == 404


def test_a_bound_token_deletes_inside_alone(world: World) -> None:
    staging = _make(world, "staging")
    _make(world, "prod")
    bound = world.token(scopes=["admin"], namespaces=["prod"])
    for wanted in ("staging", staging):
        assert world.call("DELETE", f"/namespaces/{wanted}", token=bound).status == 403
    assert world.call("DELETE", "/namespaces/prod", token=bound).status == 204


def test_two_who_delete_it_at_once(world: World) -> None:
    _make(world)

    async def both() -> list[int]:
        tries = [world.open("DELETE", "/namespaces/busy") for _ in range(2)]
        return sorted([(await each.reply()).status for each in tries])

    assert world.run(both()) == [204, 404]
    assert len(_trail(world)) == 1
