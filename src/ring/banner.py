"""What the server says on stdout once it serves: where it is, and what it drives."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_GREEN = "\x1b[32m{}\x1b[0m"


def render(
    *,
    host: str,
    port: int,
    runtimes: Iterable[str],
    version: str,
    color: bool,
    lan: str | None = None,
) -> str:
    """The banner, from the bound address; `lan` is this machine's address for a wildcard host."""
    lines = [
        *_addresses(host, port, lan),
        ("Dashboard:", "disabled"),
        ("Runtimes:", ", ".join(sorted(runtimes))),
    ]
    arrow, name = (_GREEN.format(word) if color else word for word in ("➜", "Ring"))
    body = "\n".join(f"  {arrow}  {key:<10} {value}" for key, value in lines)
    return f"\n  {name} {version}  ready\n\n{body}\n\n"


def lan_address() -> str | None:
    """The address this machine has towards its network, if any; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address in _ANY or address.startswith("127.") else address


def _addresses(host: str, port: int, lan: str | None) -> list[tuple[str, str]]:
    if host in _ANY:
        here = "127.0.0.1" if "." in host else "::1"
        network = _url(lan, port) if lan else "(no LAN address detected)"
        return [("Local:", _url(here, port)), ("Network:", network)]
    return [("Local:" if host in _LOOPBACK else "Network:", _url(host, port))]


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
