"""Which of a deployment's fields its runtime takes and does nothing with.

The server says it too, on the row; a client says it at once and also when no server is asked, so
it has a table of its own by the name of the runtime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Body = dict[str, Any]


def _is_set(block: str, member: str) -> Callable[[Body], bool]:
    return lambda body: member in body.get(block, {})


def _is_other_policy(body: Body) -> bool:
    return bool(body.get("config", {}).get("image_pull_policy", "Always") != "Always")


def _is_shadowed(body: Body) -> bool:
    """Requests count where a limit is not set."""
    resources = body.get("resources", {})
    requests = resources.get("requests", {})
    return bool(requests) and requests.keys() <= resources.get("limits", {}).keys()


_NO_REGISTRY: Final[Mapping[str, Callable[[Body], bool]]] = {
    "config.image_pull_policy": _is_other_policy,
    **{
        f"config.{member}": _is_set("config", member)
        for member in (
            "server",
            "username",
            "password",
            "user",
            "use_host_auth",
            "image_pull_secret",
        )
    },
}
_IGNORED: Final[Mapping[str, Mapping[str, Callable[[Body], bool]]]] = {
    "cloud-hypervisor": {"resources.requests": _is_set("resources", "requests"), **_NO_REGISTRY},
    "firecracker": {"resources.requests": _is_shadowed, **_NO_REGISTRY},
}


def ignored_fields(body: Body) -> tuple[str, ...]:
    """Paths that are set in a body and not honoured by the runtime it names."""
    table = _IGNORED.get(body["runtime"], {})
    return tuple(path for path, is_ignored in table.items() if is_ignored(body))
