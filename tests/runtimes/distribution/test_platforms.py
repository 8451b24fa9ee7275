"""Which images run on which machines."""

from __future__ import annotations

import platform

import pytest

from ring.runtimes.distribution import platforms
from ring.runtimes.distribution.platforms import Platform


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("x86_64", "linux/amd64"),
        ("aarch64", "linux/arm64"),
        ("armv7l", "linux/arm/v7"),
        ("armv6l", "linux/arm/v6"),
        ("i686", "linux/386"),
        ("riscv64", "linux/riscv64"),
        ("s390x", "linux/s390x"),
        ("ppc64le", "linux/ppc64le"),
    ],
)
def test_this_machine(machine: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert f"{platforms.here()}" == name


@pytest.mark.parametrize(
    ("machine", "image", "runs"),
    [
        ("amd64", "amd64/v1", True),
        ("amd64", "amd64/v3", False),
        ("amd64", "386", False),
        ("arm64", "arm64/v8", True),
        ("arm64/v8", "arm64", True),
        ("arm64", "arm/v7", False),
        ("arm/v7", "arm", True),
        ("arm/v6", "arm", False),
        ("arm/v7", "arm/v5", True),
        ("arm/v7", "arm/odd", False),
    ],
)
def test_what_runs(machine: str, image: str, runs: bool) -> None:
    one, other = (Platform("linux", *name.split("/")) for name in (machine, image))
    assert (one.rank(other) > 0) is runs
    assert one.rank(Platform("windows", *image.split("/"))) == 0
