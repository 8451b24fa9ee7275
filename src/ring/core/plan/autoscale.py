"""The autoscaler's rules: from a row, its load and its last step to how many it is to have next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.core.model.status import Status
from ring.core.plan.lineage import children_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ring.core.model.deployment import Deployment
    from ring.core.model.spec import Autoscale

DEAD_BAND = 10.0  # percent points around the target, bounds included
UP_REST_S = 60.0
DOWN_REST_S = 300.0


@dataclass(frozen=True, slots=True)
class Step:
    before: int
    after: int
    message: str

    @property
    def reason(self) -> str:
        return "scale_up" if self.after > self.before else "scale_down"


def is_autoscaled(row: Deployment, group: Iterable[Deployment]) -> bool:
    """Whether the autoscaler decides for it now: never in the middle of a rolling update."""
    children = (child for child in children_of(row, group) if not child.is_deleted)
    return (
        row.spec.autoscale is not None
        and row.status is Status.RUNNING
        and row.parent_id is None
        and not row.stopped
        and next(children, None) is None
    )


def decide(row: Deployment, cpu: float | None, rested_s: float) -> Step | None:
    """None: it stays as it is.

    cpu: percent of a core that one instance takes on average, None where nobody knows. rested_s:
    seconds since the last step, infinite where there was none.
    """
    policy = row.spec.autoscale
    if policy is None:
        return None
    usable = cpu if cpu is not None and math.isfinite(cpu) and cpu >= 0 else None
    current = row.spec.replicas if row.desired_replicas is None else row.desired_replicas
    bound = min(max(current, policy.min), policy.max)
    if bound != current:
        return _step(current, bound, usable, policy)
    if usable is None:
        return None
    over = usable - policy.target_cpu
    if over > DEAD_BAND and current < policy.max and rested_s >= UP_REST_S:
        return _step(current, current + 1, usable, policy)
    if over < -DEAD_BAND and current > policy.min and rested_s >= DOWN_REST_S:
        return _step(current, current - 1, usable, policy)
    return None


def _step(before: int, after: int, cpu: float | None, policy: Autoscale) -> Step:
    message = f"Autoscaled from {before} to {after} instances"
    if cpu is not None:
        message += f" (average CPU {cpu:.1f}% against a {policy.target_cpu:g}% target)"
    return Step(before, after, message)
