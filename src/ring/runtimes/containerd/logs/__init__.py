"""What instances write on containerd: kept by a process of its own, read from its files.

containerd keeps no logs. Tasks write into FIFOs, `ring.runtimes.containerd.logkeeper` reads those
and outlives the server; here is what the server has of it.
"""

from __future__ import annotations

from ring.runtimes.containerd.logs.keeper import LogKeeper
from ring.runtimes.containerd.logs.places import Stdio, log_dir
from ring.runtimes.containerd.logs.reading import read

__all__ = ["LogKeeper", "Stdio", "log_dir", "read"]
