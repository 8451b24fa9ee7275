"""`python -m ring.network.keeper DIRECTORY OPTIONS`, see `program`."""

from __future__ import annotations

import sys

from ring.network.keeper.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
