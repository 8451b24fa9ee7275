"""Where the CNI plugins are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    At = Callable[[str], Path]
    """Where an absolute path of the machine is found."""

USUAL: Final = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
PACKAGE: Final = "containernetworking-plugins"
"""What has them, in Debian and its kin."""
_SIGN: Final = "bridge"


def directories(written: Sequence[str], named: str = "", at: At = Path) -> tuple[str, ...]:
    """Those to search, in order: never empty, and of the usual places one, where any has plugins.

    named: `CNI_PATH` as it is set, which goes before what is written in the configuration.
    """
    if found := tuple(part.strip() for part in named.split(os.pathsep) if part.strip()):
        return found
    if written:
        return tuple(written)
    holding = next((path for path in USUAL if find(_SIGN, (path,), at)), None)
    return USUAL if holding is None else (holding,)


def find(name: str, places: Iterable[str], at: At = Path) -> str | None:
    """The program of this plugin; None: none of these directories has it."""
    for place in places:
        program = at(place) / name
        if program.is_file() and os.access(program, os.X_OK):
            return f"{place.rstrip('/')}/{name}"
    return None


def missing(names: Iterable[str], places: Sequence[str], at: At = Path) -> list[str]:
    return [name for name in names if find(name, places, at) is None]
