"""Invariants of jobs: each runs once, and its end is its end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.model.ids import InstanceId, InstanceName
from ring.core.model.ledger import Phase
from ring.core.model.operations import StartInstance
from ring.core.model.status import FINAL, Status
from tests.properties.sim.violation import require

if TYPE_CHECKING:
    from ring.core.model.ids import DeploymentId
    from ring.core.plan.view import Plan, View
    from ring.runtimes.base import CameUp
    from ring.runtimes.fake import Request
    from tests.properties.sim.world import World

ENDS = ("job_completed", "job_failed", "job_instance_lost")


@dataclass(slots=True)
class Jobs:
    world: World
    ran: dict[DeploymentId, set[int]] = field(default_factory=dict)
    """Processes: one for each time that an instance was started."""
    restarts: Counter[DeploymentId] = field(default_factory=Counter)
    """Runs that health checks have ended, each of which allows another."""
    ended: set[DeploymentId] = field(default_factory=set)
    late: set[InstanceId] = field(default_factory=set)
    """Started for nobody since somebody last looked for them."""
    unknowable: Counter[DeploymentId] = field(default_factory=Counter)
    """Runs too many that nobody could know of."""

    def carried_out(self, request: Request) -> None:
        """The engine is about to do what was asked for.

        What is found to be created only is started, as it has to be. An earlier start, given up
        by whoever asked for it, may be carried out all the same: by the time the engine comes to
        the second of both, the job may have been run by the first, and ended.
        """
        if request.what == "find":
            found = self.world.engine.by_name(InstanceName(request.about))
            if found is not None:
                self.late.discard(found.instance.id)
        elif request.what == "start" and request.answer.done():
            self.late.add(InstanceId(request.about))

    def came_up(self, event: CameUp) -> None:
        """A job is run once, and once more for each restart by a health check."""
        container = self.world.engine.containers[event.instance_id]
        if container.spec.kind != "job":
            return
        owner = event.deployment_id
        known = self.ran.setdefault(owner, set())
        known.add(container.pid)  # one that goes on after a pause comes up again too
        allowed = 1 + self.restarts[owner] + self.unknowable[owner]
        if len(known) == allowed + 1 and event.instance_id in self.late:
            self.unknowable[owner] += 1
            return
        require(len(known) <= allowed, f"job {owner} is run {len(known)} times, not {allowed}")

    def removed_by_hand(self, instance_id: InstanceId) -> None:
        """Before the ledger knew that it had come up: nobody can tell that it ran at all."""
        container = self.world.engine.containers[instance_id]
        owner, name = container.instance.deployment_id, container.instance.name
        row = self.world.store.deployment(owner)
        entry = None if row is None else self.world.store.ledger(row.key).get(name)
        if entry is not None and entry.phase is Phase.CREATING:
            self.ran.get(owner, set()).discard(container.pid)

    def planned(self, view: View, made: Plan) -> None:
        """A job that is over stays as it is."""
        for change in made.rows:
            before, after = change.before, change.after
            if before.is_job and before.status in FINAL:
                require(
                    after.status in {before.status, Status.DELETED},
                    f"a job that is {before.status} becomes {after.status}",
                )
        jobs = {row.id: row for row in view.rows if row.is_job}
        for action in made.actions:
            if isinstance(action, StartInstance) and action.deployment_id in jobs:
                status = jobs[action.deployment_id].status
                require(status not in FINAL, f"a job that is {status} is run")

    def committed(self, made: Plan) -> None:
        for event in made.events:
            if event.reason == "health_check_instance_restart":
                self.restarts[event.deployment_id] += 1
            if event.reason in ENDS:
                require(event.deployment_id not in self.ended, f"a job ends twice: {event.reason}")
                self.ended.add(event.deployment_id)
