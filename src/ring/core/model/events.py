"""Deployment events: what an operator reads to learn what happened and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from ring.core.model.ids import DeploymentId, InstanceId


class Level(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class EventDraft:
    deployment_id: DeploymentId
    level: Level
    reason: str
    message: str
    component: str
    """`api`, `scheduler`, `<runtime>` or `<runtime>-events`."""
    instances: int | None = None
    """How many there are after one was added or removed; not stored."""
    instance_id: InstanceId | None = None
    """For subscribers, not stored: which one a check acts on, or a rollout step has drained."""
    parent_id: DeploymentId | None = None
    """For subscribers, not stored: the row that a rollout replaces."""
    detail: str | None = None
    """For subscribers, not stored: the message that they get in place of the whole one."""


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    deployment_id: DeploymentId
    timestamp: datetime
    level: Level
    message: str
    component: str
    reason: str | None
