"""Whether the web dashboard is served by the server itself, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ring.settings.sources import Environ, Table

DEFAULT_LISTEN = "127.0.0.1:3031"

_SWITCH = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


@dataclass(frozen=True, slots=True)
class DashboardSettings:
    enabled: bool = False
    host: str = "127.0.0.1"
    """Without brackets."""
    port: int = 3031


def dashboard(document: Table, environ: Environ, warnings: list[str]) -> DashboardSettings:
    """`[server.dashboard]` under the environment. Raises UserError for what cannot be."""
    table = _table(document, warnings)
    written = table.text("listen_address") if "listen_address" in table else DEFAULT_LISTEN
    place = _place(written)
    if place is None:
        raise table.wrong("listen_address", f"host:port such as '{DEFAULT_LISTEN}'")
    if named := environ.get("RING_DASHBOARD_LISTEN", "").strip():
        place = _place(named) or _refused(f"RING_DASHBOARD_LISTEN '{named}'", place, warnings)
    host, port = place
    return DashboardSettings(_is_enabled(table, environ, warnings), host, port)


def _table(document: Table, warnings: list[str]) -> Table:
    """The table; the older place counts only where the present one is silent."""
    server = document.table("server")
    if "dashboard" in server or "dashboard" not in document:
        return server.table("dashboard")
    warnings.append("[dashboard] is deprecated, use [server.dashboard]")
    return document.table("dashboard")


def _is_enabled(table: Table, environ: Environ, warnings: list[str]) -> bool:
    enabled = table.flag("enabled")
    raw = environ.get("RING_DASHBOARD", "").strip()
    if not raw:
        return enabled
    if (switch := _SWITCH.get(raw.lower())) is not None:
        return switch
    warnings.append(f"RING_DASHBOARD '{raw}' is neither on nor off, ignored")
    return enabled


def _place(text: str) -> tuple[str, int] | None:
    host, _, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        return None
    return host, int(port)


def _refused(what: str, place: tuple[str, int], warnings: list[str]) -> tuple[str, int]:
    warnings.append(f"{what} is not host:port, using {place[0]}:{place[1]}")
    return place
