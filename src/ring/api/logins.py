"""Checks usernames and passwords, and hashes new ones: one at a time, the same cost for every wrong
one."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ring.api.problems import Problem, Unread
from ring.core.errors import HostError
from ring.security.passwords import Passwords
from ring.security.peers import peer_of
from ring.security.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.api.wire import LoginBody
    from ring.clock import Clock
    from ring.store.store import Store, User

_QUEUE = 64
"""Tries that may wait for their turn, each about 0.1 s."""
_QUEUE_OF_PEER = 4
"""Of these, so that nobody can keep all others out."""


class Logins:
    def __init__(self, store: Store, clock: Clock, passwords: Passwords | None = None) -> None:
        self._store = store
        self._clock = clock
        self._passwords = passwords or Passwords()
        self._throttle = Throttle()
        self._turn = asyncio.Lock()
        self._waiting: Counter[str] = Counter()
        """By peer, or by the user who sets a password."""

    async def check(self, body: LoginBody, peer: str) -> User:
        """The active user whose password this is. Raises 401, and 429 when throttled."""
        holder = peer_of(peer)
        # No username is longer; a longer one must not take memory.
        key = (body.username[:64], holder)
        self._admit(key)
        with self._queued(holder, _later(1.0)):
            async with self._turn:
                self._admit(key)
                return await self._verified(body, key)

    async def hashed(self, password: str, user_id: str) -> str:
        """The encoded hash for storing, made in the same queue. Raises 503 where it is full."""
        with self._queued(user_id, _busy()):
            async with self._turn:
                return await self._passwords.hash(password)

    def close(self) -> None:
        self._passwords.close()

    async def _verified(self, body: LoginBody, key: tuple[str, str]) -> User:
        try:
            user = self._store.user_named(body.username)
        except HostError as error:
            raise Unread(error.message) from error
        known = user.password if user else None
        matched = await self._passwords.verify(known, body.password)
        if user is None or not matched or user.status != "active":
            self._throttle.failed(key, self._clock.mono())
            await self._store.audit.login_failed(body.username)
            raise invalid_credentials()
        self._throttle.succeeded(key)
        return user

    @contextmanager
    def _queued(self, holder: str, refusal: Problem) -> Iterator[None]:
        if self._waiting.total() >= _QUEUE or self._waiting[holder] >= _QUEUE_OF_PEER:
            raise refusal
        self._waiting[holder] += 1
        try:
            yield
        finally:
            self._waiting[holder] -= 1
            if not self._waiting[holder]:
                del self._waiting[holder]

    def _admit(self, key: tuple[str, str]) -> None:
        wait_s = self._throttle.wait_s(key, self._clock.mono())
        if wait_s > 0:
            raise _later(wait_s)


def invalid_credentials() -> Problem:
    """The same whatever was wrong."""
    return Problem(401, "invalid credentials")


def _busy() -> Problem:
    return Problem(
        503, "too many passwords wait to be hashed; try again", headers={"Retry-After": "1"}
    )


def _later(wait_s: float) -> Problem:
    seconds = math.ceil(wait_s)
    return Problem(
        429,
        f"too many login attempts; try again in {seconds} s",
        headers={"Retry-After": str(seconds)},
    )
