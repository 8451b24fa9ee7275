"""Rules about jobs and health checks."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ring.core.model.quantities import QuantityError, parse_duration
from ring.core.model.spec import CommandCheck, HttpCheck
from ring.core.rules.base import Rule, by_shape, rule
from ring.core.violations import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.rules.base import Case, Finding


@rule("deployment.replicas.job_must_be_one", "replicas", "kind")
def job_replicas(case: Case) -> Iterator[Finding]:
    """`kind: job` and `replicas > 1`"""
    if case.spec.kind == "job" and case.spec.replicas > 1:
        yield ("replicas",), f"must be 1 for a job, not {case.spec.replicas}"


@rule("deployment.health_checks.job_readiness_unsupported", "kind", "health_checks[].readiness")
def job_readiness(case: Case) -> Iterator[Finding]:
    """`kind: job` with any `readiness: true` check"""
    checks = case.each("health_checks", case.spec.health_checks)
    if case.spec.kind == "job" and any(check.readiness for _, check in checks):
        yield ("health_checks",), "a job cannot have a readiness check"


def _duration(member: str, *, positive: bool) -> Rule:
    def check(case: Case) -> Iterator[Finding]:
        for index, probe in case.each("health_checks", case.spec.health_checks):
            text = getattr(probe, member)
            if text is None:
                continue
            try:
                if parse_duration(text) == 0 and positive:
                    message = f"must be greater than 0, not {quoted(text)}"
                    yield ("health_checks", index, member), message
            except QuantityError as error:
                yield ("health_checks", index, member), error.message

    check.__doc__ = "not a duration, or zero" if positive else "not a duration"
    return rule(f"deployment.health_checks.{member}.invalid", f"health_checks[].{member}")(check)


@rule("deployment.health_checks.url.invalid", "health_checks[].url", "health_checks[].type")
def url_invalid(case: Case) -> Iterator[Finding]:
    """not an http(s) URL with a host"""
    for index, probe in case.each("health_checks", case.spec.health_checks):
        if isinstance(probe, HttpCheck) and not _is_http_url(probe.url):
            text = f"must be an http or https URL with a host, not {quoted(probe.url)}"
            yield ("health_checks", index, "url"), text


@rule("deployment.auto_rollback.job_unsupported", "auto_rollback", "kind")
def job_auto_rollback(case: Case) -> Iterator[Finding]:
    """`kind: job`"""
    if case.spec.auto_rollback and case.spec.kind == "job":
        yield ("auto_rollback",), "a job cannot be rolled back: it runs once"


@rule("deployment.health_checks.command.empty", "health_checks[].command", "health_checks[].type")
def command_empty(case: Case) -> Iterator[Finding]:
    """blank"""
    for index, probe in case.each("health_checks", case.spec.health_checks):
        if isinstance(probe, CommandCheck) and not probe.command.strip():
            yield ("health_checks", index, "command"), "command cannot be empty"


HEALTH = (
    job_replicas,
    job_readiness,
    job_auto_rollback,
    _duration("interval", positive=True),
    _duration("timeout", positive=True),
    _duration("min_healthy_time", positive=False),
    _duration("start_period", positive=False),
    by_shape("deployment.health_checks.threshold.out_of_range", "health_checks[].threshold", "< 1"),
    by_shape("deployment.health_checks.port.out_of_range", "health_checks[].port", "0 or > 65535"),
    url_invalid,
    command_empty,
)


def _is_http_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        return False
