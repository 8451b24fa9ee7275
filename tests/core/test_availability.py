"""Every use of what is not built gives one violation; what is not a use gives none."""

from __future__ import annotations

from typing import Any

import pytest

from ring.core.availability import UNAVAILABLE
from tests.core.bodies import FULL, checked

MOUNT = {"source": "/a", "destination": "/b"}
PORTS = {"ports": [{"published": "80-81", "target": "80-81"}]}
WHOLE = [
    "health_checks", "autoscale", "security", "tmpfs", "ulimits", "sysctls", "devices", "shm_size",
    "init", "hostname", "extra_hosts", "stop_grace_period", "stop_signal",
]  # fmt: skip

USES: dict[str, tuple[str, dict[str, Any]]] = {
    "kind=job": ("kind", {"kind": "job", "replicas": 1}),
    "volumes.driver=nfs": (
        "volumes[0].driver",
        {"volumes": [{**MOUNT, "type": "volume", "driver": "nfs"}]},
    ),
    "volumes.relabel": (
        "volumes[0].relabel",
        {"volumes": [{**MOUNT, "type": "bind", "relabel": "shared"}]},
    ),
    "ports.range": ("ports[0]", PORTS),
    **{
        f"network.mode={mode}": ("network.mode", {"network": {"mode": mode}})
        for mode in ("host", "none", "shared")
    },
    **{
        f"network.{key}": (f"network.{key}", {"network": {key: "x"}})
        for key in ("share", "aliases", "ipv4", "ipv6", "mac", "dns", "attach", "policy")
    },
    **{
        f"config.{key}": (f"config.{key}", {"config": {key: value}})
        for key, value in (
            ("use_host_auth", True),
            ("user", {"id": 1}),
        )
    },
    **{name: (name, {name: FULL[name]}) for name in WHOLE},
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
    patch = {"health_checks": [{"type": "nope"}], "autoscale": 5, "config": {"user": {"group": 1}}}
    violations = checked(patch, unavailable=UNAVAILABLE).violations
    assert [item.path for item in violations] == ["health_checks", "autoscale", "config.user"]


def test_other_rules_still_run() -> None:
    patch = {
        **PORTS,
        "replicas": 2,
        "environment": {"1": {"secretRef": "y"}},
    }
    violations = checked(patch, unavailable=UNAVAILABLE).violations
    assert [(item.code.removeprefix("deployment."), item.path) for item in violations] == [
        ("ports.range.not_available", "ports[0]"),
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
