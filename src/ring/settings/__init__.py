"""Where settings come from: flag over environment over config.toml over built-in default.

The only reader of environment variables and of config.toml. What the server needs loads on
first use, so that a read command does not pay for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.settings.contexts import Context, load_context
from ring.settings.sources import config_dir, process_environment

if TYPE_CHECKING:
    from ring.settings.server import RuntimeTable, ServerSettings, load_server_settings

__all__ = [
    "Context",
    "RuntimeTable",
    "ServerSettings",
    "config_dir",
    "load_context",
    "load_server_settings",
    "process_environment",
]

_SERVER = frozenset({"RuntimeTable", "ServerSettings", "load_server_settings"})


def __getattr__(name: str) -> object:
    if name not in _SERVER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ring.settings import server

    return getattr(server, name)
