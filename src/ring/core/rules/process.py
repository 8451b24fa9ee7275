"""Rules about process settings: memory file systems, limits, kernel parameters, devices, names."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from ring.core.model.quantities import QuantityError, parse_duration, parse_memory
from ring.core.model.spec import Ulimit
from ring.core.model.stopping import LONGEST_GRACE_S
from ring.core.rules.base import rule
from ring.core.rules.linux import LIMITS, SIGNALS
from ring.core.rules.network import network_mode
from ring.core.rules.volumes import normalised_path
from ring.core.violations import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.rules.base import Case, Finding

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_MODE = re.compile(r"[0-7]{3,4}")
_NAMESPACED = re.compile(r"net\..+|kernel\.(shm|msg).+|kernel\.sem|fs\.mqueue\..+")


@rule("deployment.tmpfs.destination.not_absolute", "tmpfs[].destination")
def tmpfs_not_absolute(case: Case) -> Iterator[Finding]:
    """not starting with `/`"""
    for index, entry in case.each("tmpfs", case.spec.tmpfs):
        if not entry.destination.startswith("/"):
            text = f"destination must be an absolute path, not {quoted(entry.destination)}"
            yield ("tmpfs", index, "destination"), text


@rule("deployment.tmpfs.destination.duplicate", "tmpfs[].destination", "volumes[].destination")
def tmpfs_duplicate(case: Case) -> Iterator[Finding]:
    """same normalised path as another entry or a volume"""
    seen = {
        normalised_path(volume.destination): f"volumes[{index}]"
        for index, volume in case.each("volumes", case.spec.volumes)
        if volume.destination.startswith("/")
    }
    for index, entry in case.each("tmpfs", case.spec.tmpfs):
        if not entry.destination.startswith("/"):
            continue
        path = normalised_path(entry.destination)
        if path in seen:
            text = f"{quoted(path)} is already the destination of {seen[path]}"
            yield ("tmpfs", index, "destination"), text
        seen.setdefault(path, f"tmpfs[{index}]")


@rule("deployment.tmpfs.size.invalid", "tmpfs[].size")
def tmpfs_size(case: Case) -> Iterator[Finding]:
    """not a memory quantity"""
    for index, entry in case.each("tmpfs", case.spec.tmpfs):
        for text in _memory_problem(entry.size):
            yield ("tmpfs", index, "size"), text


@rule("deployment.tmpfs.mode.invalid", "tmpfs[].mode")
def tmpfs_mode(case: Case) -> Iterator[Finding]:
    """not octal text"""
    for index, entry in case.each("tmpfs", case.spec.tmpfs):
        if entry.mode is not None and not _MODE.fullmatch(entry.mode):
            text = f"must be octal permissions such as '1777', not {quoted(entry.mode)}"
            yield ("tmpfs", index, "mode"), text


@rule("deployment.ulimits.name.invalid", "ulimits")
def ulimit_name(case: Case) -> Iterator[Finding]:
    """not a setrlimit name"""
    for name in case.spec.ulimits:
        if name not in LIMITS:
            text = f"{quoted(name)} is not a limit: use {', '.join(sorted(LIMITS))}"
            yield ("ulimits", name), text


@rule("deployment.ulimits.value.invalid", "ulimits[]")
def ulimit_value(case: Case) -> Iterator[Finding]:
    """below -1, or `soft` above `hard`"""
    for name, limit in case.entries("ulimits", case.spec.ulimits):
        soft, hard = (limit.soft, limit.hard) if isinstance(limit, Ulimit) else (limit, limit)
        if min(soft, hard) < -1:
            yield ("ulimits", name), "a limit must be at least 0, or -1 for unlimited"
        elif hard != -1 and (soft == -1 or soft > hard):
            yield ("ulimits", name), f"soft ({soft}) must be at most hard ({hard})"


@rule("deployment.sysctls.not_namespaced", "sysctls")
def sysctl_not_namespaced(case: Case) -> Iterator[Finding]:
    """not a namespaced parameter"""
    for name in case.spec.sysctls:
        if not _NAMESPACED.fullmatch(name):
            text = (
                f"{quoted(name)} is not namespaced: "
                "use net.*, kernel.shm*, kernel.msg*, kernel.sem or fs.mqueue.*"
            )
            yield ("sysctls", name), text


@rule("deployment.sysctls.network_mode_conflict", "sysctls", "network.mode")
def sysctl_network_mode(case: Case) -> Iterator[Finding]:
    """`net.*` with mode `host` or `shared`"""
    mode = network_mode(case)
    for name in case.spec.sysctls:
        if name.startswith("net.") and mode in {"host", "shared"}:
            yield ("sysctls", name), f"{quoted(name)} cannot be set with network mode '{mode}'"


@rule("deployment.devices.source.not_absolute", "devices[].source")
def device_not_absolute(case: Case) -> Iterator[Finding]:
    """not starting with `/`"""
    for index, device in case.each("devices", case.spec.devices):
        if not device.source.startswith("/"):
            text = f"source must be an absolute path, not {quoted(device.source)}"
            yield ("devices", index, "source"), text


@rule("deployment.devices.permissions.invalid", "devices[].permissions")
def device_permissions(case: Case) -> Iterator[Finding]:
    """not letters out of `rwm`"""
    for index, device in case.each("devices", case.spec.devices):
        letters = device.permissions
        if not letters or set(letters) - set("rwm") or len(set(letters)) != len(letters):
            text = f"must be letters out of 'rwm', each at most once, not {quoted(letters)}"
            yield ("devices", index, "permissions"), text


@rule("deployment.shm_size.invalid", "shm_size")
def shm_size_invalid(case: Case) -> Iterator[Finding]:
    """not a memory quantity"""
    for text in _memory_problem(case.spec.shm_size):
        yield ("shm_size",), text


@rule("deployment.hostname.format", "hostname")
def hostname_format(case: Case) -> Iterator[Finding]:
    """not a DNS label"""
    name = case.spec.hostname
    if name is not None and not _LABEL.fullmatch(name):
        text = f"must be 1 to 63 letters, digits or '-', no '-' first or last, not {quoted(name)}"
        yield ("hostname",), text


@rule("deployment.hostname.shared_network_conflict", "hostname", "network.mode")
def hostname_shared(case: Case) -> Iterator[Finding]:
    """set with mode `shared`"""
    if case.spec.hostname is not None and network_mode(case) == "shared":
        yield ("hostname",), "hostname cannot be set with network mode 'shared'"


@rule("deployment.extra_hosts.invalid", "extra_hosts[]")
def extra_host_invalid(case: Case) -> Iterator[Finding]:
    """not a host name, or neither an address nor `host-gateway`"""
    for name, address in case.entries("extra_hosts", case.spec.extra_hosts):
        if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
            yield ("extra_hosts", name), f"{quoted(name)} is not a host name"
        elif address != "host-gateway" and not _is_address(address):
            text = f"{quoted(address)} is neither an IP address nor 'host-gateway'"
            yield ("extra_hosts", name), text


@rule("deployment.extra_hosts.shared_network_conflict", "extra_hosts", "network.mode")
def extra_hosts_shared(case: Case) -> Iterator[Finding]:
    """set with mode `shared`"""
    if case.spec.extra_hosts and network_mode(case) == "shared":
        yield ("extra_hosts",), "extra_hosts cannot be set with network mode 'shared'"


@rule("deployment.stop_grace_period.invalid", "stop_grace_period")
def stop_grace_period_invalid(case: Case) -> Iterator[Finding]:
    """not a duration, or over `10m`"""
    text = case.spec.stop_grace_period
    if text is None:
        return
    try:
        if parse_duration(text) > LONGEST_GRACE_S * 1000:
            yield ("stop_grace_period",), f"must be at most 10m, not {quoted(text)}"
    except QuantityError as error:
        yield ("stop_grace_period",), error.message


@rule("deployment.stop_signal.invalid", "stop_signal")
def stop_signal_invalid(case: Case) -> Iterator[Finding]:
    """neither a signal name nor a number 1-64"""
    text = case.spec.stop_signal
    if text is None or text.removeprefix("SIG") in SIGNALS:
        return
    if not (re.fullmatch(r"[0-9]{1,2}", text) and 1 <= int(text) <= 64):
        yield ("stop_signal",), f"must be a signal name or a number 1 to 64, not {quoted(text)}"


PROCESS = (
    tmpfs_not_absolute,
    tmpfs_duplicate,
    tmpfs_size,
    tmpfs_mode,
    ulimit_name,
    ulimit_value,
    sysctl_not_namespaced,
    sysctl_network_mode,
    device_not_absolute,
    device_permissions,
    shm_size_invalid,
    hostname_format,
    hostname_shared,
    extra_host_invalid,
    extra_hosts_shared,
    stop_grace_period_invalid,
    stop_signal_invalid,
)


def _memory_problem(text: str | None) -> Iterator[str]:
    if text is None:
        return
    try:
        parse_memory(text)
    except QuantityError as error:
        yield error.message


def _is_address(text: str) -> bool:
    """Without a zone, which means nothing inside of an instance."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
