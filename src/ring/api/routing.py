"""Routes as data, and finding the one a request names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.access import Scope, allows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from ring.api.calls import Call, Services


@dataclass(frozen=True, slots=True)
class Doc:
    """What the API description says of a route."""

    summary: str
    takes: type | None = None
    """Model of the body."""
    gives: type | None = None
    """Shape of the answer; None: it has no body, or no fixed one."""
    listed: bool = False
    """The answer is a list of `gives`."""
    statuses: tuple[int, ...] = (200,)
    """Of success, the usual one first."""
    texts: tuple[str, ...] = ()
    """Media types that the answer may have in place of JSON."""
    query: tuple[str, ...] = ()
    """Names of parameters; ring.api.openapi says what each may be."""
    refusals: tuple[int, ...] = ()
    """Statuses of errors besides those that every route of its kind has."""


@dataclass(frozen=True, slots=True)
class Public:
    """Answers anybody, and sees to its own limits."""

    method: str
    path: str
    handler: Callable[[Request, Services], Awaitable[Response]]
    doc: Doc


@dataclass(frozen=True, slots=True)
class Guarded:
    """Answers whoever holds `scope` (None: any valid token); by default only `admin`."""

    method: str
    path: str
    handler: Callable[[Call], Awaitable[Response]]
    doc: Doc
    scope: Scope | None = Scope.ADMIN
    is_timed: bool = True
    """False: it may take as long as what it reads."""
    session_scope: Scope | None = None
    """What a login session may hold in place of `scope`."""
    ticket: str = ""
    """Kind of the stream tickets that are taken in place of a token; none where it is empty."""

    def admits(self, kind: str, scopes: Collection[str]) -> bool:
        """Whether a token of this kind with these scopes may come in."""
        if self.scope is None or allows(scopes, self.scope):
            return True
        other = self.session_scope
        return other is not None and kind == "session" and allows(scopes, other)


Route = Public | Guarded


@dataclass(slots=True)
class Resource:
    """One path template with its routes by method: all public, or none."""

    segments: tuple[str, ...]
    routes: dict[str, Route] = field(default_factory=dict)

    @property
    def is_public(self) -> bool:
        return all(isinstance(route, Public) for route in self.routes.values())

    @property
    def allowed(self) -> str:
        """The value of `Allow`."""
        methods = set(self.routes) | ({"HEAD"} if "GET" in self.routes else set())
        return ", ".join(sorted(methods))

    def route(self, method: str) -> Route | None:
        """HEAD is taken where GET is."""
        return self.routes.get("GET" if method == "HEAD" else method)

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """Values of the placeholders; a placeholder is never empty."""
        params: dict[str, str] = {}
        for wanted, given in zip(self.segments, segments, strict=True):
            if wanted.startswith("{"):
                if not given:
                    return None
                params[wanted[1:-1]] = given
            elif wanted != given:
                return None
        return params


@dataclass(frozen=True, slots=True)
class Match:
    resource: Resource
    params: Mapping[str, str]


class Router:
    """Literal segments win over placeholders; a trailing slash is another path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        resources: dict[str, Resource] = {}
        for route in routes:
            segments = tuple(route.path.split("/"))
            resource = resources.setdefault(route.path, Resource(segments))
            resource.routes[route.method] = route
        self._by_length: dict[int, list[Resource]] = {}
        for path in sorted(resources, key=lambda path: path.count("{")):
            resource = resources[path]
            self._by_length.setdefault(len(resource.segments), []).append(resource)

    def find(self, path: str) -> Match | None:
        segments = tuple(path.split("/"))
        for resource in self._by_length.get(len(segments), ()):
            params = resource.match(segments)
            if params is not None:
                return Match(resource, params)
        return None
