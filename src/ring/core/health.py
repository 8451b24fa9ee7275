"""The rules of health checks: which run when, what a result makes of a check's state.

Here and not in the planner: the prober decides by them between two passes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ring.core.model.health import CheckState
from ring.core.model.ledger import Phase
from ring.core.model.quantities import QuantityError, parse_duration
from ring.core.model.status import CREATING, Status

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment

PROBED = frozenset({Phase.SETTLING, Phase.LIVE})
"""Phases of an instance that is meant to work."""

INTERVAL_FLOOR_S = 0.2
DEFAULT_INTERVAL_S = 10.0
"""In place of a stored one that cannot be read."""


def has_run(row: Deployment) -> bool:
    """Whether what its checks say has consequences: it has been running, as committed."""
    if row.status is Status.RUNNING:
        return True
    return row.was_running and row.status not in CREATING


def running_checks(row: Deployment) -> tuple[int, ...]:
    """Indices of the checks that run on the row's live instances, by the row as committed."""
    if row.is_deleted:
        return ()
    counts = has_run(row)
    if row.is_job:
        return tuple(
            index
            for index, check in enumerate(row.spec.health_checks)
            if counts and not check.readiness
        )
    return tuple(
        index for index, check in enumerate(row.spec.health_checks) if counts or check.readiness
    )


def advance(state: CheckState | None, status: str, now: float, *, counts: bool) -> CheckState:
    """The state after a result that came at `now` (monotonic seconds).

    counts: the row had been running when the probe began (`has_run`).
    """
    if status == "success":
        since = state.ready_since if state is not None and state.is_green else None
        return CheckState(status, 0, now if since is None else since)
    failures = 0 if state is None else state.failures
    return CheckState(status, failures + 1 if counts else failures, None)


def fires(state: CheckState, threshold: int) -> bool:
    """The check's action is due; the counter then starts over (`fired`)."""
    return state.failures >= threshold


def fired(state: CheckState) -> CheckState:
    return replace(state, failures=0)


def interval_s(text: str) -> float | None:
    """Seconds between the starts of two probes; None: it cannot be read."""
    try:
        return max(INTERVAL_FLOOR_S, parse_duration(text) / 1000)
    except QuantityError:
        return None
