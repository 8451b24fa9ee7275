"""Where every check of every instance stands, group by group, and what has fired since."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from ring.core import health
from ring.core.model.health import CheckState, Fired, SavedState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ring.clock import Clock
    from ring.core.model.ids import DeploymentId, GroupKey, InstanceId, InstanceName


@dataclass(frozen=True, slots=True)
class Pair:
    """One check of one instance."""

    key: GroupKey
    deployment_id: DeploymentId
    instance_id: InstanceId
    name: InstanceName
    index: int
    """Of the deployment's list of checks."""


@dataclass(slots=True)
class _Group:
    checks: dict[InstanceId, dict[int, CheckState]] = field(default_factory=dict)
    fired: dict[tuple[InstanceId, int], Fired] = field(default_factory=dict)
    """In the order they fired. One that fires again before anybody acted is one."""


class States:
    """Loop thread only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._groups: dict[GroupKey, _Group] = {}
        self._numbers = itertools.count(1)

    def load(self, key: GroupKey, saved: SavedState) -> None:
        """What an earlier server knew. A time in the future is taken as now."""
        since = None
        if saved.status == "success":
            at = saved.ready_since or self._clock.wall()
            elapsed_s = (self._clock.wall() - at).total_seconds()
            since = self._clock.mono() - max(0.0, elapsed_s)
        state = CheckState(saved.status, saved.failures, since, saved.health, saved.streak)
        self._of(key).checks.setdefault(saved.instance_id, {})[saved.check_index] = state

    def saved(self, pair: Pair, state: CheckState) -> SavedState:
        since = None
        if state.ready_since is not None:
            elapsed_s = self._clock.mono() - state.ready_since
            since = self._clock.wall() - timedelta(seconds=elapsed_s)
        return SavedState(
            pair.deployment_id,
            pair.instance_id,
            pair.index,
            state.status,
            state.failures,
            since,
            state.health,
            state.streak,
        )

    def groups(self) -> Collection[GroupKey]:
        return self._groups.keys()

    def of(self, key: GroupKey) -> Mapping[InstanceId, Mapping[int, CheckState]]:
        """As it is now; what comes later does not change what was handed out."""
        group = self._groups.get(key)
        return {} if group is None else {one: dict(of) for one, of in group.checks.items()}

    def fired(self, key: GroupKey) -> tuple[Fired, ...]:
        group = self._groups.get(key)
        return () if group is None else tuple(group.fired.values())

    def take(
        self, pair: Pair, status: str, *, counts: bool
    ) -> tuple[CheckState | None, CheckState]:
        """A result: the state before and after it."""
        states = self._of(pair.key).checks.setdefault(pair.instance_id, {})
        before = states.get(pair.index)
        after = health.advance(before, status, self._clock.mono(), counts=counts)
        states[pair.index] = after
        return before, after

    def judge(self, pair: Pair, threshold: int, *, is_spared: bool) -> CheckState:
        """What the result just taken makes of its health: the state after it."""
        states = self._of(pair.key).checks[pair.instance_id]
        states[pair.index] = health.judged(states[pair.index], threshold, is_spared=is_spared)
        return states[pair.index]

    def fire(self, pair: Pair, message: str) -> CheckState:
        """The threshold is reached: an action is due, and the counter starts over."""
        group = self._of(pair.key)
        about = (pair.instance_id, pair.index)
        group.fired.pop(about, None)
        group.fired[about] = Fired(
            next(self._numbers),
            pair.deployment_id,
            pair.name,
            pair.instance_id,
            pair.index,
            message,
        )
        after = health.fired(group.checks[pair.instance_id][pair.index])
        group.checks[pair.instance_id][pair.index] = after
        return after

    def acted(self, key: GroupKey, ids: Iterable[int]) -> None:
        group = self._groups.get(key)
        done = set(ids)
        if group is not None and done:
            group.fired = {about: f for about, f in group.fired.items() if f.id not in done}

    def keep_only(self, key: GroupKey, instances: Collection[InstanceId]) -> list[InstanceId]:
        """Drops those of all other instances of the group: which they were."""
        group = self._groups.get(key)
        if group is None:
            return []
        gone = [one for one in group.checks if one not in instances]
        for one in gone:
            del group.checks[one]
        if gone:
            group.fired = {about: f for about, f in group.fired.items() if about[0] in instances}
        if not group.checks:
            del self._groups[key]
        return gone

    def _of(self, key: GroupKey) -> _Group:
        return self._groups.setdefault(key, _Group())
