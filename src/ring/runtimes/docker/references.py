"""Image references, taken apart and compared the way registries mean them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
HUB = "docker.io"
HUB_NAMES = frozenset({HUB, "index.docker.io", "registry-1.docker.io"})


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
        return f"{self.repository}@{self.digest}" if self.digest else self.written

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


def normalised(repository: str) -> str:
    """`redis` and `index.docker.io/library/redis` are both `docker.io/library/redis`."""
    host, slash, path = repository.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, path = HUB, repository
    if host in HUB_NAMES:
        host = HUB
        path = path if "/" in path else f"library/{path}"
    return f"{host}/{path}"


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None
