from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.api.world import World


def test_a_namespace_is_made_read_and_listed(world: World) -> None:
    made = world.call("POST", "/namespaces", body={"name": "shop", "color": "red"})
    assert made.status == 201
    assert b'"updated_at":null' in made.body
    assert list(made.json) == ["id", "created_at", "updated_at", "name"]
    assert made.json["created_at"] == "2027-03-02T08:15:04.120934Z"
    world.call("POST", "/namespaces", body={"name": "media"})
    for wanted in (made.json["id"], "shop"):
        assert world.call("GET", f"/namespaces/{wanted}").json == made.json
    listed = world.call("GET", "/namespaces").json
    assert [each["name"] for each in listed] == ["media", "shop"]


def test_an_unknown_one_is_404(world: World) -> None:
    reply = world.call("GET", "/namespaces/nope")
    assert reply.status == 404
    assert "nope" in reply.json["detail"]
    assert "message" not in reply.json


def test_a_second_of_the_same_name_conflicts(world: World) -> None:
    world.call("POST", "/namespaces", body={"name": "billing"})
    reply = world.call("POST", "/namespaces", body={"name": "billing"})
    assert reply.status == 409
    assert reply.body == (
        b'{"type":"about:blank","title":"Conflict","status":409,'
        b'"detail":"namespace \'billing\' already exists","violations":[],'
        b'"error":"namespace \'billing\' already exists"}'
    )


def test_a_name_may_break_both_rules(world: World) -> None:
    reply = world.call("POST", "/namespaces", body={"name": "-"})
    assert reply.status == 422
    assert reply.codes == ["namespace.name.length", "namespace.name.format"]
    assert "2 to 63" in reply.json["detail"]
    assert "lowercase letters" in reply.json["detail"]
    assert reply.json["detail"].startswith("name: ")


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("ab", []),
        ("a" * 63, []),
        ("a-9", []),
        ("a", ["namespace.name.length"]),
        ("a" * 64, ["namespace.name.length"]),
        ("Shop", ["namespace.name.format"]),
        ("shop\n", ["namespace.name.format"]),
        ("-ab", ["namespace.name.format"]),
        ("ab-", ["namespace.name.format"]),
        ("äb", ["namespace.name.format"]),
        ("", ["namespace.name.length", "namespace.name.format"]),
    ],
)
def test_names(world: World, name: str, codes: list[str]) -> None:
    reply = world.call("POST", "/namespaces", body={"name": name})
    assert reply.status == (422 if codes else 201)
    assert reply.json.get("violations", []) == [] or reply.codes == codes


def test_a_network_is_refused_not_ignored(world: World) -> None:
    reply = world.call("POST", "/namespaces", body={"name": "shop", "network": {}})
    assert reply.codes == ["namespace.network.unsupported"]
    assert world.call("POST", "/namespaces", body={"name": "shop", "network": None}).status == 201


def test_a_bound_token_sees_and_makes_only_its_own(world: World) -> None:
    ids = {
        name: world.call("POST", "/namespaces", body={"name": name}).json["id"]
        for name in ("prod", "staging")
    }
    bound = world.token(scopes=["admin"], namespaces=["prod", "later"])
    listed = world.call("GET", "/namespaces", token=bound).json
    assert [each["name"] for each in listed] == ["prod"]
    assert world.call("GET", f"/namespaces/{ids['prod']}", token=bound).status == 200
    for wanted in (ids["staging"], "staging"):
        reply = world.call("GET", f"/namespaces/{wanted}", token=bound)
        assert reply.status == 403
        assert reply.json["detail"] == "token is not scoped to namespace 'staging'"
    assert world.call("GET", "/namespaces/nope", token=bound).status == 404
    assert world.call("POST", "/namespaces", token=bound, body={"name": "other"}).status == 403
    assert world.call("POST", "/namespaces", token=bound, body={"name": "later"}).status == 201
    assert world.call("POST", "/namespaces", token=bound, body={"name": "-"}).status == 422
