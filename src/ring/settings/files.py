"""Where the server keeps what is no row of its database: for instances, and beside them."""

from __future__ import annotations

import os
from pathlib import Path

from ring.settings.sources import Environ, config_dir

_STATE_OF_ROOT = Path("/var/lib/ring")
_RUN_OF_ROOT = Path("/run/ring")


def state_dir(environ: Environ) -> Path:
    """What outlives a start of the machine; an absolute path. Servers with config directories of
    their own share none, unless RING_STATE_DIR says so."""
    return _named(environ, "RING_STATE_DIR") or _usual(environ, _STATE_OF_ROOT)


def run_dir(environ: Environ) -> Path:
    """What does not; an absolute path, as little shared: RING_RUN_DIR."""
    return _named(environ, "RING_RUN_DIR") or _usual(environ, _RUN_OF_ROOT)


def files_dir(environ: Environ) -> Path:
    """The configs and secrets that instances mount."""
    return state_dir(environ) / "configs"


def _named(environ: Environ, variable: str) -> Path | None:
    named = environ.get(variable, "").strip()
    return Path(named).absolute() if named else None


def _usual(environ: Environ, of_root: Path) -> Path:
    if os.geteuid() == 0 and not environ.get("RING_CONFIG_DIR"):
        return of_root
    return config_dir(environ).absolute() / "run"
