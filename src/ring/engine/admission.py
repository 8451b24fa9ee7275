"""Host memory: whether an instance that asks for so much may be created now."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.core.model.quantities import parse_memory
from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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

    @contextmanager
    def admitted(self, spec: DeploymentSpec) -> Iterator[None]:
        """Holds the promise while an instance comes up. Raises RuntimeFailure."""
        needed = required_bytes(spec)
        if needed is None:
            yield
            return
        free = max(0, self._available_bytes() - self._promised_bytes)
        if needed > free:
            raise RuntimeFailure(
                FailureClass.INSUFFICIENT_RESOURCES,
                f"insufficient host memory for '{spec.name}': needs {_mib(needed, up=True)} MiB "
                f"but only {_mib(free, up=False)} MiB is available; lower the requested memory "
                "or free memory on this host, then apply again",
            )
        self._promised_bytes += needed
        try:
            yield
        finally:
            self._promised_bytes -= needed


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
