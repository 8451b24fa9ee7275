"""Rules about the image pull, registry credentials and the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.rules.base import CAPABILITIES, by_shape, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.model.spec import Config, User
    from ring.core.rules.base import Case, Finding

_LOGIN = ("config.server", "config.username", "config.password")
_USER = ("config", "user")


@rule("deployment.config.use_host_auth.conflict", "config.use_host_auth", *_LOGIN)
def use_host_auth_conflict(case: Case) -> Iterator[Finding]:
    """true together with `server`, `username` or `password`"""
    config = case.spec.config
    if config and config.use_host_auth and _has_login(config):
        text = "use_host_auth cannot be combined with server, username or password"
        yield ("config", "use_host_auth"), text


@rule(
    "deployment.config.image_pull_secret.conflict",
    "config.image_pull_secret",
    "config.use_host_auth",
    *_LOGIN,
)
def image_pull_secret_conflict(case: Case) -> Iterator[Finding]:
    """set together with inline credentials or `use_host_auth`"""
    config = case.spec.config
    if config and config.image_pull_secret is not None:
        if _has_login(config):
            text = "image_pull_secret cannot be combined with server, username or password"
            yield ("config", "image_pull_secret"), text
        elif config.use_host_auth:
            text = "image_pull_secret cannot be combined with use_host_auth"
            yield ("config", "image_pull_secret"), text


@rule(
    "deployment.config.credentials.incomplete",
    "config.image_pull_secret",
    "config.use_host_auth",
    *_LOGIN,
    CAPABILITIES,
)
def credentials_incomplete(case: Case) -> Iterator[Finding]:
    """`username` or `password` without the other, or `server` alone, where images are pulled"""
    config = case.spec.config
    if not config or not case.capabilities.pull or not _has_login(config):
        return
    if config.use_host_auth or config.image_pull_secret is not None:
        return
    for member, value in (("username", config.username), ("password", config.password)):
        if value is None:
            yield ("config", member), f"{member} is required for a registry login"


@rule("deployment.config.user.userns_unsupported", "config.user.userns", CAPABILITIES)
def userns_unsupported(case: Case) -> Iterator[Finding]:
    """present on a runtime without user namespace mapping"""
    user = _user(case)
    if user and user.userns is not None and not case.capabilities.userns:
        yield (*_USER, "userns"), f"userns is not supported by {case.spec.runtime}"


@rule(
    "deployment.config.user.group_without_id", "config.user.group", "config.user.id", CAPABILITIES
)
def group_without_id(case: Case) -> Iterator[Finding]:
    """`group` without `id`, where the runtime sets the user"""
    user = _user(case)
    if user and user.group is not None and user.id is None and case.capabilities.user:
        yield (*_USER, "group"), "group needs an id beside it"


CONFIG = (
    by_shape(
        "deployment.config.image_pull_policy.unsupported",
        "config.image_pull_policy",
        "not `Always`, `IfNotPresent` or `Never`",
    ),
    use_host_auth_conflict,
    image_pull_secret_conflict,
    credentials_incomplete,
    userns_unsupported,
    group_without_id,
)


def _has_login(config: Config) -> bool:
    return any(value is not None for value in (config.server, config.username, config.password))


def _user(case: Case) -> User | None:
    return case.spec.config.user if case.spec.config else None
