"""The address that an instance has of the plugin host-local, when no result of ADD tells it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LEASES: Final = Path("/var/lib/cni/networks")
"""Where the plugin keeps them: a directory a network, a file an address."""


def holders(network: str, directory: Path = LEASES) -> dict[str, str]:
    """Instances by their addresses. Blocks."""
    found = {}
    for path in (directory / network).glob("*.*.*.*"):
        try:
            found[path.name] = path.read_text(encoding="utf-8").split("\n")[0].strip()
        except (OSError, UnicodeDecodeError):
            continue
    return found


def result(
    config: Mapping[str, Any], container_id: str, directory: Path = LEASES
) -> dict[str, Any] | None:
    """As much of what ADD would have told as DEL needs to find the rules for an address. None: it
    has none, and there are no rules. Blocks."""
    addresses = [
        address
        for address, holder in holders(str(config["name"]), directory).items()
        if holder == container_id
    ]
    if not addresses:
        return None
    ips = [{"address": f"{address}/32"} for address in addresses]
    return {"cniVersion": config["cniVersion"], "ips": ips}


def release(network: str, gone: Callable[[str], bool], directory: Path = LEASES) -> list[str]:
    """The addresses of those that are gone are free again: who they were. Blocks. Raises OSError.

    gone: of an instance; asked of every one that has an address.
    """
    found = []
    for address, holder in holders(network, directory).items():
        if gone(holder):
            (directory / network / address).unlink(missing_ok=True)
            found.append(holder)
    return found
