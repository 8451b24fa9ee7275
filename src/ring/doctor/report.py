"""What doctor finds: lines under titles."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

PROBE_S = 5.0
"""For each look at something outside this process; all of them run at once."""


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    ok: bool
    detail: str

    def __str__(self) -> str:
        return f"  [{'+' if self.ok else '-'}] {self.name}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


def passed(name: str, detail: str) -> Check:
    return Check(name, True, detail)


def failed(name: str, detail: str) -> Check:
    return Check(name, False, detail)


@dataclass(frozen=True, slots=True)
class Probe:
    """A check to be made, and its name in case it is not made in time."""

    name: str
    look: Callable[[], Awaitable[Check]]


def quick(name: str, look: Callable[[], Check]) -> Probe:
    """A check that only looks at files; on a thread, for a file system may hang."""
    return Probe(name, lambda: asyncio.to_thread(look))


def told(check: Check) -> Probe:
    """A check that is known already."""

    async def tell() -> Check:
        return check

    return Probe(check.name, tell)


async def examined(title: str, probes: Iterable[Probe]) -> Group:
    """All probes at once, each under PROBE_S, in their order."""
    return Group(title, tuple(await asyncio.gather(*(_bounded(probe) for probe in probes))))


async def _bounded(probe: Probe) -> Check:
    try:
        async with asyncio.timeout(PROBE_S):
            return await probe.look()
    except TimeoutError:
        return failed(probe.name, f"no answer within {PROBE_S:g} s")
    except OSError as error:
        return failed(probe.name, f"cannot be looked at: {(error.strerror or str(error)).lower()}")
