"""The `ring` program. `ring --version` is answered before anything of weight is imported, and so
is a shell that waits for names."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line of this process; the exit code."""
    if sys.argv[1:] == ["--version"]:
        from ring import __version__

        sys.stdout.write(f"ring {__version__}\n")
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


if __name__ == "__main__":
    sys.exit(main())
