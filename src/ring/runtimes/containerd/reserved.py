"""Labels that mean something to containerd or to the OCI runtime: no manifest may set them.

containerd restarts, by `containerd.io/restart.…`, what a label says with a log that a label names,
which is a program of the host's or any file of it; runc hands `org.systemd.property.…` to systemd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

OF_CONTAINERD: Final = ("containerd.io/", "io.containerd.")
OF_THE_RUNTIME: Final = (
    *OF_CONTAINERD,
    "org.systemd.property.",
    "run.oci.",
    "io.katacontainers.",
    "io.kubernetes.cri",
)
"""As annotations."""


def expect_none(labels: Mapping[str, str]) -> None:
    """Raises RuntimeFailure(INSTANCE_REJECTED), which names all that cannot be."""
    if found := sorted(key for key in labels if key.startswith(OF_CONTAINERD)):
        raise RuntimeFailure(
            FailureClass.INSTANCE_REJECTED,
            f"labels that containerd keeps for itself: {', '.join(found)}; call them otherwise",
        )


def without(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels, without those that an OCI runtime acts on."""
    return {key: value for key, value in labels.items() if not key.startswith(OF_THE_RUNTIME)}
