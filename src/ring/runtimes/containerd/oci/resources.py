"""What an instance may use of the machine: `linux.resources`, which is of both cgroup versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.core.model.quantities import parse_cpu, parse_memory

if TYPE_CHECKING:
    from ring.core.model.spec import Resources

CGROUPS: Final = Path("/sys/fs/cgroup")
OWN_GROUP: Final = Path("/proc/self/cgroup")
PERIOD_US: Final = 100_000
_LEAST_QUOTA_US: Final = 1_000
_LEAST_SHARES: Final = 2
"""The kernel knows nothing below these two."""
_UNLIMITED: Final = -1


def limits(wanted: Resources | None, *, has_swap_limit: bool) -> dict[str, object]:
    """All but the devices. Processes are not limited, whatever the group above is set up to.

    has_swap_limit: a limit of memory is also one of swap, which may be as much again.
    """
    found: dict[str, object] = {"pids": {"limit": _UNLIMITED}}
    if cpu := _cpu(wanted):
        found["cpu"] = cpu
    if memory := _memory(wanted, has_swap_limit=has_swap_limit):
        found["memory"] = memory
    return found


def _cpu(wanted: Resources | None) -> dict[str, int]:
    found: dict[str, int] = {}
    caps, requests = (wanted.limits, wanted.requests) if wanted else (None, None)
    if caps and caps.cpu is not None:
        quota = parse_cpu(caps.cpu) * PERIOD_US // 1_000_000_000
        found |= {"quota": max(_LEAST_QUOTA_US, quota), "period": PERIOD_US}
    if requests and requests.cpu is not None:
        shares = round(parse_cpu(requests.cpu) * 1024 / 1_000_000_000)
        found["shares"] = max(_LEAST_SHARES, shares)
    return found


def _memory(wanted: Resources | None, *, has_swap_limit: bool) -> dict[str, int]:
    found: dict[str, int] = {}
    caps, requests = (wanted.limits, wanted.requests) if wanted else (None, None)
    if caps and caps.memory is not None:
        found["limit"] = parse_memory(caps.memory)
        if has_swap_limit:
            # Of memory and swap together, as Docker sets it.
            found["swap"] = 2 * found["limit"]
    if requests and requests.memory is not None:
        found["reservation"] = parse_memory(requests.memory)
    return found


def can_limit_swap(
    *, has_cgroup_v2: bool, cgroups: Path = CGROUPS, own_group: Path = OWN_GROUP
) -> bool:
    """The OCI runtime fails where it is to set what the kernel does not count."""
    if not has_cgroup_v2:
        return (cgroups / "memory" / "memory.memsw.limit_in_bytes").exists()
    try:
        written = own_group.read_text()
    except OSError:
        return False
    path = written.partition("0::")[2].partition("\n")[0].strip("/")
    # The root group has no limits of its own: what is below it tells.
    groups = [cgroups / path] if path else sorted(cgroups.iterdir())
    return any((group / "memory.swap.max").exists() for group in groups)
