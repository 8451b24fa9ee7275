"""What belongs to nothing any more, over the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.stock import HeldNetwork

if TYPE_CHECKING:
    from tests.api.world import World


@pytest.fixture
def world(world: World) -> World:
    """A network of this server's, and one of whoever."""
    for name, server_id in (("old", world.store.server_id), ("nobodys", "")):
        network = HeldNetwork(f"id-{name}", f"ring_{name}", name, server_id)
        world.instances.runtime.stock.networks[network.id] = network
    return world


def test_they_are_listed(world: World) -> None:
    nobodys, ours = world.call("GET", "/node/orphans").json
    assert ours == {
        "id": "network:docker:id-old",
        "kind": "network",
        "name": "ring_old",
        "runtime": "docker",
        "why": "namespace 'old' has no deployment, and nothing is on it",
        "removable": True,
        "kept_because": None,
    }
    assert (nobodys["name"], nobodys["removable"]) == ("ring_nobodys", False)
    assert "may be another Ring server's" in nobodys["kept_because"]


def test_they_are_removed_on_request(world: World) -> None:
    nothing = world.call("POST", "/node/orphans/remove", body={"ids": []}).json
    assert nothing == {"removed": [], "failed": [], "more": False}
    done = world.call("POST", "/node/orphans/remove", body={}).json
    assert [row["name"] for row in done["removed"]] == ["ring_old"]
    assert set(world.instances.runtime.stock.networks) == {"id-nobodys"}
    body: dict[str, object] = {"ids": ["network:docker:id-nobodys"]}
    (failed,) = world.call("POST", "/node/orphans/remove", body=body).json["failed"]
    assert (failed["kind"], failed["name"]) == ("network", "ring_nobodys")
    (entry,) = world.call("GET", "/audit?target_type=network").json
    assert (entry["action"], entry["target_name"]) == ("delete", "ring_old")


def test_a_token_bound_to_namespaces_has_no_business_here(world: World) -> None:
    bound = world.token("admin", ["admin"], namespaces=["shop"])
    assert world.call("GET", "/node/orphans", token=bound).status == 403
    assert world.call("POST", "/node/orphans/remove", token=bound, body={}).status == 403


def test_an_engine_that_is_away(world: World) -> None:
    world.instances.engine.go_away()
    assert world.call("GET", "/node/orphans").status == 503
    assert world.call("POST", "/node/orphans/remove", body={}).status == 503
