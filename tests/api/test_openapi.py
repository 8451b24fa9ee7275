from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_type_hints

from ring.api.routing import Guarded
from ring.api.table import ROUTES
from ring.api.wire import DeploymentShape
from ring.core.availability import UNAVAILABLE
from ring.core.model.spec import DeploymentSpec
from ring.core.model.status import Status

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


def test_parameters_say_what_they_may_be(world: World) -> None:
    paths = world.call("GET", "/openapi.json").json["paths"]

    def parameters(path: str, method: str = "get") -> dict[str, Any]:
        given = paths[path][method]["parameters"]
        return {each["name"]: each["schema"] for each in given if each["in"] == "query"}

    listed = parameters("/deployments")
    assert set(listed.pop("status")["items"]["enum"]) == set(Status)
    assert listed.pop("kind")["items"]["enum"] == ["worker", "job"]
    assert listed.pop("instances") == {"type": "boolean"}
    texts = {"type": "array", "items": {"type": "string"}}
    assert listed == dict.fromkeys(("namespace", "label", "name", "id"), texts)
    assert parameters("/secrets/{id}", "delete") == {"force": {"type": "boolean"}}
    assert parameters("/audit")["limit"] == {"type": "integer", "minimum": 0}
    events = parameters("/deployments/{id}/events")
    assert events["level"]["enum"] == ["info", "warning", "error"]
    assert events["ticket"] == {"type": "string"}


def test_answers_that_are_no_json_are_described(world: World) -> None:
    paths = world.call("GET", "/openapi.json").json["paths"]
    for path, kinds in {
        "/deployments/{id}/logs": ["application/json", "text/event-stream"],
        "/deployments/{id}/events": ["application/json", "text/event-stream"],
        "/metrics": ["application/json", "text/plain"],
        "/openapi.json": ["application/json"],
    }.items():
        assert list(paths[path]["get"]["responses"]["200"]["content"]) == kinds
    by_ticket = {
        path
        for path, item in paths.items()
        if {"ticket": []} in item.get("get", {}).get("security", [])
    }
    assert by_ticket == {"/deployments/{id}/logs", "/deployments/{id}/events"}


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


def test_a_port_is_a_number_or_a_range_in_a_body_and_a_number_in_an_answer(
    world: World,
) -> None:
    schemas = world.call("GET", "/openapi.json").json["components"]["schemas"]
    asked = schemas["Port"]["properties"]["published"]
    assert [one["type"] for one in asked["anyOf"]] == ["integer", "string"]
    assert schemas["PortShape"]["properties"]["published"]["type"] == "integer"
