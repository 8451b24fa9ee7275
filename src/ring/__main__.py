"""The `ring` program. `ring --version` is answered before anything of weight is imported, and so
is a shell that waits for names."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line of this process; the exit code."""
    if sys.argv[1:] == ["--version"] and _told_version():
        return 0
    if sys.argv[1:2] == ["_complete"]:
        from ring.cli.completions.names import main as complete
        from ring.settings import process_environment

        return complete(sys.argv[2:], process_environment())
    try:
        from ring.cli.main import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return 130


def _told_version() -> bool:
    """Whether it could be written; where not, the command line has a word for it.

    Past the buffer of stdout, which would try again at the end with what it could not write.
    """
    from ring import __version__

    if sys.stdout is None:
        return False
    try:
        os.write(sys.stdout.fileno(), f"ring {__version__}\n".encode())
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
