from __future__ import annotations

from typing import TYPE_CHECKING, get_type_hints

from ring.api.routing import Guarded
from ring.api.table import ROUTES
from ring.api.wire import DeploymentShape
from ring.core.availability import UNAVAILABLE
from ring.core.model.spec import DeploymentSpec

if TYPE_CHECKING:
    from tests.api.world import World


def test_every_route_is_described(world: World) -> None:
    document = world.call("GET", "/openapi.json", token=world.token(scopes=[])).json
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert described == {(route.method, route.path) for route in ROUTES}
    for route in ROUTES:
        operation = document["paths"][route.path][route.method.lower()]
        assert {str(status) for status in route.doc.statuses} <= set(operation["responses"])
        assert ("security" in operation) == isinstance(route, Guarded)
    ids = [op["operationId"] for item in document["paths"].values() for op in item.values()]
    assert len(set(ids)) == len(ids)


def test_the_description_stays_the_same(world: World) -> None:
    first, second = (world.call("GET", "/openapi.json") for _ in range(2))
    assert first == second
    assert first.headers["content-type"] == "application/json"


def test_every_reference_leads_somewhere(world: World) -> None:
    document = world.call("GET", "/openapi.json").json
    schemas = document["components"]["schemas"]
    references = list(_references(document))
    assert references
    assert {reference.removeprefix("#/components/schemas/") for reference in references} <= set(
        schemas
    )


def test_a_real_answer_has_the_described_keys(world: World) -> None:
    schema = world.call("GET", "/openapi.json").json["components"]["schemas"]["DeploymentShape"]
    shown = world.apply().json
    assert set(schema["required"]) == set(shown)
    assert set(shown) <= set(schema["properties"])


def test_every_field_of_a_spec_is_shown_or_cannot_be_set() -> None:
    shown = set(get_type_hints(DeploymentShape))
    assert set(DeploymentSpec.model_fields) - shown <= UNAVAILABLE


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        found = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return found + [each for value in node.values() for each in _references(value)]
    if isinstance(node, list):
        return [each for value in node for each in _references(value)]
    return []
