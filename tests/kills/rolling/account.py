"""All there is to know about a run that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.kills.account import LOG_LINES, of_records, short, where
from tests.kills.place import LOST

if TYPE_CHECKING:
    from tests.kills.outcome import Past
    from tests.kills.rolling.stage import Stage


def account(stage: Stage, past: Past, problem: BaseException) -> str:
    """What was wrong, the run so far, rows, events, containers, ledger and the server's log."""
    chance, place = stage.chance, stage.place
    try:
        containers = [
            f"  {one.name} {one.id[:12]} {one.state} of {one.deployment_id}"
            for one in place.containers()
        ]
        now = place.records()
    except LOST as error:  # an account of half is better than none
        return f"{problem}\n{error}"
    return "\n".join(
        [
            f"seed {chance.seed}: rolling of {place.namespace}, {chance.fault.value}: {problem}",
            *where(problem),
            f"{chance}",
            f"kills: {'; '.join(fell.exactly for fell in past.fell)}",
            f"old: { ({name: row['id'] for name, row in stage.old.items()}) }",
            *(f"left by kill {n}:\n{of_records(left)}" for n, left in enumerate(past.left, 1)),
            f"now:\n{of_records(now)}",
            "containers:",
            *containers,
            "engine events:",
            *(
                f"  {one.at:.3f} {one.kind} {one.name} {one.id[:12]} of {one.deployment_id[:8]}"
                for one in place.watch.all()
            ),
            "engine calls:",
            *(f"  {call.number} {short(call)}" for call in place.killer.proxy.calls),
            "server log:",
            *(f"  {line}" for line in place.ring.log.read_text().splitlines()[-LOG_LINES:]),
        ]
    )
