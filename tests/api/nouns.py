"""One object of each noun of the API, for tests that go through the whole route map.

A noun is the first segment of a path. A new one gets its entry in NOUNS, or the test of the route
map fails and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tests.api.world import PASSWORD, manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.api.world import World

HOME = "home"
AWAY = "away"


@dataclass(frozen=True)
class Noun:
    body: Callable[[], Mapping[str, object]] | None = None
    """What makes one in HOME; None: nothing does."""
    boundary: Literal["namespace", "subset", "node"] = "namespace"
    """Whether one belongs to a namespace, to a set of them, or to all of the node."""
    listed_as: Callable[[Mapping[str, object]], object] = lambda entry: entry.get("namespace")
    """The namespace that an entry of the list belongs to."""
    outside: frozenset[int] = frozenset({403})
    """Statuses that say that an object is not for this token."""


NOUNS: Mapping[str, Noun] = {
    "deployments": Noun(lambda: manifest(namespace=HOME)),
    "namespaces": Noun(lambda: {"name": "homely"}, listed_as=lambda entry: entry["name"]),
    "secrets": Noun(lambda: {"namespace": HOME, "name": "key", "value": "hunter2"}),
    "configs": Noun(lambda: {"namespace": HOME, "name": "site", "data": "{}"}),
    "volumes": Noun(lambda: {"namespace": HOME, "name": "disk"}),
    "webhooks": Noun(
        lambda: {"url": "http://203.0.113.7/hook", "namespaces": [HOME]},
        boundary="subset",
        listed_as=lambda entry: (entry["namespaces"] or [None])[0],  # type: ignore[index]  # a list
        outside=frozenset({403, 404}),
    ),
    "users": Noun(lambda: {"username": "mira", "password": PASSWORD}, boundary="node"),
    "tokens": Noun(lambda: {"name": "nightly", "scopes": ["admin"]}, boundary="node"),
    "auth": Noun(lambda: {"scope": "deployment:logs:none"}, boundary="node"),
    "audit": Noun(),
    "node": Noun(boundary="node"),
    "images": Noun(boundary="node"),
}
"""Of everything that takes a scope."""

_CHANGES: Mapping[str, Mapping[str, object]] = {
    "users": {"username": "mira2"},
    "secrets": {"value": "hunter3"},
    "configs": {"name": "site", "data": '{"a":"b"}'},
    "namespaces": {"host_ip": "127.0.0.1"},
}
"""What a PUT takes."""


def noun_of(path: str) -> str:
    return path.split("/")[1]


_VERBS: Mapping[str, Mapping[str, object]] = {
    "restart": {},
    "scale": {"replicas": 2},
    "stop": {},
    "start": {},
    "rollback": {"to": 1},
    "prune": {},
    "remove": {},
}
"""What a POST to an object takes, by the last word of its path."""


def body(method: str, path: str) -> Mapping[str, object] | None:
    """A valid one for this route; None where it takes none."""
    if method == "POST" and (verb := path.rpartition("/")[2]) in _VERBS:
        return _VERBS[verb]
    noun = NOUNS[noun_of(path)]
    if method == "PUT":
        return _CHANGES[noun_of(path)]
    is_making = method == "POST" and "{" not in path
    return noun.body() if is_making and noun.body else None


def make(world: World, noun: str) -> str:
    """One in HOME, which is made with it; returns its id. A deployment has been another before."""
    if noun == "deployments":
        world.call("POST", "/deployments", body=manifest(namespace=HOME, image="web:0"))
    else:
        world.call("POST", "/namespaces", body={"name": HOME})
    if noun == "namespaces":
        found = world.call("GET", f"/namespaces/{HOME}").json
    else:
        maker = NOUNS[noun].body
        assert maker is not None, f"nothing makes an object of '{noun}'"
        made = world.call("POST", f"/{noun}", body=maker())
        assert made.status == 201, made.body
        found = made.json
    identity: str = found["id"]
    return identity
