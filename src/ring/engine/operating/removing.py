"""Ends instances: stop, then remove; gone already is success."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ring.core.model.ids import short_id
from ring.core.model.stopping import LONGEST_GRACE_S
from ring.runtimes.base import RuntimeFailure, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ring.core.model.ids import InstanceId
    from ring.core.model.observed import Instance
    from ring.core.model.operations import RemoveInstance, StartInstance
    from ring.runtimes.base import Runtime

log = logging.getLogger(__name__)

SHORT_CALL_S = 30.0
CLEAN_UP_S = 15.0


def removal_limit_s(action: RemoveInstance) -> float:
    """Longest that the removal may take."""
    grace_s = LONGEST_GRACE_S if action.grace_s is None else action.grace_s
    return grace_s + SHORT_CALL_S


async def remove(
    runtime: Runtime,
    action: RemoveInstance,
    ended: Callable[[InstanceId], Awaitable[None]] | None = None,
) -> None:
    """The instance of the action. Raises RuntimeFailure.

    ended: called once it has stopped, while it is still there; never raises.
    """
    instance_id = action.instance_id
    if instance_id is None:
        found = await runtime.find(action.name)
        if found is None or not is_made_by(action, found):
            return
        instance_id = found.id
    if action.stop:
        await _stop(runtime, instance_id, action.grace_s)
    if ended is not None:
        await ended(instance_id)
    await runtime.remove(instance_id)


async def clear(runtime: Runtime, action: StartInstance, made: Instance | None = None) -> bool:
    """What a start that failed may have made, at once; True: nothing is left for certain.

    made: what it knows to have made, which may have been given another name by hand.
    """
    try:
        async with asyncio.timeout(CLEAN_UP_S):
            found = await runtime.find(action.name)
            ours = {made.id} if made is not None else set()
            if found is not None and is_made_by(action, found):
                ours.add(found.id)
            for instance_id in ours:
                await _stop(runtime, instance_id, 0)
                await runtime.remove(instance_id)
    except (TimeoutError, RuntimeFailure):
        return False
    return True


def is_made_by(action: StartInstance | RemoveInstance, found: Instance) -> bool:
    """What bears the action's name was made under it, and is not somebody else's."""
    return found.deployment_id == action.deployment_id and found.made_as in {None, action.name}


async def _stop(runtime: Runtime, instance_id: InstanceId, grace_s: float | None) -> None:
    """An instance that cannot be stopped is still to be removed, by force then."""
    try:
        await runtime.stop(instance_id, grace_s)
    except Unavailable:
        raise
    except RuntimeFailure as error:
        log.info("instance %s cannot be stopped: %s", short_id(instance_id), error)
