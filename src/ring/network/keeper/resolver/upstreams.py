"""The servers that the host itself asks, as its files name them at the time."""

from __future__ import annotations

import contextlib
import ipaddress
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from pathlib import Path

MOST: Final = 3
"""More are not asked: resolv.conf(5)."""
SHUNNED_S: Final = 30.0
"""How long one that does not answer is asked last."""
SILENCES: Final = 3
"""Queries in a row without an answer that make it such a one: a single name whose own servers are
silent says nothing about the one that was asked for it."""
_MOST_BYTES: Final = 65536


@dataclass(slots=True)
class _Standing:
    answers: int = 0
    silences: int = 0
    """Since the last answer."""
    shunned_until: float = 0.0


class Upstreams:
    """Reads the files again when they have changed, which a query finds out for a few µs."""

    def __init__(
        self, files: tuple[Path, Path], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """files: the host's own, and the one with the real servers where that has only a stub."""
        self._files = files
        self._clock = clock
        self._seen: tuple[object, ...] | None = None
        self._servers: list[str] = []
        self._standings: dict[str, _Standing] = {}

    def servers(self, besides: Container[str] = ()) -> list[str]:
        """Addresses, in the order to be asked; none of `besides`, which would be this one."""
        signs = tuple(map(_sign, self._files))
        if signs != self._seen:
            self._seen = signs
            self._servers = _read(*self._files)
            self._standings = {server: _Standing() for server in self._servers}
        now = self._clock()
        servers = [server for server in self._servers if server not in besides][:MOST]
        return sorted(servers, key=lambda server: self._standings[server].shunned_until > now)

    def answers(self, server: str) -> int:
        """How many it has given."""
        standing = self._standings.get(server)
        return standing.answers if standing is not None else 0

    def answered(self, server: str) -> None:
        """Whatever that was, it is there."""
        if (standing := self._standings.get(server)) is not None:
            self._standings[server] = _Standing(standing.answers + 1)

    def was_silent(self, server: str, answers: int) -> None:
        """answers: how many it had given when it was asked. When it gave others meanwhile, the
        silence was about that one name."""
        standing = self._standings.get(server)
        if standing is None or standing.answers != answers:
            return
        standing.silences += 1
        if standing.silences >= SILENCES:
            standing.shunned_until = self._clock() + SHUNNED_S


def _sign(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _read(own: Path, behind: Path) -> list[str]:
    servers = _named_in(own)
    if servers and all(ipaddress.ip_address(one).is_loopback for one in servers):
        return _named_in(behind) or servers
    return servers


def _named_in(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(_MOST_BYTES).splitlines()
    except OSError:
        return []
    servers = []
    for line in lines:
        match line.split():
            case ["nameserver", server, *_]:
                with contextlib.suppress(ValueError):
                    servers.append(str(ipaddress.ip_address(server)))
    return list(dict.fromkeys(servers))
