"""Which proxy, if any, stands between the command line and a server."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from ring.settings.sources import Environ


class Proxy(NamedTuple):
    host: str
    port: int
    headers: dict[str, str]


def proxy_for(scheme: str, host: str, environ: Environ) -> Proxy | None:
    """The proxy for a server; never one for a loopback host.

    Raises ValueError for a proxy address that is not one.
    """
    if is_loopback(host) or _is_excepted(host, _variable("no_proxy", environ)):
        return None
    address = _variable(f"{scheme}_proxy", environ) or _variable("all_proxy", environ)
    if not address:
        return None
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("not an http proxy")
    headers = {}
    if parts.username is not None:
        account = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {b64encode(account.encode()).decode()}"
    return Proxy(parts.hostname, parts.port or 80, headers)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name."""
    name = host.rstrip(".").lower()
    if name in {"localhost", "::1"} or name.endswith(".localhost"):
        return True
    octets = name.split(".")
    return len(octets) == 4 and octets[0] == "127" and all(octet.isdigit() for octet in octets)


def _variable(name: str, environ: Environ) -> str:
    return environ.get(name) or environ.get(name.upper()) or ""


def _is_excepted(host: str, no_proxy: str) -> bool:
    name = host.lower()
    for entry in no_proxy.split(","):
        suffix = entry.strip().lower().removeprefix("*.").removeprefix(".")
        if suffix == "*" or (suffix and (name == suffix or name.endswith(f".{suffix}"))):
            return True
    return False
