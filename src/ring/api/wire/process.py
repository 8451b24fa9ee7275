"""Security and process settings of a deployment on the wire: as declared, and only what is set."""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired

from pydantic import JsonValue  # noqa: TC002 - pydantic reads the annotations at run time
from typing_extensions import TypedDict

from ring.core.model.spec import Ulimit

if TYPE_CHECKING:
    from ring.core.model.spec import DeploymentSpec, Device, Security, Tmpfs


class SecurityShape(TypedDict, total=False):
    hardened: bool
    cap_add: list[str]
    cap_drop: list[str]
    read_only: bool
    no_new_privileges: bool
    seccomp: str
    apparmor: str
    selinux: dict[str, JsonValue]


class TmpfsShape(TypedDict):
    destination: str
    size: NotRequired[str]
    mode: NotRequired[str]


class UlimitShape(TypedDict):
    soft: int
    hard: int


class DeviceShape(TypedDict):
    source: str
    destination: NotRequired[str]
    permissions: str


class ProcessShape(TypedDict, total=False):
    """`hardened` is not written out here: what it comes to is the runtime's affair."""

    security: SecurityShape
    tmpfs: list[TmpfsShape]
    ulimits: dict[str, int | UlimitShape]
    sysctls: dict[str, str]
    devices: list[DeviceShape]
    shm_size: str
    init: bool
    hostname: str
    extra_hosts: dict[str, str]
    stop_grace_period: str
    stop_signal: str


def add_process(shape: ProcessShape, spec: DeploymentSpec) -> None:
    """Puts what the spec says into an answer that may have these members."""
    if spec.security is not None:
        shape["security"] = _security(spec.security)
    if spec.tmpfs:
        shape["tmpfs"] = [_tmpfs(entry) for entry in spec.tmpfs]
    if spec.ulimits:
        shape["ulimits"] = {name: _ulimit(limit) for name, limit in spec.ulimits.items()}
    if spec.sysctls:
        shape["sysctls"] = dict(spec.sysctls)
    if spec.devices:
        shape["devices"] = [_device(device) for device in spec.devices]
    if spec.shm_size is not None:
        shape["shm_size"] = spec.shm_size
    if spec.init is not None:
        shape["init"] = spec.init
    if spec.hostname is not None:
        shape["hostname"] = spec.hostname
    if spec.extra_hosts:
        shape["extra_hosts"] = dict(spec.extra_hosts)
    if spec.stop_grace_period is not None:
        shape["stop_grace_period"] = spec.stop_grace_period
    if spec.stop_signal is not None:
        shape["stop_signal"] = spec.stop_signal


def _security(security: Security) -> SecurityShape:
    shape: SecurityShape = {}
    if security.hardened is not None:
        shape["hardened"] = security.hardened
    if security.cap_add:
        shape["cap_add"] = list(security.cap_add)
    if security.cap_drop:
        shape["cap_drop"] = list(security.cap_drop)
    if security.read_only is not None:
        shape["read_only"] = security.read_only
    if security.no_new_privileges is not None:
        shape["no_new_privileges"] = security.no_new_privileges
    if security.seccomp is not None:
        shape["seccomp"] = security.seccomp
    if security.apparmor is not None:
        shape["apparmor"] = security.apparmor
    if security.selinux:
        shape["selinux"] = dict(security.selinux)
    return shape


def _tmpfs(entry: Tmpfs) -> TmpfsShape:
    shape: TmpfsShape = {"destination": entry.destination}
    if entry.size is not None:
        shape["size"] = entry.size
    if entry.mode is not None:
        shape["mode"] = entry.mode
    return shape


def _ulimit(limit: int | Ulimit) -> int | UlimitShape:
    return {"soft": limit.soft, "hard": limit.hard} if isinstance(limit, Ulimit) else limit


def _device(device: Device) -> DeviceShape:
    shape: DeviceShape = {"source": device.source, "permissions": device.permissions}
    if device.destination is not None:
        shape["destination"] = device.destination
    return shape
