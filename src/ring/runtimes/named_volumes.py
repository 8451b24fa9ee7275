"""Named volumes, whichever engine keeps them: whose they are, and how that is written on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model import labels
from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.core.model.spec import DeploymentSpec


def labels_for(spec: DeploymentSpec, server_id: str) -> dict[str, str]:
    """What is written on one that is made for an instance of this spec."""
    return {
        labels.MANAGED: "true",
        labels.NAMESPACE: spec.namespace,
        "ring.deployment": spec.name,
        labels.NAME: spec.name,
        labels.SERVER: server_id,
    }


def require_owner(written: Mapping[str, str], name: str, namespace: str) -> None:
    """It is the namespace's, or nobody's. Raises RuntimeFailure(CONFIG_MISSING)."""
    owner = written.get(labels.NAMESPACE, namespace)
    if owner != namespace:
        raise RuntimeFailure(
            FailureClass.CONFIG_MISSING,
            f"Volume '{name}' belongs to namespace '{owner}'; choose another name",
        )


def no_source(source: str) -> RuntimeFailure:
    """Of a bind: no engine is to make it."""
    return RuntimeFailure(
        FailureClass.INSTANCE_REJECTED, f"bind source path does not exist: {source}"
    )
