"""The schema that editors read says of a manifest what `ring apply` says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from ring.core.checking import check
from ring.core.model.spec import DeploymentSpec
from ring.manifest import ManifestError, load_manifest, schema
from ring.manifest.layout import SECTIONS
from ring.manifest.source import Node, Scalar, Sequence, load
from tests.core.bodies import CAPABILITIES, EVERYTHING, FULL

DOCUMENT = schema.document()
VALIDATOR = Draft7Validator(DOCUMENT)
ROOT = Path(__file__).parents[2]
WEB = {"name": "web", "namespace": "shop", "image": "nginx"}


def plain(node: Node) -> Any:
    """What an editor makes of a file."""
    if isinstance(node, Scalar):
        return node.resolve()
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(value) for key, value in node.entries.items()}


def fits(manifest: object) -> bool:
    return bool(VALIDATOR.is_valid(manifest))


def web(**members: object) -> dict[str, object]:
    return {"deployments": {"web": {**WEB, **members}}}


def applies(manifest: object) -> bool:
    """Whether apply reads it and every entry is one that it would send."""
    try:
        read = load_manifest(
            json.dumps(manifest), origin="x", lookup=lambda _: None, directory=ROOT
        )
    except ManifestError:
        return False
    return all(entry.problem is None for entry in read.deployments)


def test_it_is_a_schema_and_always_the_same() -> None:
    Draft7Validator.check_schema(DOCUMENT)
    assert DOCUMENT["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert json.dumps(schema.document()) == json.dumps(DOCUMENT)
    assert list(DOCUMENT["properties"]) == ["name", "namespaces", "configs", "deployments"]


def test_it_has_every_field_of_the_models_in_their_order() -> None:
    deployment = DOCUMENT["properties"]["deployments"]["additionalProperties"]
    wanted = [name for name in DeploymentSpec.model_fields if name != "manifest"]
    assert list(deployment["properties"]) == wanted
    assert deployment["required"] == ["name", "namespace", "image"]
    assert deployment["properties"]["runtime"]["default"] == "docker"


def test_everything_is_described() -> None:
    undescribed = [path for path, part in _properties(DOCUMENT, "") if not part.get("description")]
    assert undescribed == []


def _properties(part: Any, path: str) -> list[tuple[str, dict[str, Any]]]:
    if isinstance(part, list):
        return [found for item in part for found in _properties(item, path)]
    if not isinstance(part, dict):
        return []
    own = [(f"{path}.{name}", value) for name, value in part.get("properties", {}).items()]
    below = [found for name, value in own for found in _properties(value, name)]
    inside = ("additionalProperties", "items", "anyOf", "oneOf")
    return [*own, *below, *(f for key in inside for f in _properties(part.get(key), path))]


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*.yaml")), ids=lambda path: path.name)
def test_the_examples_fit(path: Path) -> None:
    assert list(VALIDATOR.iter_errors(plain(load(path.read_text(), path.name)))) == []


def test_a_manifest_with_every_field_fits() -> None:
    deployment = {name: part for name, part in FULL.items() if name != "manifest"}
    manifest = {
        "name": "site",
        "x-anything": [1],
        "namespaces": {"a": {"name": "shop", "network": {"mtu": 1450, "subnet": "10.0.0.0/24"}}},
        "configs": {
            "a": {"namespace": "shop", "name": "c", "data": {"k": "v"}, "labels": {"a": 1}},
            "b": {"namespace": "shop", "name": "d", "files": {"k": "README.md"}},
        },
        "deployments": {"web": deployment},
    }
    assert list(VALIDATOR.iter_errors(manifest)) == []
    sent = load_manifest(
        json.dumps(manifest), origin="x", lookup=lambda _: None, directory=ROOT
    ).deployments[0]
    assert check(json.dumps(sent.body), CAPABILITIES, unavailable=EVERYTHING).violations == ()


@pytest.mark.parametrize(
    "manifest",
    [
        web(replicas=None, volumes=None, network=None, kind=None, runtime=None),
        web(resources={"limits": {"cpu": 2, "memory": 1048576}}),
        web(environment={"A": 1, "B": True, "C": {"secretRef": "x"}}),
        web(labels=[{"a": "b"}, {"c": 1}]),
        web(labels={"a": 1}),
        web(ports=[{"published": "8080-8081", "target": "80-81"}]),
        web(config={"image_pull_policy": "$POLICY"}),
        web(ulimits={"nofile": 1, "core": {"soft": 1, "hard": 2}}),
        {"deployments": None},
        {"namespaces": {"a": {"name": "ab", "network": {"subnet": {"docker": "10.0.0.0/24"}}}}},
        {"configs": {"a": {"namespace": "ab", "name": "c", "data": "x", "interpolate": False}}},
    ],
)
def test_what_applies_fits(manifest: object) -> None:
    assert fits(manifest)
    assert applies(manifest)


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        {},
        {"name": "x"},
        {"deployments": []},
        {"deployments": {"web": None}},
        {"deployments": {"web": {"name": "web"}}},
        {"namespaces": {"a": {}}},
        {"configs": {"a": {"namespace": "ab", "name": "c"}}},
        {"configs": {"a": {"namespace": "ab", "name": "c", "data": [1]}}},
        web(runtime="xen"),
        web(runtime="$RUNTIME"),
        web(kind="Job"),
        web(replicas=-1),
        web(replicas="two"),
        web(command="run"),
        web(environment={"A": None}),
        web(labels="edge"),
        web(labels=["edge"]),
        web(ports=["80:80"]),
        web(ports=[{"published": 70000, "target": 80}]),
        web(ports=[{"published": 80}]),
        web(volumes=[{"type": "bind", "destination": "/a"}]),
        web(health_checks=[{"type": "ping"}]),
        web(health_checks=[{"type": "tcp", "interval": "1s", "timeout": "1s"}]),
        web(network={"mode": "wide"}),
    ],
)
def test_what_does_not_apply_does_not_fit(manifest: object) -> None:
    assert not fits(manifest)
    assert not applies(manifest)


def test_what_apply_ignores_is_marked() -> None:
    for manifest in (web(args=["x"]), {**web(), "version": 3}, web(config={"usr": {}})):
        assert not fits(manifest)
        assert applies(manifest)


def test_one_section_is_enough() -> None:
    assert all(fits({section: {}}) for section in SECTIONS)
