"""What a spec refers to by name, and when that counts as changed."""

from __future__ import annotations

import json

import pytest

from ring.core.model.spec import DeploymentSpec
from ring.core.references import Inputs, Reference, Stamp, changed_among, inputs, references

DB = Reference("secret", "db")
SITE = Reference("config", "site")


def spec(**members: object) -> DeploymentSpec:
    base = {"name": "web", "namespace": "media", "runtime": "docker", "image": "nginx:1.25"}
    return DeploymentSpec.model_validate_json(json.dumps({**base, **members}))


def mount(kind: str, source: str) -> dict[str, object]:
    return {"type": kind, "source": source, "destination": f"/{kind}"}


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({}, set()),
        ({"environment": {"A": "db"}}, set()),
        ({"environment": {"A": {"secretRef": "db"}, "B": {"secretRef": "db"}}}, {DB}),
        ({"volumes": [mount("bind", "/db")]}, set()),
        (
            {"volumes": [mount(kind, "x") for kind in ("secret", "config", "volume")]},
            {Reference("secret", "x"), Reference("config", "x"), Reference("volume", "x")},
        ),
        ({"config": {"image_pull_secret": "db"}}, {DB}),
        ({"config": {"image_pull_secret": ""}}, set()),
        ({"config": {"password": "db"}}, set()),
    ],
)
def test_references(members: dict[str, object], found: set[Reference]) -> None:
    assert references(spec(**members)) == found
    assert inputs(spec(**members)) == {each for each in found if each.kind != "volume"}


@pytest.mark.parametrize(
    ("recorded", "now", "changed"),
    [
        ({}, {}, False),
        ({DB: Stamp("a", 1)}, {DB: Stamp("a", 1)}, False),
        ({DB: Stamp("a", 1)}, {DB: Stamp("a", 2)}, True),
        ({DB: Stamp("a", 1)}, {DB: Stamp("b", 1)}, True),
        ({DB: Stamp("a", 1)}, {DB: None}, False),
        ({DB: None}, {DB: None}, False),
        ({DB: None}, {DB: Stamp("a", 1)}, True),
        ({}, {DB: Stamp("a", 1)}, True),
        (
            {DB: Stamp("a", 1), SITE: Stamp("c", 1)},
            {DB: Stamp("a", 1), SITE: Stamp("c", 2)},
            True,
        ),
    ],
)
def test_what_counts_as_changed(recorded: Inputs, now: Inputs, changed: bool) -> None:
    assert bool(changed_among(recorded, now)) is changed
