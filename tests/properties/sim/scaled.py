"""Invariants of the autoscaler: its bounds, its steps, its pauses, and whom it leaves alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.model.status import Status
from tests.properties.sim.violation import require

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId
    from ring.core.plan.view import Plan
    from tests.properties.sim.world import World

PAUSE_S = {1: 60.0, -1: 300.0}
"""Between two actions, by the direction of the later one."""
GRAIN_S = 0.01


@dataclass(frozen=True, slots=True)
class Known:
    """A row as it was after the step before."""

    row: Deployment
    is_alone: bool
    acted_at: float | None
    jumps: int


@dataclass(slots=True)
class Scaled:
    world: World
    known: dict[DeploymentId, Known] = field(default_factory=dict)

    def hold(self) -> None:
        rows = self.world.store.deployments()
        parents = {row.parent_id for row in rows if not row.is_deleted}
        seen: dict[DeploymentId, Known] = {}
        for row in rows:
            policy = row.spec.autoscale
            if policy is None:
                continue
            if not row.retired_count and not row.stopped:
                require(
                    policy.min <= row.full_target <= policy.max,
                    f"19: {row.full_target} is not within {policy.min} and {policy.max}",
                )
            alone = row.parent_id is None and row.id not in parents
            known = self.known.get(row.id)
            now = Known(row, alone, None, self.world.clock.jumps)
            if known is not None:
                now = Known(row, alone, known.acted_at, known.jumps)
                if row.desired_replicas != known.row.desired_replicas:
                    now = self._acted(known, row, alone=alone)
            seen[row.id] = now
        self.known = seen

    def committed(self, made: Plan) -> None:
        """Of each commit, because much may come of a row within one step."""
        for change in made.rows:
            before, after = change.before, change.after
            if after.desired_replicas != before.desired_replicas:
                running = before.status is Status.RUNNING
                require(running, f"10: scaled while it is {before.status}")

    def _acted(self, known: Known, row: Deployment, *, alone: bool) -> Known:
        now, jumps = self.world.loop.time(), self.world.clock.jumps
        policy, before = row.spec.autoscale, known.row
        assert policy is not None
        assert row.desired_replicas is not None, "19: the autoscaler forgets"
        old = before.spec.replicas if before.desired_replicas is None else before.desired_replicas
        step = row.desired_replicas - old
        if not policy.min <= old <= policy.max:
            bound = min(max(old, policy.min), policy.max)
            require(row.desired_replicas == bound, f"19: {old} → {row.desired_replicas}")
        else:
            require(abs(step) == 1, f"19: scaled from {old} to {row.desired_replicas}")
            require(known.is_alone or alone, "8.2: scaled while it rolls")
            if known.acted_at is not None and known.jumps == jumps:
                pause_s = now - known.acted_at
                require(
                    pause_s >= PAUSE_S[step] - GRAIN_S,
                    f"19: scaled by {step} after {pause_s:.1f} s",
                )
        return Known(row, alone, now, jumps)
