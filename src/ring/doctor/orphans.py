"""What belongs to the server and to nothing any more: told of, never a failure.

It is found beside the server, running or not, by what its database says that it knows.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from ring.core import orphans
from ring.core.errors import RingError
from ring.core.orphans import Held
from ring.doctor.report import Check, Probe, passed
from ring.runtimes.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ring.core.orphans import Known, Orphan
    from ring.runtimes.base import Runtime

NAME = "orphans"
WAY_OUT = "`ring node orphans` lists them, `ring node orphans --remove` removes what may go"
_PLURALS = {"directory": "directories"}


def on_engine(database: Path, name: str, opened: Callable[[], Runtime]) -> Probe:
    """Instances, networks and volumes of one engine."""
    return Probe(NAME, lambda: _on_engine(database, name, opened))


def in_files(database: Path, directory: Path) -> Probe:
    """Directories of files for instances. Those that are still mounted are told of, too."""
    return Probe(NAME, lambda: _in_files(database, directory))


async def _on_engine(database: Path, name: str, opened: Callable[[], Runtime]) -> Check:
    try:
        known = await asyncio.to_thread(_peek, database)
        if known is None:
            return passed(NAME, "none: the server has no database yet")
        runtime = opened()
        try:
            if not isinstance(runtime, Stock):
                return passed(NAME, "this engine is not looked through")
            held = Held(
                name,
                await runtime.list(),
                await runtime.networks(),
                await runtime.volumes(),
                await runtime.holders(),
            )
        finally:
            await runtime.close()
    except RingError as error:
        return passed(NAME, f"not looked for: {error.message}")
    return told(orphans.of_runtime(known, held, orphans.without_orphans(known, held)))


async def _in_files(database: Path, directory: Path) -> Check:
    from ring.engine.operating.files import Files

    try:
        known = await asyncio.to_thread(_peek, database)
        if known is None:
            return passed(NAME, "none: the server has no database yet")
        found = orphans.of_files(known, await Files(directory).kept(), ())
    except RingError as error:
        return passed(NAME, f"not looked for: {error.message}")
    return told(found)


def _peek(database: Path) -> Known | None:
    from ring.store.known import peek

    return peek(database) if database.exists() else None


def told(found: Iterable[Orphan]) -> Check:
    """How many there are of each kind."""
    counts = Counter(str(orphan.kind) for orphan in found)
    if not counts:
        return passed(NAME, "none")
    words = [_counted(count, kind) for kind, count in counts.items()]
    return passed(NAME, f"{', '.join(words)}: {WAY_OUT}")


def _counted(count: int, kind: str) -> str:
    return f"{count} {kind if count == 1 else _PLURALS.get(kind, kind + 's')}"
