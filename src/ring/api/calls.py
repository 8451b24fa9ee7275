"""What a handler is given: who asks, what was asked, and the parts of the server it works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.api.checks import Checks
from ring.api.deadline import REQUEST_S
from ring.api.problems import Problem
from ring.api.streams import Streams
from ring.api.wire.texts import RowTexts
from ring.core.access import Scope, allows, reaches
from ring.store.store import Author

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from ring.api.logins import Logins
    from ring.api.metrics import Metrics
    from ring.api.ports import Engine
    from ring.api.reached import Reached
    from ring.api.tickets import Tickets
    from ring.clock import Clock
    from ring.store.store import Store, Token


@dataclass(frozen=True, slots=True)
class Services:
    store: Store
    engine: Engine
    clock: Clock
    logins: Logins
    metrics: Metrics
    tickets: Tickets
    reached: Reached
    streams: Streams = field(default_factory=Streams)
    checks: Checks = field(default_factory=Checks)
    texts: RowTexts = field(default_factory=RowTexts)
    request_s: float = REQUEST_S


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a valid token."""

    token: Token
    key: str = field(repr=False)
    """The token's hash, by which it is looked up."""
    by_ticket: bool = False
    """It came with a stream ticket that this token has made: its scopes are not looked at, its
    namespaces are."""

    def may(self, scope: Scope) -> bool:
        return allows(self.token.scopes, scope)

    def sees(self, namespace: str) -> bool:
        return reaches(self.token.namespaces, namespace)

    def enter(self, namespace: str) -> None:
        """Raises 403 where the token's boundary excludes the namespace."""
        if not self.sees(namespace):
            raise Problem(403, f"token is not scoped to namespace '{namespace}'")

    def expect_unbound(self) -> None:
        """Raises 403 for a token bound to namespaces: what it asks concerns the whole node."""
        if self.token.namespaces:
            raise Problem(403, "a token bound to namespaces may not change what all of them share")

    def author(self, namespace: str) -> Author:
        """A token bound to a namespace by name may also make it."""
        granted = self.may(Scope.NAMESPACES_WRITE) or namespace in self.token.namespaces
        return Author(self.token.user.id, may_create_namespace=granted)


@dataclass(frozen=True, slots=True)
class Call:
    """One request that passed the gate."""

    request: Request
    services: Services
    caller: Caller
    params: Mapping[str, str]
