"""What containerd calls an instance: its id, which is a name of Ring's made to fit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ring.core.model.ids import InstanceId

if TYPE_CHECKING:
    from ring.core.model.ids import InstanceName

LONGEST: Final = 76
"""containerd's identifiers.maxLength."""
_SUFFIX_BYTES: Final = 8
_LEGAL: Final = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")
"""containerd's identifiers.identifierRegexp."""
_SEPARATORS: Final = re.compile(r"[._-]+")
_OF_RING: Final = re.compile(r".+_[0-9a-f]{8}")


def is_legal(text: str) -> bool:
    """containerd takes it as an id; it refuses even to look for another."""
    return len(text) <= LONGEST and _LEGAL.fullmatch(text) is not None


def may_be_rings(text: str) -> bool:
    """It ends as the ids of instances do."""
    return _OF_RING.fullmatch(text) is not None


def container_id(name: InstanceName) -> InstanceId:
    """The name where containerd takes it; else with single separators, and cut to fit.

    The suffix is what tells instances apart: it stays.
    """
    if is_legal(name):
        return InstanceId(name)
    head, _, suffix = name.rpartition("_")
    namespace, _, deployment = head.partition("_")
    room = LONGEST - _SUFFIX_BYTES - 1
    parts = [_plain(namespace), _plain(deployment)]
    if len("_".join(parts)) > room:
        half = (room - 1) // 2
        shorter = min(len(part) for part in parts)
        longest = max(half, room - 1 - shorter)
        parts = [_plain(part[:longest]) for part in parts]
    return InstanceId("_".join(part for part in (*parts, suffix) if part))


def _plain(text: str) -> str:
    """Without a separator at its ends, and without two in a row."""
    return _SEPARATORS.sub(lambda found: found[0][0], text).strip("._-")
