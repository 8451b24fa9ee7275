"""How long an instance may take to end once it has been asked to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ring.core.model.quantities import QuantityError, parse_duration

if TYPE_CHECKING:
    from ring.core.model.spec import DeploymentSpec

LONGEST_GRACE_S: Final = 600.0


def grace_s(spec: DeploymentSpec) -> float | None:
    """Seconds; None: the spec does not say, or not as a duration (in rows older than the rule)."""
    if spec.stop_grace_period is None:
        return None
    try:
        return min(parse_duration(spec.stop_grace_period) / 1000, LONGEST_GRACE_S)
    except QuantityError:
        return None
