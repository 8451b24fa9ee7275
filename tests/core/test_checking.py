from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.core.availability import UNAVAILABLE
from ring.core.bounds import MOST_SPEC_BYTES, MOST_UNKNOWN
from ring.core.checking import DEEPEST, NotJson, check
from ring.core.model.shapes import DEPLOYMENT
from ring.core.model.spec import DeploymentSpec, canonical, normalised
from tests.core.bodies import CAPABILITIES, EVERYTHING, FULL, MINIMAL, checked, found

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_five_at_once_of_shapes_and_rules() -> None:
    patch = {
        "image": None,
        "replicas": 3,
        "ports": [{"published": 0, "target": 80}],
        "environment": {"1BAD": "x"},
    }
    assert found(patch) == [
        ("deployment.image.type", "image"),
        ("deployment.ports.published.out_of_range", "ports[0].published"),
        ("deployment.ports.replicas_conflict", "ports"),
        ("deployment.replicas.ports_conflict", "replicas"),
        ("deployment.environment.key.invalid", "environment.1BAD"),
    ]


def test_a_broken_item_silences_only_rules_about_itself() -> None:
    patch = {
        "volumes": [
            {"type": "bind", "source": 5, "destination": "x"},
            {"type": "bind", "source": "y", "destination": "/b"},
            7,
        ],
        "environment": {"1A": 5, "2B": "x", "C": "\0"},
    }
    assert found(patch) == [
        ("deployment.environment.value.type", "environment.1A"),
        ("deployment.volumes.source.type", "volumes[0].source"),
        ("deployment.volumes.type", "volumes[2]"),
        ("deployment.volumes.source.not_absolute", "volumes[1].source"),
        ("deployment.volumes.destination.not_absolute", "volumes[0].destination"),
        ("deployment.environment.key.invalid", "environment.1A"),
        ("deployment.environment.key.invalid", "environment.2B"),
        ("deployment.environment.value.invalid", "environment.C"),
    ]


def test_broken_replicas_silence_what_depends_on_them() -> None:
    patch = {"replicas": -1, "ports": [{"published": 1, "target": 1}]}
    assert found(patch) == [("deployment.replicas.out_of_range", "replicas")]


def test_unknown_runtime_leaves_out_what_only_the_runtime_knows() -> None:
    patch = {"command": ["a"], "network": {"mode": "host"}, "namespace": ""}
    for runtime, code in (("xen", "unsupported"), ("containerd", "not_enabled")):
        assert found({**patch, "runtime": runtime}) == [
            ("deployment.namespace.length", "namespace"),
            (f"deployment.runtime.{code}", "runtime"),
        ]


def test_without_a_server_nothing_is_said_about_its_runtimes() -> None:
    body = json.dumps({**MINIMAL, "runtime": "firecracker", "command": ["a"]})
    assert check(body, None).violations == ()


def test_no_capabilities_no_runtimes() -> None:
    result = check(json.dumps(MINIMAL), {})
    assert [item.code for item in result.violations] == ["deployment.runtime.not_enabled"]


def test_unknown_members_are_named_and_ignored() -> None:
    patch = {
        "args": [{"deep": 1}],
        "ports": [{"published": 1, "target": 1, "nope": 1}],
        "environment": {"A": {"secretRef": "a", "key": "b"}},
        "config": {"user": {"x": 1}},
    }
    result = checked(patch)
    assert result.violations == ()
    assert set(result.unknown) == {"args", "ports[0].nope", "environment.A.key", "config.user.x"}


def test_unknown_members_are_named_beside_violations() -> None:
    result = checked({"args": 1, "replicas": "x"})
    assert result.unknown == ("args",)
    assert len(result.violations) == 1


