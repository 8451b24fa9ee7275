"""What is known about the fields of a manifest comes from the models and the rules, all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest
from pydantic import BaseModel

from ring.core.availability import UNAVAILABLE
from ring.core.model import spec
from ring.core.model.spec import RuntimeName
from ring.core.rules import RULES
from ring.manifest import fields

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL = list(fields.every())
BY_NAME = {field.name: field for field in ALL}
HOLDERS = {
    "Volume": "volumes", "Port": "ports", "Network": "network", "Resources": "resources",
    "Autoscale": "autoscale", "User": "config.user", "Config": "config", "Security": "security",
    "Tmpfs": "tmpfs", "Ulimit": "ulimits", "Device": "devices", "SecretRef": "environment",
    "TcpCheck": "health_checks", "HttpCheck": "health_checks", "CommandCheck": "health_checks",
    "Quantities": "resources.limits", "DeploymentSpec": "",
}  # fmt: skip
ABSTRACT = {"Model", "HealthCheckBase"}


def models() -> Iterator[type[BaseModel]]:
    for found in vars(spec).values():
        if isinstance(found, type) and issubclass(found, BaseModel) and found is not BaseModel:
            yield found


def test_every_field_of_every_model_is_explained() -> None:
    for model in models():
        if model.__name__ in ABSTRACT:
            continue
        holder = HOLDERS[model.__name__]
        for name, info in model.model_fields.items():
            if (model.__name__, name) == ("DeploymentSpec", "manifest"):
                continue  # it is the top-level name of the file
            path = ".".join(part for part in ("deployments", holder, name) if part)
            assert fields.find(path) == BY_NAME[path]
            assert BY_NAME[path].member.description == info.description != ""


def test_every_field_is_found_by_its_name_and_described() -> None:
    assert len(BY_NAME) == len(ALL)
    for name, field in BY_NAME.items():
        assert fields.find(name) == field
        assert field.member.description
        assert fields.kind(field.member.shape)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("ports.published", "deployments.ports.published"),
        ("deployments.web.ports[0].published", "deployments.ports.published"),
        ("ports[].published", "deployments.ports.published"),
        ("ports", "deployments.ports"),
        ("name", "name"),
        ("deployments.name", "deployments.name"),
        ("deployments.web", "deployments"),
        ("environment.LOG", "deployments.environment"),
        ("environment.DB.secretRef", "deployments.environment.secretRef"),
        ("configs.gateway.files", "configs.files"),
        ("configs.gateway.files.k", "configs.files"),
        ("namespaces.network.policy.egress", "namespaces.network.policy.egress"),
        ("health_checks.url", "deployments.health_checks.url"),
        (".config.user.id.", "deployments.config.user.id"),
    ],
)
def test_the_ways_to_name_a_field(typed: str, name: str) -> None:
    found = fields.find(typed)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "typed", ["", ".", "[]", "nope", "ports.nope", "ports.published.x", "replicas.x", "a.b.c.d"]
)
def test_what_is_no_field(typed: str) -> None:
    assert fields.find(typed) is None


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("ports.publised", "deployments.ports.published"),
        ("deployment.replicas", "deployments.replicas"),
        ("Replicas", "deployments.replicas"),
        ("image_pull_policy", "deployments.config.image_pull_policy"),
        ("limits.cpu", "deployments.resources.limits.cpu"),
    ],
)
def test_similar_fields(typed: str, first: str) -> None:
    assert first in fields.similar(typed)
    assert len(fields.similar(typed)) <= 5


def test_nothing_is_similar_to_nonsense() -> None:
    assert fields.similar("qqqqqqqqqqqqqqqq") == []


def test_every_rule_is_told_with_some_field() -> None:
    told = {code for field in ALL for code, _ in field.rules}
    codes = {code for rule in RULES for code in rule.codes(get_args(RuntimeName))}
    of_the_manifest_name = {code for code in codes if code.startswith("deployment.manifest.")}
    assert codes - told == of_the_manifest_name


def test_shape_codes() -> None:
    assert "deployment.environment.value.type" in dict(BY_NAME["deployments.environment"].rules)
    assert "deployment.labels.value.type" in dict(BY_NAME["deployments.labels"].rules)
    ports = dict(BY_NAME["deployments.ports.target"].rules)
    wanted = {f"deployment.ports.target.{word}" for word in ("required", "type", "out_of_range")}
    assert wanted <= set(ports)
    assert "deployment.environment.secret_ref.empty" in dict(
        BY_NAME["deployments.environment.secretRef"].rules
    )
    assert BY_NAME["configs.data"].rules == ()


def test_everything_that_is_missing_is_said_somewhere() -> None:
    gone = {field.place.feature for field in ALL if not field.is_available}
    partly = {
        f"{field.place.feature}={word}"
        for field in ALL
        for word in field.missing
        if "{" not in word
    }
    assert gone | partly >= UNAVAILABLE


def test_what_is_replaced() -> None:
    replaced = {name for name, field in BY_NAME.items() if field.is_replaced}
    assert {
        "namespaces.name", "configs.data", "deployments.image", "deployments.command",
        "deployments.environment", "deployments.environment.secretRef", "deployments.labels",
        "deployments.volumes.source", "deployments.ports.host_ip",
        "deployments.resources.limits.cpu", "deployments.config.password",
    } <= replaced  # fmt: skip
    assert not {
        "name", "configs.files", "deployments.runtime", "deployments.kind",
        "deployments.health_checks.command", "deployments.health_checks.url",
        "deployments.replicas", "deployments.config.user",
    } & replaced  # fmt: skip
