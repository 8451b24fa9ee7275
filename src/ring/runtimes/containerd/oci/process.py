"""The process of an instance: what it runs, in which environment, where, and how far it may go."""

from __future__ import annotations

import posixpath
import resource
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.core.model.spec import Ulimit
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.oci import capabilities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.core.model.spec import DeploymentSpec
    from ring.runtimes.base import Order
    from ring.runtimes.containerd.image_config import ImageConfig

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INIT: Final = "/.ring-init"
"""Where the small init is seen inside."""
_INFINITY: Final = 2**64 - 1
_FILES: Final = (1024, 1024 * 1024)
_LONGEST_HOSTNAME: Final = 63


def hostname(spec: DeploymentSpec) -> str:
    """The deployment's name, where none is given; the kernel takes no longer one than this."""
    return spec.hostname or spec.name[:_LONGEST_HOSTNAME].rstrip("-_.")


def arguments(order: Order, image: ImageConfig) -> list[str]:
    """The image's entrypoint, with the order's command in place of the image's.

    Raises RuntimeFailure(INSTANCE_REJECTED) where that comes to nothing.
    """
    args = [*image.entrypoint, *(order.spec.command or image.command)]
    if not args:
        raise RuntimeFailure(
            FailureClass.INSTANCE_REJECTED,
            f"image '{order.spec.image}' has no command: give the deployment one",
        )
    return [INIT, "--", *args] if order.spec.init else args


def environment(order: Order, image: ImageConfig, home: str) -> list[str]:
    """What the engine gives at least, then the image's, then the order's: the last one wins."""
    usual = {"PATH": PATH, "HOSTNAME": hostname(order.spec)}
    merged = {**usual, **_pairs(image), **order.environment}
    return [
        f"{name}={value}" for name, value in {**merged, "HOME": merged.get("HOME", home)}.items()
    ]


def _pairs(image: ImageConfig) -> Mapping[str, str]:
    pairs = (entry.partition("=") for entry in image.environment)
    return {name: value for name, _, value in pairs if name}


def directory(image: ImageConfig) -> str:
    """Absolute and without `..`."""
    return posixpath.normpath(posixpath.join("/", image.directory)).replace("//", "/")


def rlimits(written: Mapping[str, int | Ulimit]) -> list[dict[str, object]]:
    """The order's, and of open files the usual ones where it does not say."""
    limits = {name: _limit(limit) for name, limit in written.items()}
    if "nofile" not in limits:
        limits["nofile"] = _usual_files()
    return [
        {"type": f"RLIMIT_{name.upper()}", "soft": soft, "hard": hard}
        for name, (soft, hard) in sorted(limits.items())
    ]


def _limit(limit: int | Ulimit) -> tuple[int, int]:
    soft, hard = (limit.soft, limit.hard) if isinstance(limit, Ulimit) else (limit, limit)
    return _number(soft), _number(hard)


def _number(written: int) -> int:
    return _INFINITY if written < 0 else written


def _usual_files() -> tuple[int, int]:
    """No more than this machine's own, where that cannot be raised: nothing would start."""
    soft, hard = _FILES
    _, own = resource.getrlimit(resource.RLIMIT_NOFILE)
    if own != resource.RLIM_INFINITY and not capabilities.can_raise_limits():
        hard = min(hard, own)
    return min(soft, hard), hard
