"""Saves what an instance wrote before it is removed: afterwards no runtime can tell why it ended.

Best effort, within a moment: nothing waits for it but the removal, and a failure loses the words.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.model.logs import LastWords, LogQuery
from ring.runtimes import base
from ring.runtimes.base import Gone, RuntimeFailure

if TYPE_CHECKING:
    from ring.core.model.ids import GroupKey, InstanceId, InstanceName
    from ring.core.model.logs import LogLine
    from ring.runtimes.base import Runtime
    from ring.store.store import Store

log = logging.getLogger(__name__)

WITHIN_S = 2.0
TAIL = 1000  # lines
LONGEST_LINE = 4096  # characters
MOST_BYTES = 128 * 1024  # of text


async def save(
    store: Store, runtime: Runtime, key: GroupKey, name: InstanceName, instance_id: InstanceId
) -> None:
    """Of an instance that has ended; the last lines, as far as they fit. Never raises."""
    if not isinstance(runtime, base.Logs) or not store.words.are_kept:
        return
    try:
        async with asyncio.timeout(WITHIN_S):
            lines = await _last_lines(runtime, instance_id)
            if lines:
                await store.words.keep(key, LastWords(instance_id, name, tuple(lines)))
    except Gone:
        return
    except (TimeoutError, RuntimeFailure, HostError) as error:
        log.info("what instance %s wrote last is lost: %s", name, error or "no answer in time")
    except Exception:
        # The instance is removed whatever a defect makes of its words.
        log.exception("what instance %s wrote last is lost", name)


async def _last_lines(runtime: base.Logs, instance_id: InstanceId) -> deque[LogLine]:
    lines: deque[LogLine] = deque()
    size = 0
    async with contextlib.aclosing(runtime.logs(instance_id, LogQuery(tail=TAIL))) as told:
        async for batch in told:
            for line in batch:
                kept = _cut(line)
                lines.append(kept)
                size += _bytes(kept)
            while size > MOST_BYTES:
                size -= _bytes(lines.popleft())
    return lines


def _cut(line: LogLine) -> LogLine:
    too_long = len(line.message) > LONGEST_LINE
    return line._replace(message=line.message[:LONGEST_LINE]) if too_long else line


def _bytes(line: LogLine) -> int:
    return len(line.message.encode(errors="replace"))
