"""Stream tickets: what a browser, which can send no header, shows in place of a token.

In memory alone, each for one exact scope, for a short time, and only while the token that made it
is valid: whoever takes one looks that up by the key.
"""

from __future__ import annotations

import secrets
import string
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.api.problems import Problem
from ring.security.tokens import token_hash

if TYPE_CHECKING:
    from ring.clock import Clock

TTL_S = 30
PREFIX = "tk_stream_"
_LENGTH = 48
_MOST = 4096
"""At once; further ones are refused, not let in at the cost of others."""
_MOST_OF_ONE = 512
"""Of these, of one user."""
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class _Ticket:
    scope: str
    key: str = field(repr=False)
    user_id: str
    until: float


class Tickets:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: OrderedDict[str, _Ticket] = OrderedDict()
        """By digest, in the order in which they end."""
        self._of_user: Counter[str] = Counter()

    def mint(self, scope: str, *, key: str, user_id: str) -> str:
        """A new ticket of the token with this key. Raises 503 where too many are out."""
        self._forget()
        if len(self._held) >= _MOST or self._of_user[user_id] >= _MOST_OF_ONE:
            raise Problem(
                503, "too many stream tickets are out; try again", headers={"Retry-After": "5"}
            )
        clear = PREFIX + "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
        until = self._clock.mono() + TTL_S
        self._held[token_hash(clear)] = _Ticket(scope, key, user_id, until)
        self._of_user[user_id] += 1
        return clear

    def key(self, ticket: str, scope: str) -> str | None:
        """Of the token that made this ticket for this very scope, while it lasts; it stays."""
        self._forget()
        held = self._held.get(token_hash(ticket)) if ticket else None
        return held.key if held is not None and held.scope == scope else None

    def _forget(self) -> None:
        now = self._clock.mono()
        while self._held:
            digest, oldest = next(iter(self._held.items()))
            if oldest.until > now:
                return
            del self._held[digest]
            self._of_user[oldest.user_id] -= 1
            if not self._of_user[oldest.user_id]:
                del self._of_user[oldest.user_id]
