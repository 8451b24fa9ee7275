"""All there is to know about a run that failed."""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING

from tests.kills.moments import is_sweep
from tests.kills.place import LOST

if TYPE_CHECKING:
    from tests.e2e.proxy import Call
    from tests.kills.outcome import Past
    from tests.kills.records import Records
    from tests.kills.stage import Stage

LOG_LINES = 40
_ID = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


def account(stage: Stage, past: Past, problem: BaseException) -> str:
    """What was wrong, the run so far, rows, events, containers, ledger and the server's log."""
    chance = stage.chance
    try:
        containers = [f"  {one.name} {one.id[:12]} {one.state}" for one in stage.containers()]
        now = stage.records()
    except LOST as error:  # an account of half is better than none
        return f"{problem}\n{error}"
    return "\n".join(
        [
            f"seed {chance.seed}: {chance.scenario.name} of {stage.namespace}: {problem}",
            *where(problem),
            f"moments: {chance.moments}; program: {chance.program[-1]}",
            f"kills: {'; '.join(fell.exactly for fell in past.fell)}",
            f"meanwhile: {chance.meddling.value or 'nothing'}, to {past.meddled}",
            f"crashed: {stage.victim}",
            f"before: {[*past.before]}",
            *(f"left by kill {n}:\n{of_records(left)}" for n, left in enumerate(past.left, 1)),
            f"now:\n{of_records(now)}",
            "containers:",
            *containers,
            "engine events:",
            *(f"  {one.at:.3f} {one.kind} {one.name} {one.id[:12]}" for one in stage.watch.all()),
            "engine calls:",
            *(f"  {call.number} {short(call)}" for call in stage.killer.proxy.calls),
            "server log:",
            *(f"  {line}" for line in stage.ring.log.read_text().splitlines()[-LOG_LINES:]),
        ]
    )


def short(call: Call) -> str:
    """A call: ids by their beginning; what a sweep asks for is always the same."""
    return _ID.sub(r"\1", call.path.partition("?")[0] if is_sweep(call) else f"{call}")


def where(problem: BaseException) -> list[str]:
    return [
        f"  at {frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(problem.__traceback__)
    ]


def of_records(records: Records) -> str:
    shown = (
        "id",
        "name",
        "status",
        "replicas",
        "revision",
        "restart_count",
        "halt_reason",
        "updated_at",
        "parent_id",
        "drain_target",
    )
    lines = [f"  row { ({key: row[key] for key in shown}) }" for row in records.rows]
    lines += [
        f"  entry {one['name']} {one['instance_id']} {one['phase']} {one['reason']} {one['since']}"
        for one in records.ledger
    ]
    lines += [
        f"  {one['timestamp']} {one['deployment_id'][:8]} {one['reason']}: {one['message']}"
        for one in records.events
    ]
    return "\n".join(lines)
