"""Where engines and helpers of this machine are looked for, when variables may name them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.settings.sources import Environ

CNI_DIRECTORIES = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
VIRTIOFSD_PATHS = ("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd")


def podman_host(written: str, environ: Environ, *, root: Path = Path("/")) -> str:
    """Podman's engine: what somebody named, else the first socket that is there.

    Without any, the first place it would be at; something named is never passed over.
    """
    for named in (written, environ.get("RING_PODMAN_HOST", ""), environ.get("DOCKER_HOST", "")):
        if named.strip():
            return named.strip()
    directories = [f"/run/user/{os.getuid()}/podman", "/run/podman"]
    if runtime_dir := environ.get("XDG_RUNTIME_DIR", "").strip().rstrip("/"):
        directories.insert(0, f"{runtime_dir}/podman")
    sockets = [f"{directory}/podman.sock" for directory in directories]
    found = next((path for path in sockets if at(root, path).is_socket()), sockets[0])
    return f"unix://{found}"


def cni_directory(written: Sequence[str], environ: Environ, *, root: Path = Path("/")) -> str:
    """Where the CNI plugins are: named by the variable or the table, else where `bridge` is."""
    if named := environ.get("CNI_PATH", "").strip():
        return named
    candidates = tuple(written) or CNI_DIRECTORIES
    holding = (path for path in candidates if os.access(at(root, path) / "bridge", os.X_OK))
    return next(holding, candidates[0])


def virtiofsd_candidates(environ: Environ, *, root: Path = Path("/")) -> tuple[str, ...]:
    """The programs to try in order; the last is a name to look up in PATH."""
    named = environ.get("RING_VIRTIOFSD", "").strip()
    own = (named,) if named and at(root, named).exists() else ()
    return (*own, *(path for path in VIRTIOFSD_PATHS if at(root, path).exists()), "virtiofsd")


def at(root: Path, path: str) -> Path:
    """An absolute path of this machine as seen from another root; a relative one as it is."""
    return root / path.lstrip("/") if path.startswith("/") else Path(path)