@pytest.mark.parametrize("body", ["[]", "5", "null", '"text"', "true"])
def test_a_body_that_is_no_object(body: str) -> None:
    result = check(body, CAPABILITIES)
    assert [(item.code, item.path) for item in result.violations] == [("deployment.type", "")]
    assert result.spec is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b"{} {}",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"name": NaN}',
        b'{"name": -Infinity}',
        b'{"name": "\\ud800"}',
        '{"name": "\ud800"}',
        "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1),
        '{"a":' * 100_000,
        "[" * 100_000 + "]" * 100_000,
    ],
    ids=str,
)
def test_not_json(body: bytes | str) -> None:
    with pytest.raises(NotJson) as caught:
        check(body, CAPABILITIES)
    assert "JSON" in caught.value.message
    assert "\n" not in caught.value.message


def test_depth_that_is_still_read() -> None:
    inner = "[" * (DEEPEST - 1) + "1" + "]" * (DEEPEST - 1)
    body = json.dumps(MINIMAL)[:-1] + f', "command": {inner}}}'
    result = check(body, CAPABILITIES)
    assert [item.code for item in result.violations] == ["deployment.command.type"]


def test_endless_integers_are_out_of_range() -> None:
    for digits in ("9" * 50_000, "-" + "9" * 50_000):
        body = json.dumps(MINIMAL)[:-1] + f', "replicas": {digits}}}'
        result = check(body, CAPABILITIES)
        assert [item.code for item in result.violations] == ["deployment.replicas.out_of_range"]


def test_the_last_of_several_members_counts() -> None:
    body = json.dumps(MINIMAL)[:-1] + ', "replicas": 1, "replicas": 4}'
    spec = check(body, CAPABILITIES).spec
    assert spec is not None
    assert spec.replicas == 4


def test_bytes_and_text_are_the_same() -> None:
    body = json.dumps({**MINIMAL, "labels": {"é": "☃"}}, ensure_ascii=False)
    assert check(body, CAPABILITIES) == check(body.encode(), CAPABILITIES)


def test_the_spec_is_normalised() -> None:
    volumes = [
        {"type": kind, "source": source, "key": key, "destination": f"/{kind}"}
        for kind, source, key in (
            ("bind", "/a", None),
            ("volume", "a", None),
            ("config", "a", "k"),
            ("secret", "a", None),
        )
    ]
    patch = {"volumes": volumes, "config": {}, "ports": [{"published": 1, "target": 2}]}
    spec = checked(patch).spec
    assert spec is not None
    assert [volume.permission for volume in spec.volumes] == ["rw", "rw", "ro", "ro"]
    assert [volume.driver for volume in spec.volumes] == ["local"] * 4
    assert spec.config is not None
    assert spec.config.image_pull_policy == spec.pull_policy == "Always"
    assert spec.ports[0].protocol == "tcp"
    assert normalised(spec) == spec


def test_port_ranges_are_spread() -> None:
    ports = [
        {"published": "8080-8082", "target": "80-82", "protocol": "udp"},
        {"published": 8080, "target": 1},
    ]
    spec = checked({"ports": ports}).spec
    assert spec is not None
    assert [(port.published, port.target, port.protocol) for port in spec.ports] == [
        (8080, 80, "udp"),
        (8081, 81, "udp"),
        (8082, 82, "udp"),
        (8080, 1, "tcp"),
    ]


def test_after_a_range_paths_are_those_of_the_body() -> None:
    ports = [
        {"published": "8080-8082", "target": "80-82", "host_ip": "x", "nope": 1},
        {"published": 8080, "target": 0},
        {"published": "1-2", "target": "3"},
    ]
    result = checked({"ports": ports})
    assert [(item.code, item.path) for item in result.violations] == [
        ("deployment.ports.target.out_of_range", "ports[1].target"),
        ("deployment.ports.host_ip.invalid", "ports[0].host_ip"),
        ("deployment.ports.range.invalid", "ports[2]"),
    ]
    assert result.unknown == ("ports[0].nope",)


