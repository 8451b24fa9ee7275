"""Image references, taken apart and compared the way registries mean them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ring.core.model.images import normalised

__all__ = ["Reference", "is_digest", "normalised", "parse"]

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """`repository[:tag][@digest]`, as written."""

    written: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def version(self) -> str:
        """What tells one image of the repository from another; a digest wins over a tag."""
        return self.digest or self.tag or "latest"

    @property
    def exact(self) -> str:
        """The reference without what a digest makes superfluous."""
        if self.digest:
            return f"{self.repository}@{self.digest}"
        return self.repository if self.tag is None else f"{self.repository}:{self.tag}"

    @property
    def registry(self) -> str:
        """Whom it is asked of, as the reference names it."""
        return normalised(self.repository).partition("/")[0]

    def called(self, repository: str) -> Reference:
        """The same under another name of its repository; it is shown as written."""
        return replace(self, repository=repository)

    def at(self, digest: str) -> Reference:
        """The image of this digest in the same repository."""
        return Reference(f"{self.repository}@{digest}", self.repository, None, digest)


def parse(written: str) -> Reference:
    """Never fails: what is not a reference is left to the engine to refuse."""
    rest, _, digest = written.partition("@")
    folder, slash, last = rest.rpartition("/")
    name, colon, tag = last.partition(":")
    return Reference(
        written=written,
        repository=f"{folder}{slash}{name}",
        tag=tag if colon else None,
        digest=digest or None,
    )


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None
