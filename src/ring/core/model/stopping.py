"""How long an instance may take to end once it has been asked to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ring.core.model.quantities import QuantityError, parse_duration

if TYPE_CHECKING:
    from ring.core.model.spec import DeploymentSpec

DEFAULT_GRACE_S: Final = 10.0
LONGEST_GRACE_S: Final = 600.0


def grace_s(spec: DeploymentSpec) -> float:
    """Seconds; the default where the spec has none, or no duration (rows older than the rule)."""
    if spec.stop_grace_period is None:
        return DEFAULT_GRACE_S
    try:
        return min(parse_duration(spec.stop_grace_period) / 1000, LONGEST_GRACE_S)
    except QuantityError:
        return DEFAULT_GRACE_S
