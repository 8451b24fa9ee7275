"""What an instance is told to lack or to have otherwise than was asked: once a cause, not once an
instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.events import EventDraft, Level
from ring.runtimes.shortcomings import Shortcomings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId
    from ring.engine.journal import Journal
    from ring.runtimes.base import Runtime

    WasTold = Callable[[Deployment, str], bool]


class Warnings:
    """Of the instances of all rows."""

    def __init__(self, journal: Journal, was_told: WasTold) -> None:
        """was_told: whether a deployment of the row's namespace and runtime has such an event."""
        self._journal = journal
        self._was_told = was_told
        self._of_rows: set[tuple[DeploymentId, str]] = set()
        self._of_networks: set[tuple[str, str, str]] = set()
        """Runtime, namespace and reason."""

    def gone(self, deployment_id: DeploymentId) -> None:
        """The row is purged."""
        self._of_rows = {one for one in self._of_rows if one[0] != deployment_id}

    def of_copies(self, row: Deployment, component: str) -> None:
        """Its files are copied into its instances."""
        self._once(
            row,
            Level.WARNING,
            "files_copied",
            "The engine is on another host, so configs and secrets are copied into the instances "
            "instead of mounted read-only: a privileged process inside can change its copy",
            component,
        )

    def of_volumes(self, row: Deployment, component: str) -> None:
        """Binds without a path, which rows that are older than the rule against them may have."""
        sources = [f"'{one.source}'" for one in row.spec.volumes if one.is_misnamed_bind]
        if sources:
            self._once(
                row,
                Level.WARNING,
                "bind_as_volume",
                f"The source of a bind is no absolute path: {', '.join(dict.fromkeys(sources))} "
                "is taken for a named volume; apply it again with `type: volume`, or with a path",
                component,
            )

    def of_network(self, row: Deployment, runtime: Runtime) -> None:
        """What its namespace's network lacks, once for all deployments on it."""
        if not isinstance(runtime, Shortcomings):
            return
        for lack in runtime.shortcomings(row.spec.namespace):
            known = (runtime.name, row.spec.namespace, lack.reason)
            if known in self._of_networks:
                continue
            self._of_networks.add(known)
            if not self._was_told(row, lack.reason):
                draft = EventDraft(row.id, Level.WARNING, lack.reason, lack.message, runtime.name)
                self._journal.put(draft)

    def _once(
        self, row: Deployment, level: Level, reason: str, message: str, component: str
    ) -> None:
        if (row.id, reason) not in self._of_rows:
            self._of_rows.add((row.id, reason))
            self._journal.put(EventDraft(row.id, level, reason, message, component))
