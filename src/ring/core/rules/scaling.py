"""Rules about autoscaling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ring.core.rules.base import CAPABILITIES, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.rules.base import Case, Finding

_AT = ("autoscale",)


@rule("deployment.autoscale.invalid", "autoscale.min")
def min_invalid(case: Case) -> Iterator[Finding]:
    """`min < 1`"""
    scale = case.spec.autoscale
    if scale and scale.min < 1:
        yield _AT, f"min must be at least 1, not {scale.min}"


@rule("deployment.autoscale.invalid", "autoscale.min", "autoscale.max")
def max_invalid(case: Case) -> Iterator[Finding]:
    """`max < min`"""
    scale = case.spec.autoscale
    if scale and scale.max < scale.min:
        yield _AT, f"max must be at least min ({scale.min}), not {scale.max}"


@rule("deployment.autoscale.invalid", "autoscale.target_cpu")
def target_invalid(case: Case) -> Iterator[Finding]:
    """`target_cpu` not in (0, 100), or not finite"""
    scale = case.spec.autoscale
    if scale and not (math.isfinite(scale.target_cpu) and 0 < scale.target_cpu < 100):
        yield _AT, f"target_cpu must be between 0 and 100, both excluded, not {scale.target_cpu:g}"


@rule("deployment.autoscale.runtime_unsupported", "autoscale", CAPABILITIES)
def runtime_unsupported(case: Case) -> Iterator[Finding]:
    """block present on a runtime without CPU statistics"""
    if case.spec.autoscale and not case.capabilities.cpu_stats:
        yield _AT, f"autoscale is not supported by {case.spec.runtime}"


@rule("deployment.autoscale.job_unsupported", "autoscale", "kind")
def job_unsupported(case: Case) -> Iterator[Finding]:
    """`kind: job`"""
    if case.spec.autoscale and case.spec.kind == "job":
        yield _AT, "a job cannot be autoscaled"


SCALING = (min_invalid, max_invalid, target_invalid, runtime_unsupported, job_unsupported)
