"""What can go wrong when an instance is created: classified once, at the runtime's seam.

Status, event reason and disposition of a class stand in one table here; adapters only choose
the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ring.core.model.status import Status

SCHEDULER: Final = "scheduler"
"""The component of what no runtime tells."""


class FailureClass(StrEnum):
    IMAGE_NOT_FOUND = "image_not_found"
    IMAGE_PULL_FAILED = "image_pull_failed"
    INSTANCE_REJECTED = "instance_rejected"
    NETWORK_FAILED = "network_failed"
    CONFIG_MISSING = "config_missing"
    CONFIG_UNREADABLE = "config_unreadable"
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - the name of a class
    SECRET_UNRESOLVED = "secret_unresolved"  # noqa: S105 - the name of a class
    PULL_SECRET_UNRESOLVED = "pull_secret_unresolved"  # noqa: S105 - the name of a class
    MOUNTED_CONFIG_MISSING = "mounted_config_missing"
    MOUNTED_SECRET_MISSING = "mounted_secret_missing"  # noqa: S105 - the name of a class
    NAME_TAKEN = "name_taken"
    """Something that is not the deployment's has it: another one may be free."""
    PORT_IN_USE = "port_in_use"
    INSUFFICIENT_RESOURCES = "insufficient_resources"
    FILE_SYSTEM = "file_system"
    OTHER = "other"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


class Disposition(StrEnum):
    RETRY = "retry"
    """Counts one failure; the next attempt waits its backoff."""
    PERMANENT = "permanent"
    """Halts the row; nothing is counted."""
    WAIT = "wait"
    """Neither counts nor halts; tried again until it goes away."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed create. `message` is shown to users: it never holds a secret value."""

    kind: FailureClass
    message: str
    retry_after_s: float = 0.0
    """No attempt is made before: whoever refused has asked for it."""


UNSEEN = frozenset({FailureClass.UNAVAILABLE, FailureClass.TIMEOUT, FailureClass.CANCELLED})
"""The runtime may have carried out what it was asked for: nobody waited for its answer."""


@dataclass(frozen=True, slots=True)
class Treatment:
    status: Status | None
    """None: the status does not change."""
    reason: str
    disposition: Disposition
    component: str | None = None
    """Who tells of it; None: the runtime."""


def _unresolved(reason: str, status: Status | None = None) -> Treatment:
    """Something that a deployment refers to is not there: a wait until it is."""
    return Treatment(status, reason, Disposition.WAIT, SCHEDULER)


TREATMENT: dict[FailureClass, Treatment] = {
    FailureClass.IMAGE_NOT_FOUND: Treatment(
        Status.IMAGE_PULL_BACK_OFF, "image_pull_back_off", Disposition.PERMANENT
    ),
    FailureClass.IMAGE_PULL_FAILED: Treatment(
        Status.IMAGE_PULL_BACK_OFF, "image_pull_back_off", Disposition.RETRY
    ),
    FailureClass.INSTANCE_REJECTED: Treatment(
        Status.CREATE_CONTAINER_ERROR, "instance_creation_failed", Disposition.RETRY
    ),
    FailureClass.NAME_TAKEN: Treatment(
        Status.CREATE_CONTAINER_ERROR, "instance_creation_failed", Disposition.RETRY
    ),
    FailureClass.NETWORK_FAILED: Treatment(
        Status.NETWORK_ERROR, "network_creation_failed", Disposition.RETRY
    ),
    FailureClass.CONFIG_MISSING: Treatment(Status.CONFIG_ERROR, "config_error", Disposition.WAIT),
    FailureClass.CONFIG_UNREADABLE: _unresolved("config_load_error"),
    FailureClass.SECRET_UNREADABLE: _unresolved("secret_load_error"),
    FailureClass.SECRET_UNRESOLVED: _unresolved("secret_resolution_error"),
    FailureClass.PULL_SECRET_UNRESOLVED: _unresolved("image_pull_secret_resolution_error"),
    FailureClass.MOUNTED_CONFIG_MISSING: _unresolved(
        "volume_resolution_error", Status.CONFIG_ERROR
    ),
    FailureClass.MOUNTED_SECRET_MISSING: _unresolved("volume_resolution_error"),
    FailureClass.PORT_IN_USE: Treatment(Status.ERROR, "port_allocation_failed", Disposition.RETRY),
    FailureClass.INSUFFICIENT_RESOURCES: Treatment(
        Status.INSUFFICIENT_RESOURCES, "insufficient_resources", Disposition.PERMANENT
    ),
    FailureClass.FILE_SYSTEM: Treatment(
        Status.FILE_SYSTEM_ERROR, "file_system_error", Disposition.RETRY
    ),
    FailureClass.OTHER: Treatment(Status.ERROR, "runtime_error", Disposition.RETRY),
    FailureClass.UNAVAILABLE: Treatment(None, "runtime_unavailable", Disposition.WAIT),
    FailureClass.TIMEOUT: Treatment(None, "apply_timeout", Disposition.RETRY, SCHEDULER),
    FailureClass.CANCELLED: Treatment(None, "cancelled", Disposition.WAIT),
}
