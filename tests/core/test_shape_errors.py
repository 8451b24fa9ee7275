"""Every place of a body, broken in every way its shape can be: one violation, its code, its path.

The places are found by walking the shape beside a body that sets all of them.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from ring.core.model import shapes
from ring.core.violations import path_text
from tests.core.bodies import FULL, checked, found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.violations import Path

Break = tuple[str, str, Any]
"""Code, path, the whole body."""
GONE = object()


def breaks() -> Iterator[Break]:
    for path, words, shape, required in _places(shapes.DEPLOYMENT, FULL, (), ()):
        code = ".".join(("deployment", *words))
        yield f"{code}.type", path_text(path), _put(path, _wrong_type(shape))
        if required:
            yield f"{code}.required", path_text(path), _put(path, GONE)
        if isinstance(shape, shapes.Choice):
            yield f"{code}.unsupported", path_text(path), _put(path, "nope")
        if isinstance(shape, shapes.Whole):
            for bound, step in ((shape.low, -1), (shape.high, 1)):
                if bound is not None:
                    yield f"{code}.out_of_range", path_text(path), _put(path, bound + step)


def _places(
    shape: shapes.Shape, value: Any, path: Path, words: tuple[str, ...], *, required: bool = False
) -> Iterator[tuple[Path, tuple[str, ...], shapes.Shape, bool]]:
    if isinstance(shape, shapes.Anything):
        return
    if path:
        yield path, words, shape, required
    match shape:
        case shapes.Variant():
            whole = shape.cases[value[shape.tag]]
            yield from _members(whole, value, path, words)
        case shapes.Object():
            yield from _members(shape, value, path, words)
        case shapes.ListOf():
            for index, item in enumerate(value):
                yield from _places(shape.item, item, (*path, index), words)
        case shapes.MapOf():
            for key, item in value.items():
                yield from _places(shape.value, item, (*path, key), (*words, "value"))


def _members(
    shape: shapes.Object, value: Any, path: Path, words: tuple[str, ...]
) -> Iterator[tuple[Path, tuple[str, ...], shapes.Shape, bool]]:
    for name, member in shape.members.items():
        if name in value:
            yield from _places(
                member.shape, value[name], (*path, name), (*words, name), required=member.required
            )


def _wrong_type(shape: shapes.Shape) -> Any:
    if isinstance(shape, shapes.Either):
        return []
    return 5 if isinstance(shape, shapes.Text | shapes.Choice | shapes.Flag) else "text"


def _put(path: Path, value: Any) -> Any:
    body: Any = copy.deepcopy(FULL)
    holder = body
    for part in path[:-1]:
        holder = holder[part]
    if value is GONE:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return body


BREAKS = list(breaks())


@pytest.mark.parametrize(("code", "path", "body"), BREAKS, ids=[f"{b[0]}@{b[1]}" for b in BREAKS])
def test_place_broken_alone(code: str, path: str, body: Any) -> None:
    result = checked({}, base=body)
    assert [(item.code, item.path) for item in result.violations] == [(code, path)]
    assert result.spec is None


def test_the_codes_that_are_promised_by_name() -> None:
    promised = {
        "image.required",
        "ports.target.required",
        "command.type",
        "kind.unsupported",
        "volumes.type.unsupported",
        "volumes.driver.unsupported",
        "volumes.permission.unsupported",
        "ports.protocol.unsupported",
        "network.mode.unsupported",
        "health_checks.on_failure.unsupported",
        "health_checks.type.unsupported",
        "replicas.out_of_range",
        "environment.value.type",
        "labels.value.type",
        "autoscale.max.required",
        "tmpfs.destination.required",
        "devices.source.required",
    }
    assert {f"deployment.{code}" for code in promised} <= {code for code, _, _ in BREAKS}


@pytest.mark.parametrize("member", ["name", "namespace", "runtime", "image"])
def test_mandatory_member_null_is_of_the_wrong_type(member: str) -> None:
    assert found({member: None}) == [(f"deployment.{member}.type", member)]


def test_null_means_absent_for_every_optional_member() -> None:
    optional = [name for name, item in shapes.DEPLOYMENT.members.items() if not item.required]
    result = checked(dict.fromkeys(optional))
    assert result.spec == checked({}).spec
    assert result.violations == ()


def test_null_is_no_string_in_a_map_or_list() -> None:
    assert found({"environment": {"A": None}, "labels": {"b": None}, "command": [None]}) == [
        ("deployment.command.type", "command[0]"),
        ("deployment.environment.value.type", "environment.A"),
        ("deployment.labels.value.type", "labels.b"),
    ]


@pytest.mark.parametrize("value", [{}, {"secretRef": 5}, {"secretRef": None}, {"secret": "x"}, []])
def test_environment_value_of_another_shape(value: Any) -> None:
    assert found({"environment": {"A": value}}) == [
        ("deployment.environment.value.type", "environment.A")
    ]


@pytest.mark.parametrize("value", [True, 1.0, 1.5, "1", [1]])
def test_only_an_integer_is_an_integer(value: Any) -> None:
    assert found({"replicas": value}) == [("deployment.replicas.type", "replicas")]


def test_compact_port_strings_are_a_type_error() -> None:
    assert found({"ports": ["8080:80"]}) == [("deployment.ports.type", "ports[0]")]
    assert found({"ports": [{"published": "8080", "target": 80}]}) == [
        ("deployment.ports.published.type", "ports[0].published")
    ]


def test_health_check_without_type_is_still_looked_at() -> None:
    check = {"interval": "5", "timeout": "1s", "on_failure": "never"}
    assert found({"health_checks": [check]}) == [
        ("deployment.health_checks.type.required", "health_checks[0].type"),
        ("deployment.health_checks.on_failure.unsupported", "health_checks[0].on_failure"),
        ("deployment.health_checks.interval.invalid", "health_checks[0].interval"),
    ]


@pytest.mark.parametrize(
    ("kind", "own"), [("tcp", "port"), ("http", "url"), ("command", "command")]
)
def test_own_field_of_a_health_check_is_mandatory(kind: str, own: str) -> None:
    check = {"type": kind, "interval": "5s", "timeout": "1s", "on_failure": "stop"}
    assert found({"health_checks": [check]}) == [
        (f"deployment.health_checks.{own}.required", f"health_checks[0].{own}")
    ]


def test_message_names_value_and_choices() -> None:
    (violation,) = checked({"kind": "cron"}).violations
    assert "'cron'" in violation.message
    assert "worker or job" in violation.message
    (violation,) = checked({"kind": "c" * 1000}).violations
    assert len(violation.message) < 200


def test_wrong_password_is_not_repeated() -> None:
    (violation,) = checked({"config": {"username": "u", "password": 31337}}).violations
    assert "31337" not in violation.message
