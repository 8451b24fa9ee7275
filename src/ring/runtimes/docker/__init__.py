"""Docker behind `ring.runtimes.base.Runtime`: the engine's HTTP API, spoken by a client of our own.

Raw JSON and HTTP statuses end in this folder; what leaves it are the values of `core.model` and
the errors of `runtimes.base`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.runtimes.base import Runtime


def open_runtime(options: Mapping[str, object]) -> Runtime:
    """The runtime these settings describe; nothing is connected yet. Raises HostError.

    The client is imported here: a server without Docker does not pay for it.
    """
    from ring.runtimes.docker.adapter import from_options

    return from_options(options)
