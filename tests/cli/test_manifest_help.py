"""`ring schema` and `ring explain`: answers without a server, a config or a login."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ring.manifest import fields, schema

if TYPE_CHECKING:
    from tests.cli.conftest import Ring


@pytest.fixture
def nobody(anyone: Ring) -> Ring:
    """A user whose config cannot be read."""
    anyone.config.write_text("not toml [")
    return anyone


def test_the_schema(nobody: Ring) -> None:
    ended = nobody.process("schema")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) == schema.document()
    assert ended.out.startswith('{\n  "$schema": "http://json-schema.org/draft-07/schema#",\n')


@pytest.mark.parametrize("path", ["ports.published", "deployments.ports.published"])
def test_a_field(nobody: Ring, path: str) -> None:
    ended = nobody("explain", path)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(
        "deployments.ports.published\n\n"
        "  Host port, 1 to 65535.\n\n"
        "  Type:      integer, 1 to 65535, or a range A-B\n"
        "  Required:  yes\n"
        "  Available: yes"
    )
    assert (
        "\nRefused when:\n  deployment.ports.published.required\n      it is missing\n" in ended.out
    )
    assert "  deployment.ports.published.duplicate\n" in ended.out


def test_a_field_with_a_default(nobody: Ring) -> None:
    out = nobody("explain", "runtime").out
    assert "  Type:      docker, podman, containerd, cloud-hypervisor, firecracker\n" in out
    assert "  Required:  no\n  Default:   docker\n" in out
    assert "  Default:   false\n" in nobody("explain", "health_checks.readiness").out


def test_a_field_in_which_variables_are_replaced(nobody: Ring) -> None:
    assert "  Variables: $NAME is replaced\n" in nobody("explain", "image").out
    assert "Variables" not in nobody("explain", "replicas").out


def test_a_field_that_holds_others(nobody: Ring) -> None:
    out = nobody("explain", "health_checks").out
    assert "\nFields:\n  type              Kind of probe. (required)\n" in out
    assert "  port              Instance port to connect to. (only for tcp; required)\n" in out
    assert "  Only for:  type tcp\n" in nobody("explain", "health_checks.port").out


def test_what_this_version_does_not_do(nobody: Ring) -> None:
    for field in fields.every():
        out = nobody("explain", field.name).out
        if not field.is_available:
            assert "  Available: not in this version of Ring\n" in out
        elif field.missing:
            missing = ", ".join(field.missing)
            assert f"  Available: yes; not in this version of Ring: {missing}\n" in out
        else:
            assert "  Available: yes\n" in out


def test_no_field_lists_those_at_the_top(nobody: Ring) -> None:
    ended = nobody("explain")
    assert (ended.code, ended.err) == (0, "")
    listed = [line.split()[0] for line in ended.out.splitlines() if line.startswith("  ")]
    assert listed == ["name", "namespaces", "configs", "deployments"]


def test_an_unknown_field(nobody: Ring) -> None:
    ended = nobody("explain", "ports.publised")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "error: no field 'ports.publised' in a manifest\n"
        "Perhaps one of these:\n"
        "  deployments.ports.published\n"
    )
    ended = nobody("explain", "qqqqqqqqqqqqqqqq\n")
    assert ended.code == 1
    assert ended.err == (
        "error: no field 'qqqqqqqqqqqqqqqq ' in a manifest\n"
        "`ring explain` lists the fields at the top\n"
    )
