from __future__ import annotations

from ring.runtimes.containerd.images import _name
from ring.runtimes.images import references


def test_names_are_those_of_other_clients() -> None:
    assert _name(references.parse("redis")) == "docker.io/library/redis:latest"
    assert _name(references.parse("acme/tool:2")) == "docker.io/acme/tool:2"
    digest = f"sha256:{'a' * 64}"
    assert _name(references.parse(f"redis:7@{digest}")) == f"docker.io/library/redis@{digest}"
