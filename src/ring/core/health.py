"""The rules of health checks: which run when, what a result makes of a check's state.

Here and not in the planner: the prober decides by them between two passes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ring.core.model.health import CheckState, Health
from ring.core.model.ledger import Phase
from ring.core.model.quantities import QuantityError, parse_duration
from ring.core.model.status import CREATING, Status

if TYPE_CHECKING:
    from datetime import datetime

    from ring.core.model.deployment import Deployment
    from ring.core.model.spec import CommandCheck, DeploymentSpec, HealthCheck

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
    state = state or CheckState(status)
    if status == "success":
        since = state.ready_since if state.is_green else None
        return replace(
            state, status=status, failures=0, ready_since=now if since is None else since
        )
    failures = state.failures + 1 if counts else state.failures
    return replace(state, status=status, failures=failures, ready_since=None)


def judged(state: CheckState, threshold: int, *, is_spared: bool) -> CheckState:
    """The state, advanced by a result just now, with the health and the streak that it brings.

    is_spared: it came within the start period (`is_spared`), which ends with the first success.
    """
    if state.is_green:
        return replace(state, health=Health.HEALTHY, streak=0)
    if state.health is Health.STARTING and is_spared:
        return state
    streak = min(state.streak + 1, threshold)
    return replace(
        state, health=Health.UNHEALTHY if streak >= threshold else state.health, streak=streak
    )


def is_spared(check: HealthCheck, created_at: datetime, began_at: datetime) -> bool:
    """Whether a probe that began then did so within the check's start period. What began before its
    instance was made did not: a clock that was set back spares nothing for ever."""
    if check.start_period is None:
        return False
    try:
        period_s = parse_duration(check.start_period) / 1000
    except QuantityError:
        return False
    return 0 <= (began_at - created_at).total_seconds() < period_s


def shown_check(spec: DeploymentSpec) -> CommandCheck | None:
    """The first readiness command: what engines show as the health of the instances, for others to
    watch. None: they show nothing that is the deployment's."""
    for check in spec.health_checks:
        if check.readiness and check.type == "command":
            return check
    return None


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
