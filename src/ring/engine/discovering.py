"""Tells runtimes that answer names themselves which names there are, and who is ready."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ring.core.model.observed import Listing
from ring.core.plan.gate import checks_of
from ring.runtimes.discovery import Discovery

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import GroupKey, InstanceId
    from ring.core.plan.view import View
    from ring.runtimes.base import Runtime


class Discovering:
    """Looks at what is stored at the start, and at what a pass saw. Loop thread only."""

    def __init__(self, runtimes: Mapping[str, Runtime]) -> None:
        self._runtimes = {
            name: runtime for name, runtime in runtimes.items() if isinstance(runtime, Discovery)
        }

    def begin(self, rows: Iterable[Deployment]) -> None:
        """rows: all there are. With those of one group after the other, names that were known
        before the server ended would be unknown until it is their turn."""
        groups: defaultdict[GroupKey, list[Deployment]] = defaultdict(list)
        for row in rows:
            groups[row.key].append(row)
        for key, found in groups.items():
            self._tell_names(key, found)

    def look(self, view: View) -> None:
        """As the checks stand now: a name needs no window of calm, as a rollout does."""
        self._tell_names(view.key, view.rows)
        for name, runtime in self._runtimes.items():
            if found := _ready(view, name):
                runtime.note_ready(found)

    def _tell_names(self, key: GroupKey, rows: Iterable[Deployment]) -> None:
        homes = {
            row.spec.runtime
            for row in rows
            if not row.is_deleted and row.spec.network_mode == "bridge"
        }
        for name, runtime in self._runtimes.items():
            runtime.note_deployed(key, is_there=name in homes)


def _ready(view: View, runtime: str) -> dict[InstanceId, bool]:
    """Of the live instances there of deployments with a readiness check."""
    seen = view.runtimes[runtime].seen if runtime in view.runtimes else None
    if not isinstance(seen, Listing):
        return {}
    gates = {
        row.id: indices
        for row in view.rows
        if row.spec.runtime == runtime and (indices := checks_of(row.spec))
    }
    return {
        instance.id: all(
            (state := view.checks.get(instance.id, {}).get(index)) is not None and state.is_green
            for index in gates[instance.deployment_id]
        )
        for instance in seen.instances.values()
        if instance.deployment_id in gates and instance.is_live
    }
