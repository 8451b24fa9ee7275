"""Identities: what names a deployment row, an instance, a group."""

from __future__ import annotations

import re
from typing import NamedTuple, NewType

DeploymentId = NewType("DeploymentId", str)
"""UUID v4 of one accepted deployment row."""
InstanceId = NewType("InstanceId", str)
"""The runtime's own id (Docker: 64 hex; containerd: about the instance's name)."""
InstanceName = NewType("InstanceName", str)
"""`<namespace>_<deployment name>_<8 hex>`: chosen by Ring before the act, unique for ever."""
OperationId = NewType("OperationId", int)
"""Counts up within one server process."""

_HASH = re.compile(r"[0-9a-f]{64}")
_SHORT = 12


class GroupKey(NamedTuple):
    """The logical identity of a deployment and the unit of reconciling.

    A tuple, because every pass looks a dozen things up by it.
    """

    namespace: str
    name: str


def instance_name(key: GroupKey, suffix: str) -> InstanceName:
    """The name of a new instance; suffix is 8 lowercase hex characters."""
    return InstanceName(f"{key.namespace}_{key.name}_{suffix}")


def short_id(instance_id: str) -> str:
    """How messages and metrics call an instance: an id that is a hash by its beginning, any other
    whole, for the beginning of a name is that of all replicas."""
    return instance_id[:_SHORT] if _HASH.fullmatch(instance_id) else instance_id
