"""What a plan can ask the world to do, and what came of it. Both unions are closed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ring.core.model.failures import Failure
    from ring.core.model.ids import DeploymentId, InstanceId, InstanceName, OperationId
    from ring.core.model.observed import Instance


@dataclass(frozen=True, slots=True)
class StartInstance:
    """Network, image, create, start. Idempotent by name: what a killed server left is taken up."""

    deployment_id: DeploymentId
    name: InstanceName
    resume: bool = False
    """An earlier attempt under this name may have got somewhere."""
    names_taken: int = 0
    """How many names were drawn in vain before this one, each somebody else's."""


@dataclass(frozen=True, slots=True)
class InspectInstance:
    deployment_id: DeploymentId
    name: InstanceName
    instance_id: InstanceId
    settle: bool = False
    """Asked to confirm that a new instance stayed up."""


@dataclass(frozen=True, slots=True)
class AttachInstance:
    """Puts a live instance back on the network of its namespace."""

    deployment_id: DeploymentId
    name: InstanceName
    instance_id: InstanceId


@dataclass(frozen=True, slots=True)
class RemoveInstance:
    """Stop, then remove with its anonymous volumes; already gone is success."""

    deployment_id: DeploymentId
    name: InstanceName
    instance_id: InstanceId | None
    """None: whatever bears the name."""
    grace_s: float | None
    """None: what the instance was made with."""
    stop: bool = True
    """False: it is dead already."""


Action = StartInstance | InspectInstance | AttachInstance | RemoveInstance


@dataclass(frozen=True, slots=True)
class Started:
    instance: Instance


@dataclass(frozen=True, slots=True)
class StartFailed:
    failure: Failure
    clean: bool
    """True: certainly nothing was left behind under the name."""
    inputs: int | None = None
    """View.inputs as it was when something that the row refers to was looked for, and missing."""


@dataclass(frozen=True, slots=True)
class Inspected:
    instance: Instance | None
    """None: gone."""


@dataclass(frozen=True, slots=True)
class Attached:
    pass


@dataclass(frozen=True, slots=True)
class Removed:
    pass


@dataclass(frozen=True, slots=True)
class OperationFailed:
    """Anything but a start that did not work; tried again later."""

    failure: Failure


Result = Started | StartFailed | Inspected | Attached | Removed | OperationFailed


@dataclass(frozen=True, slots=True)
class OperationView:
    """An operation in flight."""

    id: OperationId
    action: Action
    begun: bool
    """False: still waiting for its place in the lane."""
    since: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """An operation that ended and is not yet part of a committed plan."""

    id: OperationId
    action: Action
    result: Result
    since: float
    """Monotonic seconds at which it was planned."""
    ended: float
