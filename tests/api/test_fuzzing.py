"""Whatever the API's description allows to be sent is answered as it says, and never with a 5xx."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ring.api import openapi
from ring.api.table import ROUTES
from tests.api.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.client import Reply

DOCUMENT: dict[str, Any] = json.loads(json.dumps(openapi.document(ROUTES)))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item]
HASHED = frozenset({("/login", "post"), ("/users", "post"), ("/users/{id}", "put")})
"""Each of these may cost a password hash, a tenth of a second."""
EXAMPLES = 15
EXAMPLES_HASHED = 5


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    one = World()
    yield one
    one.close()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_any_request_is_answered_as_described(world: World, path: str, method: str) -> None:
    operation = SCHEMA[path][method.upper()]
    described = DOCUMENT["paths"][path][method]

    @given(case=operation.as_strategy(), data=st.data())
    @settings(
        max_examples=EXAMPLES_HASHED if (path, method) in HASHED else EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def fuzz(case: Any, data: st.DataObject) -> None:
        known = ids(world, path)
        parameters = {
            name: data.draw(st.sampled_from([f"{value}", *known]))
            for name, value in case.path_parameters.items()
        }
        reply = asked(world, case, path, parameters)
        assert_described(reply, described)

    fuzz()


def ids(world: World, path: str) -> list[str]:
    """Of what there is of the path's noun, so that not every request ends with 404."""
    noun = path.split("/")[1]
    if "{" not in path or f"/{noun}" not in DOCUMENT["paths"]:
        return []
    listed = world.call("GET", f"/{noun}")
    return [one["id"] for one in listed.json] if listed.status == 200 else []


def asked(world: World, case: Any, path: str, parameters: dict[str, Any]) -> Reply:
    target = path
    for name, value in parameters.items():
        target = target.replace(f"{{{name}}}", quote(str(value), safe="", errors="replace") or "-")
    query = [(name, text) for name, value in (case.query or {}).items() for text in texts(value)]
    query = [(name, value) for name, value in query if (name, value) != ("follow", "true")]
    if query:
        target += f"?{urlencode(query, errors='replace')}"
    if case.method.upper() in {"POST", "PUT"}:
        body = json.dumps(case.body if isinstance(case.body, list | dict | str) else None).encode()
        return world.call(case.method.upper(), target, body=body, token=world.session("admin"))
    return world.call(case.method.upper(), target, token=world.session("admin"))


def texts(value: object) -> list[str]:
    """A parameter as it is sent: a filter once for each of its values."""
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [str(value).lower() if isinstance(value, bool) else str(value)]


def assert_described(reply: Reply, operation: dict[str, Any]) -> None:
    assert reply.status < 500, reply
    assert f"{reply.status}" in operation["responses"], reply
    content = operation["responses"][f"{reply.status}"].get("content")
    if content is None:
        return
    kind = reply.headers["content-type"].partition(";")[0]
    assert kind in content, reply
    if kind.endswith("json"):
        schema = {**content[kind]["schema"], "components": DOCUMENT["components"]}
        jsonschema.validate(reply.json, schema)
