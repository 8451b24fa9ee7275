from __future__ import annotations

import pytest

from ring.core.model.images import place

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("image", "host", "repository"),
    [
        ("redis", "docker.io", "library/redis"),
        ("redis:7", "docker.io", "library/redis"),
        ("acme/tool:1", "docker.io", "acme/tool"),
        ("index.docker.io/acme/tool", "docker.io", "acme/tool"),
        ("localhost/app", "localhost", "app"),
        ("reg.example/team/app:1", "reg.example", "team/app"),
        ("reg.example:5000/team/app", "reg.example:5000", "team/app"),
        (f"reg.example:5000/app:1@{DIGEST}", "reg.example:5000", "app"),
    ],
)
def test_where_an_image_is_kept(image: str, host: str, repository: str) -> None:
    assert place(image) == (host, repository)
