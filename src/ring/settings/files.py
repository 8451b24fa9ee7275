"""Where the configs and secrets that instances mount stand as files."""

from __future__ import annotations

import os
from pathlib import Path

from ring.settings.sources import Environ, config_dir

_OF_ROOT = Path("/var/lib/ring/configs")


def files_dir(environ: Environ) -> Path:
    """An absolute path. Servers with config directories of their own share none."""
    if os.geteuid() == 0 and not environ.get("RING_CONFIG_DIR"):
        return _OF_ROOT
    return config_dir(environ).absolute() / "run" / "configs"
