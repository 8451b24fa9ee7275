"""The API's own description, made of the route table and the models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ring import __version__
from ring.api import wire
from ring.api.routing import Guarded, Public, Route
from ring.core.model.events import Level
from ring.core.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


Json = dict[str, object]

_TEMPLATE = "#/components/schemas/{model}"
_ERRORS = {
    400: "Malformed body or query",
    401: "No valid credential",
    403: "Not allowed",
    404: "No such object",
    408: "Took too long",
    409: "Conflict",
    413: "Body too large",
    415: "Not JSON",
    422: "Validation failed",
    426: "Not a WebSocket",
    429: "Too many failed logins",
    500: "Internal error",
    502: "Nobody answers in the instance",
    503: "Too much at once",
}
_SWITCH: Json = {"type": "boolean"}
_COUNT: Json = {"type": "integer", "minimum": 0}
_PARAMETERS: Mapping[str, Json] = {
    **dict.fromkeys(("force", "if_changed", "latest", "follow", "instances"), _SWITCH),
    **dict.fromkeys(("limit", "tail"), _COUNT),
    "level": {"type": "string", "enum": list(Level)},
    "since": {
        "type": "string",
        "description": "`<n>s`, `<n>m` or `<n>h` back, or an RFC 3339 time",
    },
    "after": {
        "type": "string",
        "description": "behind which entry the page begins: as the header `Link` of the one before "
        "gives it",
    },
    "container": {"type": "string"},
    "instance": {"type": "string"},
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "ticket": {"type": "string"},
}
"""Those that are given once."""
_FILTERS: Mapping[str, Json] = {
    "status": {"type": "string", "enum": list(Status)},
    "kind": {"type": "string", "enum": ["worker", "job"]},
}
"""Filters that know their values; those of all others are any text."""


def document(routes: Sequence[Route]) -> Json:
    """OpenAPI 3.1."""
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Ring", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": wire.schemas(_models(routes), _TEMPLATE),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "ticket": {"type": "apiKey", "in": "query", "name": "ticket"},
            },
        },
    }


def _operation(route: Route) -> Json:
    doc = route.doc
    operation: Json = {
        "operationId": _operation_id(route),
        "summary": doc.summary,
        "parameters": [*_path_parameters(route.path), *map(_query_parameter, doc.query)],
        "responses": {
            **{str(status): _success(route, status) for status in doc.statuses},
            **_failures(route),
        },
    }
    if isinstance(route, Guarded):
        operation["security"] = [
            {"token": [route.scope] if route.scope else []},
            *([{"ticket": []}] if route.ticket else ()),
        ]
    if doc.takes:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(doc.takes)}},
        }
    return operation


def _operation_id(route: Route) -> str:
    """`get_deployments_id_events`: unique as method and path are."""
    return "_".join([route.method.lower(), *re.findall(r"\w+", route.path)])


def _models(routes: Sequence[Route]) -> Iterator[type]:
    yield wire.ProblemShape
    for route in routes:
        if route.doc.takes:
            yield route.doc.takes
        if route.doc.gives:
            yield route.doc.gives


def _success(route: Route, status: int) -> Json:
    doc = route.doc
    if status in {101, 204}:
        return {"description": doc.summary}
    one: Json = _ref(doc.gives) if doc.gives else {"type": "object"}
    schema: Json = {"type": "array", "items": one} if doc.listed else one
    content: Json = {"application/json": {"schema": schema}}
    content |= {each: {"schema": {"type": "string"}} for each in doc.texts}
    return {"description": doc.summary, "content": content}


def _failures(route: Route) -> Json:
    statuses = {500, 503, *route.doc.refusals}
    if isinstance(route, Guarded):
        statuses |= {401, 403, 408} if route.is_timed else {401, 403}
    if "{" in route.path:
        statuses.add(404)
    if route.doc.takes:
        statuses |= {400, 408, 409, 413, 415, 422}
    if route.doc.query:
        statuses.add(400)
    if isinstance(route, Public) and route.doc.takes:
        statuses = (statuses | {401, 429}) - {409}
    content = {"application/problem+json": {"schema": _ref(wire.ProblemShape)}}
    return {
        str(status): {"description": _ERRORS[status], "content": content}
        for status in sorted(statuses)
    }


def _path_parameters(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query_parameter(name: str) -> Json:
    """What is given once, or else a filter: any number of values, of which one has to match."""
    schema = _PARAMETERS.get(name)
    if schema is None:
        schema = {"type": "array", "items": _FILTERS.get(name, {"type": "string"})}
    return {"name": name, "in": "query", "schema": schema}


def _ref(model: type) -> Json:
    return {"$ref": _TEMPLATE.format(model=model.__name__)}
