"""Deployments whose instances have files to be measured by."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ring.core.model.ids import DeploymentId
from ring.core.model.status import Status
from ring.core.plan.view import Plan, RowChange
from tests.engine.sampling.files import Files

if TYPE_CHECKING:
    from pathlib import Path

    from ring.core.model.ids import InstanceId
    from tests.api.world import World

FIRST_PID = 4000


class Measured:
    """A world whose statistics look under `root`."""

    def __init__(self, world: World, root: Path) -> None:
        self.world = world
        self.files = Files(root, unified=True)
        world.engine.statistics.close()
        world.engine.statistics = world.measuring(root)

    def running(self, *instances: str, **members: object) -> str:
        """The id of a running deployment with these instances."""
        deployment = str(self.world.apply(**members).json["id"])
        self.put(deployment, status=Status.RUNNING)
        for name in instances:
            self.start(deployment, name)
        return deployment

    def start(self, deployment: str, name: str) -> InstanceId:
        instance_id = self.world.instances.start(deployment, name)
        containers = self.world.instances.engine.containers
        containers[instance_id].pid = FIRST_PID + len(containers)
        self.files.process(containers[instance_id].pid, instance_id)
        return instance_id

    def put(self, deployment: str, **fields: object) -> None:
        """Changes a row, as a pass would."""
        before = self.world.store.deployment(DeploymentId(deployment))
        assert before is not None
        after = replace(before, **fields)  # type: ignore[arg-type]  # named by the tests
        plan = Plan(rows=(RowChange(before, after),))
        assert self.world.run(self.world.store.commit(plan))

    def refresh(self) -> None:
        self.world.run(self.world.engine.statistics.refresh())
