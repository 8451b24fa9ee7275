"""What probes have really said, kept apart from the engine's own book-keeping."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.model.ledger import Phase
from ring.core.model.quantities import parse_duration
from ring.core.model.status import CREATING, Status
from tests.properties.sim.violation import require

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from ring.core.model.deployment import Deployment
    from ring.core.model.health import Fired, SavedState
    from ring.core.model.ids import InstanceId, InstanceName
    from ring.core.model.ledger import Entry
    from ring.core.model.observed import Instance
    from ring.core.model.spec import DeploymentSpec

Key = tuple["InstanceId", int]
DEFAULT_WINDOW_S = 10.0
GRAIN_S = 0.01


@dataclass(slots=True)
class Said:
    """One check of one instance."""

    is_green: bool = False
    green_since: float = 0.0
    jumps: int = 0
    """How often the wall clock had jumped when it turned green."""
    failures: int = 0
    """Of probes that began when the row had been running; nothing but success and an action ends
    the row of them."""


@dataclass(slots=True)
class Truth:
    said: dict[Key, Said] = field(default_factory=dict)
    _open: dict[Key, int] = field(default_factory=dict)
    """Thresholds of checks that have fired, and whose action is in no committed plan yet."""

    def told(self, key: Key, status: str, now: float, *, counts: bool, jumps: int) -> None:
        one = self.said.setdefault(key, Said())
        if status == "success":
            if not one.is_green:
                one.green_since, one.jumps = now, jumps
            one.is_green, one.failures = True, 0
        else:
            one.is_green = False
            one.failures += counts

    def restarted(
        self, saved: Iterable[SavedState], wall: datetime, now: float, jumps: int
    ) -> None:
        """A new process knows what the old one had stored: results are stored in batches, and the
        last moment's go with it."""
        stored = {(one.instance_id, one.check_index): one for one in saved}
        for key, said in self.said.items():
            said.is_green = False
            if (one := stored.get(key)) is not None:
                age_s = (wall - (one.ready_since or wall)).total_seconds()
                said.is_green = one.status == "success"
                said.green_since, said.jumps = now - max(0.0, age_s), jumps
                said.failures = max(said.failures, one.failures)

    def keep_only(self, instances: Collection[InstanceId]) -> None:
        for key in [key for key in self.said if key[0] not in instances]:
            del self.said[key]

    # actions
    def fired(self, key: Key, threshold: int) -> None:
        """12: as many failures in a row as the threshold says, for each action."""
        said = self.said.setdefault(key, Said())
        require(
            said.failures >= threshold,
            f"12: an action after {said.failures} of {threshold} failures of {key}",
        )
        said.failures -= threshold
        self._open[key] = threshold

    def acted(self, fired: Iterable[Fired]) -> None:
        for one in fired:
            self._open.pop((one.instance_id, one.check_index), None)

    def killed(self) -> None:
        """What had fired and was not acted on may fire again: its failures were there."""
        for key, threshold in self._open.items():
            self.said.setdefault(key, Said()).failures += threshold
        self._open.clear()

    # readiness
    def greens(self, spec: DeploymentSpec, instance_id: InstanceId | None) -> list[Said]:
        return [
            self.said.get((instance_id, index), Said()) if instance_id is not None else Said()
            for index in readiness(spec)
        ]


def readiness(spec: DeploymentSpec) -> list[int]:
    """Indices of its readiness checks."""
    if spec.kind == "job":
        return []
    return [index for index, check in enumerate(spec.health_checks) if check.readiness]


def window_s(spec: DeploymentSpec) -> float:
    """For how long they must have been green."""
    asked = [
        parse_duration(check.min_healthy_time) / 1000
        for check in spec.health_checks
        if check.readiness and check.min_healthy_time is not None
    ]
    silent = any(c.readiness and c.min_healthy_time is None for c in spec.health_checks)
    return max([*asked, *([DEFAULT_WINDOW_S] if silent and not asked else [])], default=0.0)


def forgiving_s(spec: DeploymentSpec) -> float:
    return window_s(spec) if readiness(spec) else DEFAULT_WINDOW_S


def has_run(row: Deployment) -> bool:
    """Whether the results of its checks have consequences."""
    return row.status is Status.RUNNING or (row.was_running and row.status not in CREATING)


def is_up(entry: Entry, instances: Mapping[InstanceName, Instance]) -> bool:
    """Live, as the ledger and the listing say."""
    instance = instances.get(entry.name)
    return entry.phase is Phase.LIVE and instance is not None and instance.is_live
