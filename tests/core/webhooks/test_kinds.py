from __future__ import annotations

import pytest

from ring.core.webhooks.kinds import Kind, complaint, is_subscribed


@pytest.mark.parametrize(
    ("patterns", "kind", "taken"),
    [
        ((), Kind.SCALED, True),
        (("*",), Kind.ERROR, True),
        (("deployment.*",), Kind.ROLLING_UPDATE, True),
        (("deployment.*",), "deploymentx.y", False),
        (("deployment.*",), "deployment", False),
        (("deployment.scaled",), Kind.SCALED, True),
        (("deployment.scaled",), Kind.ERROR, False),
        (("deployment.error", "deployment.scaled"), Kind.SCALED, True),
    ],
)
def test_who_is_told_what(patterns: tuple[str, ...], kind: str, taken: bool) -> None:
    assert is_subscribed(patterns, kind) is taken


@pytest.mark.parametrize("pattern", ["*", "deployment.*", *Kind])
def test_what_may_be_subscribed_to(pattern: str) -> None:
    assert complaint(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("deployment*", "use '*' for all events or 'deployment.*'"),
        ("**", "use '*' for all events or 'deployment.*'"),
        ("deployment.scaled*", "use '*' for all events or 'deployment.*'"),
        ("deployment.scaled.*", "use '*' for all events or 'deployment.*'"),
        ("deployement.*", "the known ones are deployment"),
        ("Deployment.*", "the known ones are deployment"),
        (".*", "the known ones are deployment"),
        ("deployment.nope", "deployment.status_changed, deployment.health_check_failed"),
        ("", "'' is not a known event"),
    ],
)
def test_what_is_wrong_with_any_other(pattern: str, said: str) -> None:
    assert said in (complaint(pattern) or "")
