"""What a deployment was asked to be, each time it was asked: the numbered history of a group."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from ring.core.model.ids import DeploymentId
    from ring.core.model.spec import DeploymentSpec


class Cause(StrEnum):
    """Why a row or a revision was made."""

    APPLY = "apply"
    SCALE = "scale"
    RESTART = "restart"
    ROLLBACK = "rollback"
    AUTO_ROLLBACK = "auto_rollback"
    """By the engine, after a rollout that failed; it is not rolled back itself."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One accepted spec."""

    number: int
    deployment_id: DeploymentId
    """The row that it became; it may be purged."""
    spec: DeploymentSpec
    """With a mark in place of a registry password."""
    created_at: datetime
    author: str | None
    """Id of the user; None: the engine."""
    cause: Cause
    ready_at: datetime | None
    """When a row of this revision was first running."""
    password: bytes | None = field(default=None, repr=False)
    """Of the registry, sealed."""
