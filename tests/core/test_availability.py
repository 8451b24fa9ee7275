"""Every use of what is not built gives one violation; what is not a use gives none."""

from __future__ import annotations

from typing import Any

import pytest

from ring.core.availability import UNAVAILABLE
from tests.core.bodies import checked

MOUNT = {"source": "/a", "destination": "/b"}

USES: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        f"network.mode={mode}": ("network.mode", {"network": {"mode": mode}})
        for mode in ("none", "shared")
    },
    **{
        f"network.{key}": (f"network.{key}", {"network": {key: "x"}})
        for key in ("share", "aliases", "ipv4", "ipv6", "mac", "dns", "attach", "policy")
    },
}


def test_every_entry_has_a_use() -> None:
    assert set(USES) == UNAVAILABLE


@pytest.mark.parametrize("entry", sorted(USES))
def test_a_use_gives_one_violation(entry: str) -> None:
    path, patch = USES[entry]
    (violation,) = checked(patch, unavailable=UNAVAILABLE).violations
    field = entry.partition("=")[0]
    assert violation.path == path
    assert violation.code == f"deployment.{field}.not_available"
    assert violation.message.endswith(" is not available in this version of Ring")


def test_what_is_wrong_with_an_unavailable_value_is_not_said() -> None:
    patch = {"network": {"mode": "shared", "mac": "nope"}, "hostname": "a"}
    violations = checked(patch, unavailable=UNAVAILABLE).violations
    assert [item.path for item in violations] == ["network.mode", "network.mac"]


def test_other_rules_still_run() -> None:
    patch = {
        "ports": [{"published": 80, "target": 80}],
        "network": {"policy": {"ingress": []}},
        "replicas": 2,
        "environment": {"1": {"secretRef": "y"}},
    }
    violations = checked(patch, unavailable=UNAVAILABLE).violations
    assert [(item.code.removeprefix("deployment."), item.path) for item in violations] == [
        ("network.policy.not_available", "network.policy"),
        ("ports.replicas_conflict", "ports"),
        ("replicas.ports_conflict", "replicas"),
        ("environment.key.invalid", "environment.1"),
    ]


@pytest.mark.parametrize("nothing", [None, False, [], {}], ids=str)
def test_no_use(nothing: Any) -> None:
    patch = {
        "network": {"mode": "bridge", "aliases": nothing, "policy": nothing},
        "config": {"image_pull_policy": "Never", "use_host_auth": None},
    }
    assert checked(patch, unavailable=UNAVAILABLE).violations == ()


@pytest.mark.parametrize(
    "patch",
    [
        {"health_checks": []},
        {"health_checks": None, "security": {}, "tmpfs": [], "ulimits": {}, "init": False},
        {"config": {"use_host_auth": False, "user": {}}},
        {"volumes": [{**MOUNT, "type": "volume", "source": "a", "driver": "local"}]},
        {"kind": "worker", "environment": {"A": "secretRef"}},
    ],
)
def test_empty_and_default_values_are_no_use(patch: dict[str, Any]) -> None:
    assert checked(patch, unavailable=UNAVAILABLE).violations == ()
