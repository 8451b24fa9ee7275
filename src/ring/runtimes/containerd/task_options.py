"""What a shim is told of a task beside its specification."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from google.protobuf.any_pb2 import Any as AnyMessage

from ring.runtimes.containerd.api import runc_pb2 as runc

if TYPE_CHECKING:
    from ring.runtimes.containerd.api import containers_pb2 as containers
    from ring.runtimes.containerd.settings import CgroupDriver

_TYPE: Final = "containerd.runc.v1.Options"
_OF_INTERFACES: Final = frozenset({"conf", "neigh"})
"""Parts of the names of sysctls: `net.ipv4.conf.eth0.forwarding`, also for all of them."""


def options(driver: CgroupDriver, container: containers.Container | None = None) -> AnyMessage:
    """container: of a task, whose user its standard output is to be; its own program could not
    open that by name otherwise."""
    uid, gid = (0, 0) if container is None else _owner(container)
    told = runc.Options(systemd_cgroup=driver == "systemd", io_uid=uid, io_gid=gid)
    return AnyMessage(type_url=_TYPE, value=told.SerializeToString())


def needs_interface(container: containers.Container) -> bool:
    """Settings of interfaces are made with the task: those of one that is not there cannot be."""
    try:
        settings = json.loads(container.spec.value)["linux"]["sysctl"]
        return any(not _OF_INTERFACES.isdisjoint(re.split("[./]", key)) for key in settings)
    except (ValueError, KeyError, TypeError):
        return False


def _owner(container: containers.Container) -> tuple[int, int]:
    try:
        user = json.loads(container.spec.value)["process"]["user"]
        return int(user["uid"]), int(user["gid"])
    except (ValueError, KeyError, TypeError):
        return 0, 0
