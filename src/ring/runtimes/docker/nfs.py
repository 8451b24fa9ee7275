"""A share of a network file system as the engine mounts it: a local volume with options.

`nas:/exports/data` needs no plugin.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ring.runtimes import shares

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.core.model.shares import Share

_VERSION: Final = "nfsvers=4"
_NAME = re.compile(rf"ring-nfs-[0-9a-f]{{{shares.HASH_DIGITS}}}")


def volume_name(source: str) -> str:
    """Of the engine's volume for a share: the same for everybody who mounts it."""
    return f"ring-nfs-{shares.digest(source)}"


def is_volume_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def options(found: Share, *, read_only: bool) -> dict[str, str]:
    """What the engine's local driver mounts it with."""
    access = "ro" if read_only else "rw"
    return {
        "type": "nfs",
        "device": f":{found.path}",
        "o": f"addr={found.server},{_VERSION},{access}",
    }


def difference(made: Mapping[str, str], wanted: Mapping[str, str]) -> str | None:
    """Why a volume that is there already is not to be mounted; None: it does.

    One made to be written can be mounted read-only, but not the other way round.
    """
    if made == wanted:
        return None
    writable = wanted["o"].removesuffix(",ro") + ",rw"
    if {**made} == {**wanted, "o": writable}:
        return None
    read_only = wanted["o"].removesuffix(",rw") + ",ro"
    if {**made} == {**wanted, "o": read_only}:
        return "the engine has it as read-only"
    return "the engine has one of this name that leads elsewhere"
