from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.api.world import World

ROWS: tuple[dict[str, object], ...] = (
    {"name": "web", "namespace": "aa", "labels": {"tier": "web", "team": "red"}},
    {"name": "web", "namespace": "bb", "labels": {"tier": "web"}},
    {"name": "db", "namespace": "aa", "labels": {"tier": "data", "team": "a=b"}},
)


@pytest.fixture
def listing(world: World) -> World:
    for row in ROWS:
        assert world.apply(**row).status == 201
    return world


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "012"),
        ("namespace=aa", "02"),
        ("namespace=aa&namespace=bb", "012"),
        ("namespace[]=aa&namespace%5B%5D=bb&name=web", "01"),
        ("namespace=aa&name=web", "0"),
        ("name=we", ""),
        ("name[]=db", "2"),
        ("status=creating", "012"),
        ("status=creating&status=running", "012"),
        ("status=running", ""),
        ("status=nonsense", ""),
        ("kind=worker", "012"),
        ("kind[]=job", ""),
        ("label=tier=web&label=team", "0"),
        ("label=tier", "012"),
        ("label[]=tier%3Dweb", "01"),
        ("label=team=a=b", "2"),
        ("label=team=", ""),
        ("label=", ""),
        ("namespace=", ""),
        ("unknown=x&%00=%ff", "012"),
    ],
)
def test_filters(listing: World, query: str, found: str) -> None:
    rows = listing.call("GET", f"/deployments?{query}").json
    names = [(row["namespace"], row["name"]) for row in rows]
    assert names == [(ROWS[int(at)]["namespace"], ROWS[int(at)]["name"]) for at in found]


def test_ids_are_matched_by_their_start(listing: World) -> None:
    first, second, _ = listing.call("GET", "/deployments").json
    query = f"id={first['id'][:13]}&id[]={second['id']}"
    assert listing.call("GET", f"/deployments?{query}").json == [first, second]
    assert listing.call("GET", f"/deployments?id={first['id'][1:]}").json == []


@pytest.mark.parametrize(
    ("query", "addressed"),
    [("", False), ("?instances=true", True), ("?instances=1", True), ("?instances=yes", False)],
)
def test_addresses_are_shown_on_request(listing: World, query: str, *, addressed: bool) -> None:
    first = listing.call("GET", "/deployments").json[0]
    listing.engine.run(first["id"], "10.0.0.2")
    shown = listing.call("GET", f"/deployments{query}").json[0]["instances"]
    assert shown == [{"id": "c0ffee", "address": "10.0.0.2"} if addressed else {"id": "c0ffee"}]
