"""A row's image on its runtime, with the login that the row's spec asks for.

A login that cannot be had stops a pull, never an image that is there already: what runs is healed
whatever became of the login.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.runtimes.base import HostLogins, RuntimeFailure

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.engine.operating.resolving import Resolved
    from ring.runtimes.base import Image, Login, Runtime


async def image_of(row: Deployment, runtime: Runtime, resolved: Resolved, pin: str | None) -> Image:
    """Present locally, of this digest where there is a pin. Raises RuntimeFailure."""
    spec = row.spec
    if spec.pull_policy != "Never" and (asks_host(row) or resolved.broken_login is not None):
        found = await _local(row, runtime, pin)
        if found is not None:
            return found
    login = resolved.login
    if spec.pull_policy != "Never":
        if resolved.broken_login is not None:
            raise RuntimeFailure(FailureClass.IMAGE_PULL_FAILED, resolved.broken_login)
        if asks_host(row):
            login = await host_login(runtime, spec.image)
            resolved.learned.extend((login.password, login.identity_token))
    return await runtime.resolve_image(spec.image, spec.pull_policy, pin, login)


def asks_host(row: Deployment) -> bool:
    """Its login is the server's host's."""
    return row.spec.config is not None and row.spec.config.use_host_auth


async def host_login(runtime: Runtime, image: str) -> Login:
    """Raises RuntimeFailure(IMAGE_PULL_FAILED)."""
    if not isinstance(runtime, HostLogins):
        raise RuntimeFailure(
            FailureClass.IMAGE_PULL_FAILED,
            f"Failed to pull image '{image}': {runtime.name} has no use for the logins of this "
            "host: take use_host_auth out",
        )
    return await runtime.host_login(image)


async def _local(row: Deployment, runtime: Runtime, pin: str | None) -> Image | None:
    """The image as far as no registry has to be asked. None: one has to be."""
    spec = row.spec
    if spec.pull_policy == "Always" and pin is None and "@" not in spec.image:
        return None
    try:
        return await runtime.resolve_image(spec.image, "Never", pin)
    except RuntimeFailure as error:
        if error.failure.kind is not FailureClass.IMAGE_NOT_FOUND:
            raise
        return None
