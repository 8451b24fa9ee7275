"""Whether the kernel killed something of an instance for want of memory.

Its control group tells, which is there until its task is deleted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ring.runtimes.containerd import cgroups

if TYPE_CHECKING:
    from pathlib import Path

    from ring.core.model.ids import InstanceId

_KILLS: Final = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def ran_out(instance_id: InstanceId, root: Path = cgroups.ROOT) -> bool:
    """False also where nothing tells any more. Blocking, a file or two."""
    for home in cgroups.homes(instance_id):
        for file in (root / home / "memory.events", root / "memory" / home / "memory.oom_control"):
            try:
                kills = _KILLS.search(file.read_text(encoding="ascii"))
            except OSError:
                continue
            return kills is not None and int(kills[1]) > 0
    return False
