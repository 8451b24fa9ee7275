"""A share of a network file system, as a volume's source names it: `server:/export/path`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

# A comma in the server would be one more mount option.
_SHARE = re.compile(
    r"(?P<server>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[^\]]*\]):(?P<path>/.*)"
)


@dataclass(frozen=True, slots=True)
class Share:
    server: str
    """A name or an address, IPv6 without brackets."""
    path: str


def share(source: str) -> Share | None:
    """None: it is not written as one."""
    found = _SHARE.fullmatch(source)
    if found is None or not source.isprintable():
        return None
    server, path = found["server"], found["path"]
    if not server.startswith("["):
        return Share(server, path)
    try:
        return Share(str(ipaddress.IPv6Address(server[1:-1])), path)
    except ValueError:
        return None
