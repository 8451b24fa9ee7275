"""The table of instances that a runtime is known to hold: by id, with the moment of each fact.

A listing that was asked for before a fact was learnt does not overrule it. An instance keeps its
place when somebody renames it, and a name that another one bears by now is that one's.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ring.core.model.observed import Exit, Instance, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from ring.core.model.ids import DeploymentId, InstanceId, InstanceName

EXPLAINED_S = 60.0  # an end later than this after a signal is the program's own
CLOCK_SLACK_S = 1.0  # an end may be stamped a little before the signal that brought it
DECISIVE = frozenset({"Died", "Signalled"})
LATE_S = 60.0  # events do not overtake each other by more
EVENTS_KEPT = 8  # of each instance, to tell those that come twice
ENDED_KEPT = 256  # instances; as many as questions are under way


@dataclass(slots=True)
class Known:
    instance: Instance
    learnt: float
    """Monotonic seconds."""
    heard: deque[tuple[str, datetime]] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    """Kind and time of the last events applied."""
    signalled_at: datetime | None = None
    oom_at: datetime | None = None
    is_doubtful: bool = False
    """Learnt from an answer to a question of before, while nobody was watching: it may have ended
    unseen since. A listing that was asked for later tells."""

    def is_explained(self, end_at: datetime | None) -> bool:
        """Somebody sent it a signal shortly before it ended."""
        return _brings(self.signalled_at, end_at)

    def ran_out(self, end_at: datetime | None) -> bool:
        """It, or a child that it outlived, ran out of memory shortly before it ended."""
        return _brings(self.oom_at, end_at)

    def is_late(self, kind: str, at: datetime) -> bool:
        """Applied already, or older than what was. Otherwise it is remembered as applied.

        A clock that was set back makes everything look old. That may cost a pause its mark until
        the next listing; ends, and the signals before them, are heard in any case.
        """
        if (kind, at) in self.heard:
            return True
        if self.heard and kind not in DECISIVE:
            behind_s = (self.heard[-1][1] - at).total_seconds()
            if 0 < behind_s <= LATE_S:
                return True
        self.heard.append((kind, at))
        return False

    @property
    def has_ended(self) -> bool:
        return self.instance.state is State.EXITED


def _brings(cause_at: datetime | None, end_at: datetime | None) -> bool:
    if cause_at is None or end_at is None:
        return cause_at is not None
    after_s = (end_at - cause_at).total_seconds()
    return -CLOCK_SLACK_S <= after_s <= EXPLAINED_S


class Table:
    """One runtime's instances. Loop thread only."""

    def __init__(self, mono: Callable[[], float], told: Callable[[DeploymentId], None]) -> None:
        """`told` is called whenever something was learnt about a row's instances."""
        self._mono = mono
        self._told = told
        self._known: dict[InstanceId, Known] = {}
        self._named: dict[InstanceName, InstanceId] = {}
        self._of_row: dict[DeploymentId, dict[InstanceId, None]] = {}
        """In the order they became known, so that plans made of it can be made again."""
        self._gone: dict[InstanceName | InstanceId, float] = {}
        """When names and ids were told gone, until a listing that was asked for later."""
        self._ended: deque[InstanceId] = deque(maxlen=ENDED_KEPT)
        """Known, and then told gone or not listed: an answer that is still under way is older."""

    def get(self, instance_id: InstanceId) -> Known | None:
        return self._known.get(instance_id)

    def is_over(self, instance_id: InstanceId) -> bool:
        """It was known, and has gone; no id is given twice."""
        return instance_id in self._ended

    def of_row(self, row: DeploymentId) -> Iterator[Instance]:
        return (self._known[one].instance for one in self._of_row.get(row, ()))

    def put(self, instance: Instance) -> Known:
        """Learnt now, by whatever name."""
        known = self._known.get(instance.id)
        if known is None:
            known = self._known[instance.id] = Known(instance, self._mono())
            self._of_row.setdefault(instance.deployment_id, {})[instance.id] = None
        else:
            if known.instance.name != instance.name:
                self._named.pop(known.instance.name, None)
            known.instance, known.learnt = instance, self._mono()
        before = self._named.get(instance.name)
        if before is not None and before != instance.id:
            self._forget(before)
        self._named[instance.name] = instance.id
        self._gone.pop(instance.name, None)
        self._gone.pop(instance.id, None)
        self._told(instance.deployment_id)
        return known

    def remove(self, name: InstanceName, instance_id: InstanceId | None = None) -> None:
        """Told gone: a listing that is on its way does not bring it back.

        Somebody may have given the name to another one: that one stays.
        """
        found = instance_id or self._named.get(name)
        if found is not None:
            self._gone[found] = self._mono()
            self._ended.append(found)
            if found in self._known:
                self._forget(found)
        if name not in self._named:
            self._gone[name] = self._mono()

    def take(self, listed: Iterable[Instance], asked_at: float, *, missed: bool) -> None:
        """A whole listing. missed: nobody was watching before it."""
        present = {instance.id: instance for instance in listed}
        for instance_id in [one for one in self._known if one not in present]:
            if self._known[instance_id].learnt < asked_at:
                self._forget(instance_id)
                self._ended.append(instance_id)
        self._gone = {what: at for what, at in self._gone.items() if at >= asked_at}
        for instance in present.values():
            if instance.name not in self._gone and instance.id not in self._gone:
                self._merge(instance, asked_at, missed=missed)

    def _merge(self, instance: Instance, asked_at: float, *, missed: bool) -> None:
        known = self._known.get(instance.id)
        if known is not None and known.learnt >= asked_at:
            return
        if known is not None:
            # A listing may tell whole seconds: too coarse for which came first, birth or a death.
            instance = replace(instance, created_at=known.instance.created_at)
        if instance.state is State.EXITED:
            earlier = known.instance.exit if known is not None else None
            if earlier is not None:
                instance = replace(instance, exit=earlier)
            elif missed or (known is not None and known.is_doubtful):
                instance = replace(instance, exit=Exit(None, None, missed=True))
        self.put(instance).is_doubtful = False

    def _forget(self, instance_id: InstanceId) -> None:
        instance = self._known.pop(instance_id).instance
        if self._named.get(instance.name) == instance_id:
            del self._named[instance.name]
        ids = self._of_row[instance.deployment_id]
        ids.pop(instance_id, None)
        if not ids:
            del self._of_row[instance.deployment_id]
        self._told(instance.deployment_id)
