from __future__ import annotations

from typing import Any

import pytest

from ring.manifest.ignored import ignored_fields

EVERYTHING = {
    "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "1Gi"}},
    "config": {
        "image_pull_policy": "Never", "server": "r", "username": "u", "password": "p",
        "use_host_auth": True, "image_pull_secret": "s", "user": {"id": 1},
    },
    "labels": {"a": "b"},
}  # fmt: skip
OF_CONFIG = tuple(
    f"config.{name}"
    for name in (
        "image_pull_policy", "server", "username", "password", "user", "use_host_auth",
        "image_pull_secret",
    )
)  # fmt: skip


@pytest.mark.parametrize("runtime", ["docker", "podman", "containerd"])
def test_container_runtimes_honour_everything(runtime: str) -> None:
    assert ignored_fields({"runtime": runtime, **EVERYTHING}) == ()


@pytest.mark.parametrize("runtime", ["cloud-hypervisor", "firecracker"])
def test_microvms_pull_nothing(runtime: str) -> None:
    body = {"runtime": runtime, **EVERYTHING}
    assert ignored_fields(body) == ("resources.requests", *OF_CONFIG)
    assert ignored_fields({"runtime": runtime, "config": {"image_pull_policy": "Always"}}) == ()
    assert ignored_fields({"runtime": runtime}) == ()


@pytest.mark.parametrize(
    ("resources", "on_firecracker"),
    [
        ({"requests": {"cpu": "1"}}, False),
        ({"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}, False),
        ({"requests": {"cpu": "1", "memory": "1"}, "limits": {"memory": "1Gi"}}, False),
        ({"requests": {"memory": "1"}, "limits": {"memory": "1Gi"}}, True),
    ],
)
def test_requests(resources: dict[str, Any], *, on_firecracker: bool) -> None:
    body = {"resources": resources}
    named = ("resources.requests",)
    assert ignored_fields({"runtime": "cloud-hypervisor", **body}) == named
    assert ignored_fields({"runtime": "firecracker", **body}) == (named if on_firecracker else ())
