"""Lists in pages: all of it, once, whatever comes and goes meanwhile."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import pytest

from ring.core.model.stock import HeldNetwork

if TYPE_CHECKING:
    from tests.api.client import Reply
    from tests.api.world import World

COUNT = 7


def _digest(number: int) -> str:
    return f"sha256:{number:064x}"


@pytest.fixture
def world(world: World) -> World:
    stock = world.instances.runtime.stock
    for number in reversed(range(COUNT)):
        stock.bring(f"app:{number}", _digest(number))
        network = HeldNetwork(f"id-{number}", f"ring_{number}", f"{number}", world.store.server_id)
        stock.networks[network.id] = network
    return world


def _next(reply: Reply) -> str | None:
    """Where the header says that the next page is."""
    found = re.fullmatch(r'<(\?.+)>; rel="next"', reply.headers.get("link", ""))
    return found[1] if found else None


@pytest.mark.parametrize("limit", [1, 2, COUNT - 1, COUNT, COUNT + 1])
@pytest.mark.parametrize(("path", "name"), [("/images", "reference"), ("/node/orphans", "name")])
def test_pages_are_all_of_it_once(world: World, path: str, name: str, limit: int) -> None:
    whole = [row[name] for row in world.call("GET", path).json]
    assert (len(whole), whole) == (COUNT, sorted(whole))
    found, query = [], f"?limit={limit}"
    for _ in range(-(-COUNT // limit)):
        reply = world.call("GET", f"{path}{query}")
        assert 0 < len(reply.json) <= limit
        found += [row[name] for row in reply.json]
        query = _next(reply) or ""
    assert (found, query) == (whole, "")


def test_what_comes_and_goes_between_two_pages_shifts_nothing(world: World) -> None:
    stock = world.instances.runtime.stock
    first = world.call("GET", "/images?limit=3")
    assert [row["reference"] for row in first.json] == ["app:0", "app:1", "app:2"]
    for number in (1, 2, 4):
        del stock.images[_digest(number)]
    stock.bring("aaa:1", _digest(90))
    stock.bring("app:3a", _digest(91))
    second = world.call("GET", f"/images{_next(first)}")
    assert [row["reference"] for row in second.json] == ["app:3", "app:3a", "app:5"]


def test_no_page_is_longer_than_may_be_and_none_is_asked_for_in_vain(world: World) -> None:
    stock = world.instances.runtime.stock
    for number in range(100, 210):
        stock.bring(f"more:{number}", _digest(number))
    assert len(world.call("GET", "/images").json) == 100
    nothing = world.call("GET", "/images?limit=0")
    assert (nothing.json, _next(nothing)) == ([], None)


@pytest.mark.parametrize(
    "mark",
    ["", "x", "%C3%A9", *(base64.b64encode(text).decode() for text in (b"7", b"[7]", b"{}"))],
)
def test_a_mark_that_no_page_has_given(world: World, mark: str) -> None:
    refused = world.call("GET", f"/images?after={mark}")
    assert refused.status == 400
    assert "'after' must be as the page before has given it" in refused.json["detail"]
