"""The pinned packages are what pyproject.toml asks for."""

from __future__ import annotations

import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from scripts.docs import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WANTED = {
    "build": PROJECT["build-system"]["requires"],
    "runtime": PROJECT["project"]["dependencies"],
    "dev": [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]],
}


@pytest.mark.parametrize("name", sorted(WANTED))
def test_every_dependency_is_pinned_within_its_bounds(name: str) -> None:
    pins = pinned(name)
    for wanted in map(Requirement, WANTED[name]):
        assert pins[canonicalize_name(wanted.name)] in wanted.specifier, wanted


def test_tests_run_with_the_packages_that_are_installed_for_users() -> None:
    assert pinned("runtime").items() <= pinned("dev").items()


def pinned(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(package): version for package, version in pairs}
