"""Saves what an instance wrote before it is removed: afterwards no runtime can tell why it ended.

Best effort, within a moment: nothing waits for it but the removal, and a failure loses the words.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.logs import LONGEST_LINE_BYTES
from ring.core.model.logs import LastWords, LogQuery
from ring.runtimes import base
from ring.runtimes.base import Gone, RuntimeFailure

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import InstanceId, InstanceName
    from ring.core.model.logs import LogLine
    from ring.runtimes.base import Runtime
    from ring.store.store import Store

log = logging.getLogger(__name__)

WITHIN_S = 2.0
TAIL = 1000  # lines
MOST_BYTES = 2 * LONGEST_LINE_BYTES  # of text; whole lines, which followers know again
READ_BYTES = 8 * MOST_BYTES
"""An engine tells the last lines from the first of them on. Of longer ones fewer are asked for:
many instances end at once, and a thousand lines may be 64 MiB, of which next to nothing is kept."""
LONG_TAIL = 200


async def save(
    store: Store, runtime: Runtime, row: Deployment, name: InstanceName, instance_id: InstanceId
) -> None:
    """Of an instance of this row that has ended; the last lines, as far as they fit. Never raises.

    Of a deployment that goes as a whole the engine is not asked for them.
    """
    if not isinstance(runtime, base.Logs) or not store.words.are_kept:
        return
    try:
        if not _has_reader(store, row):
            return
        async with asyncio.timeout(WITHIN_S):
            lines = await _last_lines(runtime, instance_id)
            if lines:
                await store.words.keep(row.key, LastWords(instance_id, name, tuple(lines)))
    except Gone:
        return
    except (TimeoutError, RuntimeFailure, HostError) as error:
        log.info("what instance %s wrote last is lost: %s", name, error or "no answer in time")
    except Exception:
        # The instance is removed whatever a defect makes of its words.
        log.exception("what instance %s wrote last is lost", name)


def _has_reader(store: Store, row: Deployment) -> bool:
    """Whether the deployment is there for more than its end: it may go since this one's began. What
    has its name in a namespace that was made anew since is somebody else's. Raises HostError."""
    now = store.rows(row.key)
    if any(one.id == row.id and not one.is_deleted for one in now):
        return True
    if all(one.is_deleted for one in now):
        return False
    namespace = store.namespace(row.spec.namespace)
    return namespace is not None and namespace.created_at <= row.created_at


async def _last_lines(runtime: base.Logs, instance_id: InstanceId) -> deque[LogLine]:
    lines, is_whole = await _read(runtime, instance_id, TAIL, READ_BYTES)
    if not is_whole:
        lines, _ = await _read(runtime, instance_id, LONG_TAIL)
    return lines


async def _read(
    runtime: base.Logs, instance_id: InstanceId, tail: int, most: float = math.inf
) -> tuple[deque[LogLine], bool]:
    """As many of them as fit; False: there are more bytes than it may read."""
    lines: deque[LogLine] = deque()
    size = read = 0
    async with contextlib.aclosing(runtime.logs(instance_id, LogQuery(tail=tail))) as told:
        async for batch in told:
            lines.extend(batch)
            new = sum(map(_bytes, batch))
            size, read = size + new, read + new
            if read > most:
                return lines, False
            while size > MOST_BYTES and len(lines) > 1:
                size -= _bytes(lines.popleft())
    return lines, True


def _bytes(line: LogLine) -> int:
    return len(line.message.encode(errors="replace"))
