"""The Podman runtime: where its engine is, and which adapter speaks to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.runtimes.docker.adapter import HOST_FORMS, DockerRuntime, opened
from ring.runtimes.podman.dialect import PODMAN

if TYPE_CHECKING:
    from collections.abc import Mapping


def from_options(options: Mapping[str, object]) -> DockerRuntime:
    """The runtime of these settings, which are those of Docker. Raises HostError.

    What somebody named is taken as it is, or refused: it is never passed over.
    """
    written = options.get("host", "")
    if not isinstance(written, str):
        raise HostError(f"podman host {written!r} is not text: write {HOST_FORMS}")
    host = written.strip() or str(options.get("environment_host") or "")
    return opened(host, options, PODMAN)
