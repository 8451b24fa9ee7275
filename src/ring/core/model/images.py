"""Where the image of a reference is kept: the registry and the repository that it names."""

from __future__ import annotations

HUB = "docker.io"
HUB_NAMES = frozenset({HUB, "index.docker.io", "registry-1.docker.io"})


def normalised(repository: str) -> str:
    """`redis` and `index.docker.io/library/redis` are both `docker.io/library/redis`."""
    host, slash, path = repository.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, path = HUB, repository
    if host in HUB_NAMES:
        host = HUB
        path = path if "/" in path else f"library/{path}"
    return f"{host}/{path}"


def place(image: str) -> tuple[str, str]:
    """Registry host and repository of a reference: `reg.example:5000`, `team/app`."""
    rest = image.partition("@")[0]
    folder, slash, last = rest.rpartition("/")
    host, _, path = normalised(f"{folder}{slash}{last.partition(':')[0]}").partition("/")
    return host, path
