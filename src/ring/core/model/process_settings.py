"""The names of the process settings: fields of a deployment that say how its process runs.

They are no members of the model, so that the command line can show them without importing it.
"""

from __future__ import annotations

from typing import Final

STOPPING: Final = ("stop_grace_period", "stop_signal")
"""How it is ended."""

NAMES: Final = (
    "tmpfs",
    "ulimits",
    "sysctls",
    "devices",
    "shm_size",
    "init",
    "hostname",
    "extra_hosts",
    *STOPPING,
)
"""In the order of the model."""
