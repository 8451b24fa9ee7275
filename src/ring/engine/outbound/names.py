"""Resolves names beside the loop, so that a name server that hangs holds up nobody else.

Each look-up has a thread of its own, which nothing can end early and nobody waits for: neither
the next look-up of another name, nor the end of the process.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from typing import TYPE_CHECKING, Final

from ring.store.webhooks import MOST_ACTIVE

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.security.destinations import Address

AT_ONCE: Final = MOST_ACTIVE
"""Look-ups; those of one name are one. A name server may hang for longer than an attempt lasts:
with fewer than there may be hooks, those of one owner would keep all others from a look-up."""


class Names:
    def __init__(self, getaddrinfo: Callable[..., list[tuple[object, ...]]] | None = None) -> None:
        self._getaddrinfo = getaddrinfo or socket.getaddrinfo
        self._under_way: dict[str, asyncio.Future[tuple[Address, ...]]] = {}
        self._free = asyncio.Semaphore(AT_ONCE)

    async def addresses(self, name: str) -> tuple[Address, ...]:
        """All of them, in the order of preference. Raises OSError, UnicodeError.

        Waits for as long as its caller does.
        """
        found = self._under_way.get(name)
        if found is None:
            await self._free.acquire()
            found = self._under_way.get(name)
            if found is None:
                found = self._begin(name)
            else:
                self._free.release()
        return await asyncio.shield(found)

    def _begin(self, name: str) -> asyncio.Future[tuple[Address, ...]]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Address, ...]] = loop.create_future()
        self._under_way[name] = future

        def ended(found: tuple[Address, ...] | Exception) -> None:
            del self._under_way[name]
            self._free.release()
            if isinstance(found, Exception):
                future.set_exception(found)
                future.exception()  # nobody may be waiting any more
            else:
                future.set_result(found)

        def look_up() -> None:
            answer: tuple[Address, ...] | Exception
            try:
                answer = self._look_up(name)
            except (OSError, UnicodeError, ValueError) as error:
                answer = error
            try:
                loop.call_soon_threadsafe(ended, answer)
            except RuntimeError:  # the loop is gone
                return

        threading.Thread(target=look_up, name="ring-names", daemon=True).start()
        return future

    def _look_up(self, name: str) -> tuple[Address, ...]:
        found = self._getaddrinfo(name, None, type=socket.SOCK_STREAM)
        texts = [str(entry[-1][0]) for entry in found]  # type: ignore[index]  # a socket's address
        # A zone only says by which link an address is reached that is refused anyway.
        return tuple(dict.fromkeys(ipaddress.ip_address(text.partition("%")[0]) for text in texts))
