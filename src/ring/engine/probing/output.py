"""What a command wrote before it failed, as far as it may be told.

It may quote what the instance was given, so every secret of it is taken out: those in its
environment as the instance has them, and those mounted into it as they are stored. Where they
cannot be known the output is kept back.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from ring.core.errors import RingError
from ring.core.model.spec import SecretRef
from ring.engine.operating.scrubbing import scrubbed_end
from ring.runtimes.base import KEPT_OUTPUT_BYTES, Execs

if TYPE_CHECKING:
    from collections.abc import Collection

    from ring.core.model.deployment import Deployment
    from ring.core.model.observed import Instance
    from ring.runtimes.base import Runtime

log = logging.getLogger(__name__)

LOOK_UP_S = 5.0
KEPT_BACK = "(its output is not shown: the secrets that it may quote cannot be told)"


class Mounted(Protocol):
    """Values of the secrets that are mounted into an instance; None: they cannot be told."""

    async def __call__(self, row: Deployment, instance: Instance) -> Collection[str] | None: ...


async def told(
    runtime: Runtime, row: Deployment, instance: Instance, written: str, mounted: Mounted
) -> str:
    """One line of it, possibly empty. Waits at most LOOK_UP_S seconds for the engine."""
    if not written.strip():
        return ""
    try:
        async with asyncio.timeout(LOOK_UP_S):
            hidden = await _hidden(runtime, row, instance, mounted)
    except (TimeoutError, RingError) as error:
        log.info("the output of a check in instance %s is kept back: %s", instance.name, error)
        hidden = None
    if hidden is None:
        return KEPT_BACK
    is_cut = len(written.encode()) > KEPT_OUTPUT_BYTES - 4  # a character may have been cut, too
    text = scrubbed_end(written, hidden, is_cut=is_cut)
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


async def _hidden(
    runtime: Runtime, row: Deployment, instance: Instance, mounted: Mounted
) -> list[str] | None:
    hidden: list[str] = []
    names = [name for name, value in row.spec.environment.items() if isinstance(value, SecretRef)]
    if names and isinstance(runtime, Execs):
        environment = await runtime.environment(instance.id)
        hidden += [environment[name] for name in names if name in environment]
    if any(volume.type == "secret" for volume in row.spec.volumes):
        # Asked for again: a listing tells only the second in which it was made.
        values = await mounted(row, await runtime.inspect(instance.id))
        if values is None:
            return None
        hidden += values
    return hidden
