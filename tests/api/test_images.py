"""Images over the API: listed, and removed on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.stock import Holder, Origin
from tests.api.world import manifest

if TYPE_CHECKING:
    from tests.api.world import World

ONE = f"sha256:{1:064x}"
TWO = f"sha256:{2:064x}"
HOUR_S = 3600


@pytest.fixture
def world(world: World) -> World:
    """An image of Ring's that nobody needs, and one of somebody else's that a container uses."""
    stock = world.instances.runtime.stock
    stock.bring("reg.example/app:1", ONE)
    stock.bring("theirs:1", TWO)
    stock.strangers.append(Holder("somebodys", TWO))
    note = world.store.images.note("docker", ONE, "reg.example/app:1", ONE, Origin.BROUGHT)
    world.run(note)
    return world


def test_all_are_listed_with_who_needs_them(world: World) -> None:
    ours, theirs = world.call("GET", "/images").json
    assert ours == {
        "runtime": "docker",
        "id": ONE,
        "reference": "reg.example/app:1",
        "names": ["reg.example/app:1", f"reg.example/app@{ONE}"],
        "digest": ONE,
        "size": 1000,
        "managed": True,
        "pulled_at": "2027-03-02T08:15:04.120934Z",
        "last_used_at": "2027-03-02T08:15:04.120934Z",
        "used_by": [],
    }
    assert theirs["managed"] is False
    assert (theirs["pulled_at"], theirs["last_used_at"]) == (None, None)
    assert theirs["used_by"] == [{"kind": "container", "name": "somebodys"}]


def test_a_dry_run_and_a_real_one(world: World) -> None:
    world.clock.advance(HOUR_S)
    nothing = world.call("POST", "/images/prune", body={})
    assert (nothing.status, nothing.json["removed"]) == (200, []), "the default is a day"
    body: dict[str, object] = {"older_than": "1h", "dry_run": True}
    would = world.call("POST", "/images/prune", body=body).json
    assert would["dry_run"] is True
    assert [row["id"] for row in would["removed"]] == [ONE]
    assert set(world.instances.runtime.stock.images) == {ONE, TWO}
    done = world.call("POST", "/images/prune", body={"older_than": "1h"}).json
    assert [row["id"] for row in done["removed"]] == [ONE]
    assert (done["size"], done["failed"], done["more"], done["dry_run"]) == (1000, [], False, False)
    assert set(world.instances.runtime.stock.images) == {TWO}
    newest = world.call("GET", "/audit?target_type=image").json
    assert [(one["action"], one["target_name"]) for one in newest] == [
        ("delete", "reg.example/app:1")
    ]


def test_what_only_a_revision_needs(world: World) -> None:
    world.call("POST", "/deployments", body=manifest(image="reg.example/app:1"))
    body: dict[str, object] = {"older_than": "0s", "all": True}
    kept = world.call("POST", "/images/prune", body=body).json
    assert kept["removed"] == [], "its deployment is there"


def test_a_duration_that_is_none(world: World) -> None:
    refused = world.call("POST", "/images/prune", body={"older_than": "a day"})
    assert refused.status == 422
    (violation,) = refused.json["violations"]
    assert violation["property_path"] == "older_than"
    assert violation["code"] == "image.older_than.invalid"


def test_a_token_bound_to_namespaces_has_no_business_here(world: World) -> None:
    bound = world.token("admin", ["admin"], namespaces=["shop"])
    assert world.call("GET", "/images", token=bound).status == 403
    assert world.call("POST", "/images/prune", token=bound, body={}).status == 403


def test_an_engine_that_is_away(world: World) -> None:
    world.instances.engine.go_away()
    for method, path, body in (("GET", "/images", None), ("POST", "/images/prune", {})):
        refused = world.call(method, path, body=body)
        assert refused.status == 503
        assert "an engine cannot be asked: the fake engine is away" in refused.json["detail"]
