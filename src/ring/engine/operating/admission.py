"""Host memory: whether an instance that asks for so much may be created now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.core.model.quantities import parse_memory
from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.core.model.spec import DeploymentSpec

MIB = 1024 * 1024


def available_memory_bytes(meminfo: Path = Path("/proc/meminfo")) -> int:
    """What the kernel says can be handed out without swapping (`MemAvailable`, proc(5))."""
    for line in meminfo.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{meminfo} has no MemAvailable line")


class Admission:
    """Refuses what the host cannot hold; creates in flight keep what they were promised."""

    def __init__(self, available_bytes: Callable[[], int] = available_memory_bytes) -> None:
        self._available_bytes = available_bytes
        self._promised_bytes = 0

    def admit(self, spec: DeploymentSpec) -> Promise:
        """Promises the memory until released. Raises RuntimeFailure."""
        needed = required_bytes(spec) or 0
        free = max(0, self._available_bytes() - self._promised_bytes) if needed else 0
        if needed > free:
            raise RuntimeFailure(
                FailureClass.INSUFFICIENT_RESOURCES,
                f"insufficient host memory for '{spec.name}': needs {_mib(needed, up=True)} MiB "
                f"but only {_mib(free, up=False)} MiB is available; lower the requested memory "
                "or free memory on this host, then apply again",
            )
        self._promised_bytes += needed
        return Promise(self, needed)

    def take_back(self, size: int) -> None:
        self._promised_bytes -= size


class Promise:
    """Memory kept for an instance that comes up. Released once, however often it is said."""

    def __init__(self, admission: Admission | None = None, size: int = 0) -> None:
        self._admission = admission
        self._size = size

    def release(self) -> None:
        if self._admission is not None:
            self._admission.take_back(self._size)
            self._admission = None


def required_bytes(spec: DeploymentSpec) -> int | None:
    """`requests.memory`, else `limits.memory`, else no demand."""
    if spec.resources is None:
        return None
    for quantities in (spec.resources.requests, spec.resources.limits):
        if quantities is not None and quantities.memory is not None:
            return parse_memory(quantities.memory)
    return None


def _mib(size: int, *, up: bool) -> int:
    return -(-size // MIB) if up else size // MIB
