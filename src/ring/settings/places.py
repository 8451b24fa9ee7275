"""Where engines and helpers of this machine are looked for, when variables may name them."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ring.settings.sources import Environ

VIRTIOFSD_PATHS = ("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd")


def docker_host(environ: Environ) -> str:
    """The engine of Docker's own tools; empty where the variable is not set."""
    return environ.get("DOCKER_HOST", "").strip()


def podman_host(written: str, environ: Environ, *, root: Path = Path("/")) -> str:
    """Podman's engine: what somebody named, else the first socket that is there.

    Without any, the first place it would be at; something named is never passed over.
    """
    for named in (written, environ.get("RING_PODMAN_HOST", ""), docker_host(environ)):
        if named.strip():
            return named.strip()
    directories = [f"/run/user/{os.getuid()}/podman", "/run/podman"]
    if runtime_dir := environ.get("XDG_RUNTIME_DIR", "").strip().rstrip("/"):
        directories.insert(0, f"{runtime_dir}/podman")
    sockets = [f"{directory}/podman.sock" for directory in directories]
    found = next((path for path in sockets if at(root, path).is_socket()), sockets[0])
    return f"unix://{found}"


def engine_certificates(environ: Environ) -> str | None:
    """The folder that Docker's own variables name for TLS; None: they do not ask for it."""
    if named := environ.get("DOCKER_CERT_PATH", "").strip():
        return named
    if not environ.get("DOCKER_TLS_VERIFY", "").strip():
        return None
    return str(Path(_home(environ)) / ".docker")


def cni_path(environ: Environ) -> str:
    """The directories of the CNI plugins as CNI's own tools are told them; empty: not set."""
    return environ.get("CNI_PATH", "").strip()


def virtiofsd_candidates(environ: Environ, *, root: Path = Path("/")) -> tuple[str, ...]:
    """The programs to try in order; the last is a name to look up in PATH."""
    named = environ.get("RING_VIRTIOFSD", "").strip()
    own = (named,) if named and at(root, named).exists() else ()
    return (*own, *(path for path in VIRTIOFSD_PATHS if at(root, path).exists()), "virtiofsd")


def docker_logins(environ: Environ) -> tuple[str, ...]:
    """The registry logins of this host's user, where Docker's own tools look."""
    folder = environ.get("DOCKER_CONFIG", "").strip() or f"{_home(environ)}/.docker"
    return (f"{folder.rstrip('/')}/config.json",)


def podman_logins(environ: Environ) -> tuple[str, ...]:
    """The same in the order in which Podman's tools look: Docker's are the last.

    A variable that names a place stands for its default one.
    """
    named = environ.get("REGISTRY_AUTH_FILE", "").strip()
    run = environ.get("XDG_RUNTIME_DIR", "").strip().rstrip("/")
    run = f"{run}/containers" if run else f"/run/containers/{os.getuid()}"
    own = (f"{run}/auth.json", f"{_home(environ)}/.config/containers/auth.json")
    return (*((named,) if named else ()), *own, *docker_logins(environ))


def _home(environ: Environ) -> str:
    """Of this process's user; the root where nothing tells one."""
    if named := environ.get("HOME", "").strip():
        return named
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"


_OWN = ("RING_", "OTEL_")


def helper_environment(environ: Environ) -> dict[str, str]:
    """For programs of others: what is Ring's own is none of their business, such as its key, and
    what opens the collector of its telemetry."""
    return {name: value for name, value in environ.items() if not name.startswith(_OWN)}


def at(root: Path, path: str) -> Path:
    """An absolute path of this machine as seen from another root; a relative one as it is."""
    return root / path.lstrip("/") if path.startswith("/") else Path(path)
