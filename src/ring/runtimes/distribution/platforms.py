"""Which machines an image is for, in Go's names, as the OCI Image Specification takes them."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LINUX: Final = "linux"
UNKNOWN: Final = "unknown"
"""Operating system and architecture of what is no image: an attestation."""
_GO_NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armv8l": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armv5tel": ("arm", "v5"),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "loongarch64": ("loong64", ""),
}
"""By what uname(2) says; the names of others are the same in Go."""
_USUAL: Final[Mapping[str, str]] = {"amd64": "v1", "arm64": "v8", "arm": "v7"}
"""What is meant where no variant is named."""


@dataclass(frozen=True, slots=True)
class Platform:
    """`linux/arm/v7`"""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def rank(self, image: Platform) -> int:
        """How well the image runs on this machine: the higher the better, 0 for not at all.

        An ARM machine also runs what is for an older one.
        """
        if (image.os, image.architecture) != (self.os, self.architecture):
            return 0
        own, other = _variant(self), _variant(image)
        if own == other:
            return 10
        is_older = self.architecture == "arm" and "v5" <= other < own <= "v7"
        return int(other[1:]) if is_older else 0


def here() -> Platform:
    """What images for this machine are made for."""
    machine = platform.machine()
    architecture, variant = _GO_NAMES.get(machine, (machine, ""))
    return Platform(LINUX, architecture, variant)


def _variant(of: Platform) -> str:
    return of.variant or _USUAL.get(of.architecture, "")
