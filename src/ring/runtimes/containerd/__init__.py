"""containerd behind `ring.runtimes.base.Runtime`, driven over its own gRPC API.

What a daemon does for Docker, Ring does here itself: images and their registries, networks by CNI,
names, logs. Messages of containerd's end in this folder; what leaves it are the values of
`core.model` and the errors of `runtimes.base`.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""Of its own: the log keeper is in this package, and `typing` is half of what it would weigh."""

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.runtimes.base import Runtime


def open_runtime(options: Mapping[str, object]) -> Runtime:
    """The runtime these settings describe; nothing is connected yet. Raises HostError.

    gRPC is imported here: a server without containerd does not pay for it.
    """
    from ring.runtimes.containerd.adapter import from_options

    return from_options(options)
