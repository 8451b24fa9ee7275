"""What the environment tells each runtime: where its engine is, and what opens registries to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from ring.settings.places import (
    cni_path,
    docker_host,
    docker_logins,
    engine_certificates,
    helper_environment,
    podman_host,
    podman_logins,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ring.settings.sources import Environ

HOST: Final = "environment_host"
"""The option that holds where the engine is when the table does not say. Only the environment sets
it, and every adapter decides whether it is for it."""

LOGIN_FILES: Final = "login_files"
LOGIN_ENVIRONMENT: Final = "login_environment"
"""The options that hold where registry logins of this host are, and the variables that their
helpers get; of the runtimes that pull images."""

CERTIFICATES: Final = "environment_certs"
"""The option that holds the folder of the certificates for TLS to an engine, if the environment
asks for it; for an engine on a socket it means nothing."""

CNI_PATH: Final = "cni_path"
"""The option that holds the directories of CNI's plugins, if the environment names some."""

OPTIONS: Final = frozenset({HOST, LOGIN_FILES, LOGIN_ENVIRONMENT, CERTIFICATES, CNI_PATH})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of the environment is for one runtime."""

    host: Callable[[Environ], str] = docker_host
    """Its engine; empty where nothing tells."""
    logins: Callable[[Environ], tuple[str, ...]] | None = None
    """Files to look for registry logins in, in order; None: it pulls nothing."""
    plugins: Callable[[Environ], str] | None = None
    """Directories of CNI's plugins; None: its networks are none of CNI's."""

    def options(self, environ: Environ) -> dict[str, object]:
        """What nothing is told of is left out."""
        told: dict[str, object] = {}
        if host := self.host(environ):
            told[HOST] = host
        if certificates := engine_certificates(environ):
            told[CERTIFICATES] = certificates
        if self.plugins is not None and (directories := self.plugins(environ)):
            told[CNI_PATH] = directories
        if self.logins is not None:
            told[LOGIN_FILES] = self.logins(environ)
            told[LOGIN_ENVIRONMENT] = helper_environment(environ)
        return told


RUNTIMES: Final[Mapping[str, Surroundings]] = {
    "docker": Surroundings(logins=docker_logins),
    "podman": Surroundings(partial(podman_host, ""), podman_logins),
    "containerd": Surroundings(logins=docker_logins, plugins=cni_path),
    "cloud-hypervisor": Surroundings(),
    "firecracker": Surroundings(),
}
"""By the name that manifests use."""
