"""Podman behind `ring.runtimes.base.Runtime`: Docker's adapter at its socket, in its dialect.

What Podman does another way than Docker is told in `dialect`; nothing else is of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.runtimes.base import Runtime


def open_runtime(options: Mapping[str, object]) -> Runtime:
    """The runtime these settings describe; nothing is connected yet. Raises HostError.

    The client is imported here: a server without Podman does not pay for it.
    """
    from ring.runtimes.podman.adapter import from_options

    return from_options(options)
