"""Passwords: Argon2id, one at a time on one thread, so that logins never take the server's memory.

Each hash costs 64 MiB and about a tenth of a second. The library is loaded with the first hash.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ring.core.errors import RingError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_NOBODY = "$argon2id$v=19$m=65536,t=2,p=4$" + "A" * 22 + "$" + "A" * 43
"""A hash no password is known for, of the cost of a real one."""


class CorruptHash(RingError):
    """A stored password hash cannot be read."""


def hash_password(password: str) -> str:
    """The encoded Argon2id hash, with a salt of its own. Blocks for about 0.1 s."""
    return _hasher().hash(password)


def matches(encoded: str, password: str) -> bool:
    """Any encoded argon2i or argon2id hash. Blocks for about 0.1 s. Raises CorruptHash."""
    from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

    try:
        return _hasher().verify(encoded, password)
    except VerifyMismatchError:
        return False
    except (InvalidHashError, VerificationError) as error:
        raise CorruptHash from error


class Passwords:
    """Hashing off the loop's thread, in a pool of one."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ring-passwords")

    async def hash(self, password: str) -> str:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, hash_password, password)

    async def verify(self, encoded: str | None, password: str) -> bool:
        """None (no such user) costs the same and is false. Raises CorruptHash."""
        loop = asyncio.get_running_loop()
        known = _NOBODY if encoded is None else encoded
        matched = await loop.run_in_executor(self._pool, matches, known, password)
        return matched and encoded is not None

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=65536, parallelism=4, hash_len=32, salt_len=16)
