"""What differs between two specs, and that it is what makes them mean something else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.core.diffing import changes, moved_tag, new_password, renewed
from ring.core.model.spec import DeploymentSpec, fingerprint, normalised
from ring.core.references import Reference
from tests.core.bodies import FULL, MINIMAL


def spec(**members: object) -> DeploymentSpec:
    return DeploymentSpec.model_validate_json(json.dumps({**MINIMAL, **members}))


def told(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    found = changes(spec(**before), spec(**after))
    return [(change.path, change.before, change.after) for change in found]


CHECK = {"type": "tcp", "port": 80, "interval": "5s", "timeout": "1s", "on_failure": "alert"}
SHOWN = {**CHECK, "threshold": 3, "readiness": False}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, []),
        ({}, {"image": "nginx:2"}, [("image", "nginx:1.27", "nginx:2")]),
        ({}, {"replicas": 3}, [("replicas", 1, 3)]),
        ({"manifest": "a"}, {"manifest": "b"}, []),
        ({}, {"environment": {"LOG": "json"}}, [("environment.LOG", None, "json")]),
        ({"environment": {"A": ""}}, {}, [("environment.A", "", None)]),
        (
            {"environment": {"DB": "x"}},
            {"environment": {"DB": {"secretRef": "db"}}},
            [("environment.DB", "x", {"secretRef": "db"})],
        ),
        (
            {"environment": {"DB": {"secretRef": "a"}}},
            {"environment": {"DB": {"secretRef": "b"}}},
            [("environment.DB.secretRef", "a", "b")],
        ),
        (
            {"health_checks": [CHECK]},
            {"health_checks": [{**CHECK, "interval": "9s"}]},
            [("health_checks[0].interval", "5s", "9s")],
        ),
        ({"health_checks": [CHECK]}, {}, [("health_checks[0]", SHOWN, None)]),
        (
            {},
            {"resources": {"limits": {"memory": "64Mi"}}},
            [("resources.limits.memory", None, "64Mi")],
        ),
        ({"command": ["a", "b"]}, {"command": ["a"]}, [("command[1]", "b", None)]),
        ({}, {"config": {}, "network": {}, "labels": {}, "resources": {}}, []),
        ({}, {"config": {"image_pull_policy": "Always"}, "network": {"mode": "bridge"}}, []),
        ({}, {"config": {"password": "p"}}, [("config.password", None, "***")]),
        ({"config": {"password": "p"}}, {"config": {"password": "q"}}, []),
        (
            {"security": {"cap_add": ["KILL"], "read_only": False}, "init": False},
            {"security": {"cap_add": ["KILL", "CHOWN"], "hardened": True}, "init": True},
            [
                ("init", None, True),
                ("security.cap_add[1]", None, "CHOWN"),
                ("security.hardened", None, True),
            ],
        ),
        (
            {"tmpfs": [{"destination": "/t"}], "config": {"user": {"id": 1}}},
            {"tmpfs": [{"destination": "/t", "size": "1Mi"}], "config": {"user": {"id": 2}}},
            [("config.user.id", 1, 2), ("tmpfs[0].size", None, "1Mi")],
        ),
        ({"ulimits": {"core": 1}}, {"ulimits": {"core": -1}}, [("ulimits.core", 1, -1)]),
        (
            {"network": {"mac": True}},
            {"network": {"mac": 1}},
            [("network.mac", True, 1)],
        ),
    ],
)
def test_changes_are_told_by_field(
    before: dict[str, Any], after: dict[str, Any], expected: list[tuple[str, Any, Any]]
) -> None:
    assert told(before, after) == expected


def test_all_that_is_set_is_new_without_a_predecessor() -> None:
    found = {change.path: change for change in changes(None, spec(**FULL))}
    assert all(change.before is None for change in found.values())
    assert found["image"].after == "nginx:1.27"
    assert found["config.password"].after == "***"
    assert "manifest" not in found


def test_what_a_spec_refers_to_is_told_where_it_is_used() -> None:
    one = spec(
        environment={"DB": {"secretRef": "db"}, "LOG": "json"},
        volumes=[
            {"type": "config", "source": "conf", "key": "a", "destination": "/a"},
            {"type": "volume", "source": "db", "destination": "/b"},
            {"type": "secret", "source": "db", "destination": "/c"},
        ],
        config={"image_pull_secret": "registry"},
    )
    paths = [
        change.path
        for change in renewed(
            one,
            [
                Reference("secret", "db"),
                Reference("config", "conf"),
                Reference("secret", "registry"),
            ],
        )
    ]
    assert paths == [
        "environment.DB (secret 'db' has changed)",
        "volumes[0] (config 'conf' has changed)",
        "volumes[2] (secret 'db' has changed)",
        "config.image_pull_secret (secret 'registry' has changed)",
    ]
    assert renewed(one, []) == ()
    assert (new_password().before, new_password().after) == ("***", "***")
    assert moved_tag(one).path == "image (the tag has moved)"


_TEXTS = st.sampled_from(["a", "b", ""])
_MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "image": _TEXTS,
        "replicas": st.integers(0, 2),
        "manifest": _TEXTS,
        "command": st.lists(_TEXTS, max_size=2),
        "environment": st.dictionaries(
            st.sampled_from("XY"), _TEXTS | st.builds(lambda n: {"secretRef": n}, _TEXTS)
        ),
        "labels": st.dictionaries(_TEXTS, _TEXTS),
        "health_checks": st.lists(
            st.builds(lambda port: {**CHECK, "port": port}, st.integers(1, 2)), max_size=2
        ),
        "volumes": st.lists(
            st.builds(
                lambda kind, permission: {
                    "type": kind, "source": "s", "destination": "/d",
                    **({"permission": permission} if permission else {}),
                },
                st.sampled_from(["volume", "config"]),
                st.sampled_from([None, "ro", "rw"]),
            ),
            max_size=1,
        ),
        "network": st.sampled_from(
            [{}, {"mode": "bridge"}, {"mode": "host"}, {"policy": {}}, {"policy": [{}]}]
        ),
        "config": st.sampled_from([{}, {"image_pull_policy": "Always"}, {"password": "p"}]),
        "resources": st.sampled_from([{}, {"limits": {}}, {"limits": {"cpu": "1"}}]),
        "ulimits": st.sampled_from([{}, {"core": 1}, {"core": {"soft": 1, "hard": 1}}]),
        "security": st.sampled_from(
            [{}, {"read_only": False}, {"selinux": {"disable": True}}, {"selinux": {"disable": 1}}]
        ),
        "autoscale": st.sampled_from(
            [{"min": 1, "max": 2, "target_cpu": 5}, {"min": 1, "max": 2, "target_cpu": 5.0}]
        ),
    },
)  # fmt: skip
_SPECS = st.builds(lambda members: normalised(spec(**members)), _MEMBERS)


@given(_SPECS, _SPECS)
def test_there_is_a_difference_where_they_mean_something_else(
    one: DeploymentSpec, other: DeploymentSpec
) -> None:
    is_same = fingerprint(one) == fingerprint(other) and one.replicas == other.replicas
    assert (changes(one, other) == ()) is is_same
    assert len(changes(one, other)) == len(changes(other, one))
    assert changes(one, one) == ()