@given(JSON)
def test_any_json_is_answered(value: Any) -> None:
    result = check(json.dumps(value), CAPABILITIES)
    assert result.violations
    assert result.spec is None


@given(st.binary(max_size=64))
def test_any_bytes_are_answered_or_not_json(body: bytes) -> None:
    try:
        result = check(body, CAPABILITIES)
    except NotJson:
        return
    assert result.violations


MEMBERS = st.sampled_from(sorted(DEPLOYMENT.members))


@given(
    st.dictionaries(MEMBERS, JSON, max_size=5),
    st.sampled_from([UNAVAILABLE, EVERYTHING]),
    st.sampled_from([MINIMAL, FULL]),
)
def test_any_member_may_be_anything(
    patch: dict[str, Any], unavailable: frozenset[str], base: dict[str, Any]
) -> None:
    body = json.dumps({**base, **patch})
    result = check(body, CAPABILITIES, unavailable=unavailable)
    assert (result.spec is None) == bool(result.violations)
    assert result == check(body, CAPABILITIES, unavailable=unavailable)
    if result.spec:
        assert DeploymentSpec.model_validate_json(canonical(result.spec)) == result.spec


@pytest.mark.parametrize(
    ("member", "item", "most"),
    [
        ("command", "a", 4096),
        ("ports", {"published": 0, "target": 80}, 4096),
        ("volumes", 5, 1024),
        ("tmpfs", 5, 1024),
    ],
)
def test_a_list_too_long_is_one_violation(member: str, item: Any, most: int) -> None:
    assert found({member: [item] * (most + 1)}) == [(f"deployment.{member}.too_many", member)]
    assert ("deployment." + member + ".too_many", member) not in found({member: [item] * most})


@pytest.mark.parametrize(
    ("member", "most"), [("environment", 4096), ("labels", 4096), ("sysctls", 1024)]
)
def test_a_map_too_long_is_one_violation(member: str, most: int) -> None:
    items = {f"1{number}": 5 for number in range(most + 1)}
    assert found({member: items}) == [(f"deployment.{member}.too_many", member)]


def test_ports_are_counted_after_ranges_are_spread() -> None:
    ranges = [{"published": "1-256", "target": "1-256"}] * 17 + [{"published": "9-1", "target": 1}]
    assert found({"ports": ranges}) == [("deployment.ports.too_many", "ports")]


@pytest.mark.parametrize("value", ["\0", 5], ids=["rules", "shapes"])
def test_a_check_ends_with_a_thousand_violations(value: Any) -> None:
    items = {f"A{number}": value for number in range(1000)}
    assert len(violations := found({"environment": items})) == 1000
    assert violations[-1][1] == "environment.A999"
    violations = found({"environment": {**items, "B": value, "C": value}})
    assert len(violations) == 1000
    assert violations[-2:] == [
        (violations[0][0], "environment.A998"),
        ("deployment.too_many_violations", ""),
    ]


def test_shapes_and_rules_end_together() -> None:
    items = {f"1{number}": 5 for number in range(999)}
    violations = found({"environment": items, "labels": {"": ""}})
    assert len(violations) == 1000
    assert violations[-1] == ("deployment.too_many_violations", "")


def test_unknown_members_are_named_up_to_a_number() -> None:
    result = checked({f"x{number}": 1 for number in range(5000)})
    assert len(result.unknown) == MOST_UNKNOWN + 1
    assert result.violations == ()


def test_a_long_key_is_cut_in_a_path() -> None:
    [(_, path)] = found({"environment": {"1" * 5000: "x"}})
    assert path == f"environment.{'1' * 256}…"


def test_the_whole_is_bounded() -> None:
    empty = checked({"labels": {"a": ""}}).spec
    assert empty is not None
    room = MOST_SPEC_BYTES - len(canonical(empty))
    assert found({"labels": {"a": "x" * room}}) == []
    assert found({"labels": {"a": "x" * (room + 1)}}) == [("deployment.too_large", "")]
