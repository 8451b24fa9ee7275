"""The statuses of a deployment row and which of them go on being reconciled."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """What a deployment row shows. The words are the stable contract."""

    PENDING = "pending"
    CREATING = "creating"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    DELETED = "deleted"
    CRASH_LOOP_BACK_OFF = "crash_loop_back_off"
    IMAGE_PULL_BACK_OFF = "image_pull_back_off"
    CREATE_CONTAINER_ERROR = "create_container_error"
    NETWORK_ERROR = "network_error"
    CONFIG_ERROR = "config_error"
    FILE_SYSTEM_ERROR = "file_system_error"
    INSUFFICIENT_RESOURCES = "insufficient_resources"
    ERROR = "error"

    @classmethod
    def read(cls, text: str) -> Status:
        """The status a stored word stands for; an unknown word is an error, not a crash."""
        try:
            return cls(text)
        except ValueError:
            return cls.ERROR


CREATING = frozenset({Status.PENDING, Status.CREATING})
"""`pending` is an alias of `creating`."""

FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.INSUFFICIENT_RESOURCES})
"""Creation has ended for good; what is still live stays supervised."""

RETRIED = frozenset(
    {
        Status.IMAGE_PULL_BACK_OFF,
        Status.CREATE_CONTAINER_ERROR,
        Status.NETWORK_ERROR,
        Status.CONFIG_ERROR,
        Status.FILE_SYSTEM_ERROR,
        Status.ERROR,
    }
)
"""Error statuses that a successful create leaves again."""
