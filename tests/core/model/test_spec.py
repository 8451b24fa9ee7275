from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from ring.core.model.shapes import DEPLOYMENT, Member, Object
from ring.core.model.spec import (
    MASK,
    Config,
    DeploymentSpec,
    canonical,
    fingerprint,
    masked,
)
from tests.core.bodies import EVERYTHING, FULL, MINIMAL, checked


def spec(**patch: object) -> DeploymentSpec:
    found = checked(patch, unavailable=EVERYTHING).spec
    assert found is not None
    return found


def test_canonical_form_is_compact_and_sorted_and_reads_back() -> None:
    full = spec(**FULL)
    text = canonical(full)
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    assert DeploymentSpec.model_validate_json(text) == full


def test_rows_stored_with_members_of_another_version_still_load() -> None:
    text = json.dumps({**json.loads(canonical(spec())), "from_the_future": {"a": 1}})
    assert DeploymentSpec.model_validate_json(text) == spec()


def test_a_spec_does_not_change() -> None:
    with pytest.raises(ValidationError):
        spec().replicas = 5  # type: ignore[misc]  # what the test is about


@pytest.mark.parametrize(
    "patch",
    [
        {"replicas": 7},
        {"manifest": "site"},
        {"config": {}},
        {"config": {"image_pull_policy": "Always", "user": {}}},
        {"network": {}},
        {"network": {"mode": "bridge"}},
        {"resources": {"limits": {}}},
        {"kind": "worker", "command": [], "ports": None, "security": {}},
        {"security": {"hardened": False, "read_only": False, "no_new_privileges": False}},
        {"security": {"seccomp": "default"}, "init": False},
        {"config": {"user": {"privileged": False}}},
    ],
)
def test_fingerprint_is_the_same(patch: dict[str, object]) -> None:
    assert fingerprint(spec(**patch)) == fingerprint(spec())


def test_fingerprint_ignores_the_order_of_maps_and_spelled_out_defaults() -> None:
    volume = {"type": "volume", "source": "a", "destination": "/b"}
    one = spec(labels={"a": "1", "b": "2"}, volumes=[volume])
    two = spec(
        labels={"b": "2", "a": "1"}, volumes=[{**volume, "permission": "rw", "driver": "local"}]
    )
    assert fingerprint(one) == fingerprint(two)


@pytest.mark.parametrize("name", sorted(set(FULL) - {*MINIMAL, "manifest", "replicas", "kind"}))
def test_fingerprint_sees_every_other_field(name: str) -> None:
    assert fingerprint(spec(**{name: FULL[name]})) != fingerprint(spec())


def test_fingerprint_sees_values_and_order_of_lists() -> None:
    prints = {
        fingerprint(item)
        for item in (
            spec(),
            spec(image="nginx:1.28"),
            spec(kind="job"),
            spec(command=["a", "b"]),
            spec(command=["b", "a"]),
            spec(command=[""]),
            spec(environment={"A": ""}),
            spec(environment={"A": {"secretRef": "a"}}),
            spec(config={"username": "u", "password": "p"}),
            spec(config={"username": "v", "password": "p"}),
        )
    }
    assert len(prints) == 10


def test_a_fingerprint_tells_of_a_password_only_that_there_is_one() -> None:
    one, other = (spec(config={"username": "u", "password": word}) for word in ("p", "q"))
    assert fingerprint(one) == fingerprint(other) == fingerprint(masked(one))
    assert fingerprint(one) != fingerprint(_without_password(one))


def test_a_password_is_in_no_repr_and_in_no_masked_spec() -> None:
    clear = spec(config={"username": "u", "password": "hunter2-canary"})
    assert "hunter2" not in repr(clear)
    assert "hunter2" not in canonical(masked(clear))
    assert masked(masked(clear)) == masked(clear)
    assert masked(clear).config == Config(username="u", password=MASK)


def test_without_a_password_nothing_is_masked() -> None:
    for plain in (spec(), _without_password(spec(config={"username": "u", "password": "p"}))):
        assert masked(plain) is plain


def _without_password(one: DeploymentSpec) -> DeploymentSpec:
    return one.model_copy(update={"config": Config(username="u")})


def test_pull_policy() -> None:
    assert spec().pull_policy == "Always"
    assert spec(config={"image_pull_policy": "Never"}).pull_policy == "Never"


def test_every_field_is_described() -> None:
    assert [path for path, member in _members(DEPLOYMENT) if not member.description] == []


def test_json_schema_comes_from_the_models() -> None:
    schema = DeploymentSpec.model_json_schema()
    assert schema["required"] == ["name", "namespace", "runtime", "image"]
    assert set(schema["properties"]) == set(DEPLOYMENT.members)


def _members(shape: object, path: str = "") -> list[tuple[str, Member]]:
    found: list[tuple[str, Member]] = []
    if isinstance(shape, Object):
        for name, member in shape.members.items():
            found.append((f"{path}.{name}", member))
            found.extend(_members(member.shape, f"{path}.{name}"))
    if shape is None:
        return found
    for part in ("item", "value", "record"):
        found.extend(_members(getattr(shape, part, None), path))
    for case in getattr(shape, "cases", {}).values():
        found.extend(_members(case, path))
    return found
