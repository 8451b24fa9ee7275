"""Ends instances: stop, then remove; gone already is success."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ring.runtimes.base import RuntimeFailure, Unavailable

if TYPE_CHECKING:
    from ring.core.model.ids import InstanceId
    from ring.core.model.operations import RemoveInstance, StartInstance
    from ring.runtimes.base import Runtime

log = logging.getLogger(__name__)

SHORT_CALL_S = 30.0
CLEAN_UP_S = 15.0


async def remove(runtime: Runtime, action: RemoveInstance) -> None:
    """The instance of the action. Raises RuntimeFailure."""
    instance_id = action.instance_id
    if instance_id is None:
        found = await runtime.find(action.name)
        if found is None or found.deployment_id != action.deployment_id:
            return
        instance_id = found.id
    if action.stop:
        await _stop(runtime, instance_id, action.grace_s)
    await runtime.remove(instance_id)


async def clear(runtime: Runtime, action: StartInstance) -> bool:
    """What a start that failed may have made, at once; True: nothing is left for certain."""
    try:
        async with asyncio.timeout(CLEAN_UP_S):
            found = await runtime.find(action.name)
            if found is not None and found.deployment_id == action.deployment_id:
                await _stop(runtime, found.id, 0)
                await runtime.remove(found.id)
    except (TimeoutError, RuntimeFailure):
        return False
    return True


async def _stop(runtime: Runtime, instance_id: InstanceId, grace_s: float) -> None:
    """An instance that cannot be stopped is still to be removed, by force then."""
    try:
        await runtime.stop(instance_id, grace_s)
    except Unavailable:
        raise
    except RuntimeFailure as error:
        log.info("instance %s cannot be stopped: %s", instance_id[:12], error)
