"""The Ring server, whose engine notes by how much each probe of a health check begins late.

python bench/lateness.py FILE     leaves [[monotonic seconds, ms late], …] in FILE
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path


def command(file: Path) -> list[str]:
    """The command line of that server."""
    return [sys.executable, __file__, str(file)]


def main(file: Path) -> int:
    """The server's exit status."""
    from ring import server
    from ring.cli.main import run
    from ring.engine.engine import Engine

    samples: list[tuple[float, float]] = []

    def late(seconds: float) -> None:
        samples.append((time.monotonic(), seconds * 1000))

    server.Engine = partial(Engine, late=late)  # type: ignore[assignment,attr-defined]  # one more argument
    status = run(["server", "start"])
    file.write_text(json.dumps(samples))
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
