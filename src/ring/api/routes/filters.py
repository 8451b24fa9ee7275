"""Which rows a list is asked for: OR within a key, AND between keys, labels all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.api.queries import values
from ring.store.records import Wanted

if TYPE_CHECKING:
    from starlette.requests import Request

    from ring.api.calls import Call
    from ring.core.model.deployment import Deployment

KEYS = ("namespace", "status", "kind", "label", "name", "id")


@dataclass(frozen=True, slots=True)
class Filter:
    """An empty collection asks for nothing in particular."""

    namespaces: frozenset[str]
    statuses: frozenset[str]
    kinds: frozenset[str]
    names: frozenset[str]
    id_prefixes: tuple[str, ...]
    labels: tuple[str, ...]

    def takes(self, row: Deployment) -> bool:
        spec = row.spec
        return (
            _among(self.namespaces, spec.namespace)
            and _among(self.statuses, row.status)
            and _among(self.kinds, spec.kind)
            and _among(self.names, spec.name)
            and (not self.id_prefixes or row.id.startswith(self.id_prefixes))
            and all(_carries(row, selector) for selector in self.labels)
        )


def of(request: Request) -> Filter:
    return Filter(
        namespaces=frozenset(values(request, "namespace")),
        statuses=frozenset(values(request, "status")),
        kinds=frozenset(values(request, "kind")),
        names=frozenset(values(request, "name")),
        id_prefixes=tuple(values(request, "id")),
        labels=tuple(values(request, "label")),
    )


def wanted(call: Call, *, by_name: bool = False) -> Wanted:
    """Of secrets, configs and volumes: those asked for, as far as the caller's boundary goes."""
    asked = frozenset(values(call.request, "namespace"))
    bound = frozenset(call.caller.token.namespaces)
    names = frozenset(values(call.request, "name")) if by_name else frozenset()
    reached = asked & bound if asked and bound else asked or bound
    return Wanted(reached if asked or bound else None, names or None)


def _among(wanted: frozenset[str], value: str) -> bool:
    return not wanted or value in wanted


def _carries(row: Deployment, selector: str) -> bool:
    """`key`: has the label; `key=value`: has it with this value."""
    key, equals, value = selector.partition("=")
    held = row.spec.labels.get(key)
    return held is not None and (not equals or held == value)
