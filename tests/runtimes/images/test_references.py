from __future__ import annotations

import pytest

from ring.runtimes.images import references

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("written", "repository", "tag", "digest", "version"),
    [
        ("redis", "redis", None, None, "latest"),
        ("redis:7", "redis", "7", None, "7"),
        ("reg.example:5000/team/app", "reg.example:5000/team/app", None, None, "latest"),
        ("reg.example:5000/team/app:2", "reg.example:5000/team/app", "2", None, "2"),
        (f"acme/tool@{DIGEST}", "acme/tool", None, DIGEST, DIGEST),
        (f"acme/tool:3@{DIGEST}", "acme/tool", "3", DIGEST, DIGEST),
    ],
)
def test_parse(
    written: str, repository: str, tag: str | None, digest: str | None, version: str
) -> None:
    reference = references.parse(written)
    assert (reference.repository, reference.tag, reference.digest) == (repository, tag, digest)
    assert reference.version == version


def test_a_digest_wins_over_the_tag() -> None:
    assert references.parse(f"acme/tool:3@{DIGEST}").exact == f"acme/tool@{DIGEST}"
    assert references.parse("acme/tool:3").exact == "acme/tool:3"
    assert references.parse("acme/tool:3").at(DIGEST).exact == f"acme/tool@{DIGEST}"


@pytest.mark.parametrize(
    ("repository", "whole"),
    [
        ("redis", "docker.io/library/redis"),
        ("docker.io/redis", "docker.io/library/redis"),
        ("index.docker.io/library/redis", "docker.io/library/redis"),
        ("acme/tool", "docker.io/acme/tool"),
        ("localhost/tool", "localhost/tool"),
        ("localhost:5000/tool", "localhost:5000/tool"),
        ("reg.example/team/app", "reg.example/team/app"),
    ],
)
def test_normalised(repository: str, whole: str) -> None:
    assert references.normalised(repository) == whole


def test_the_registry_is_the_one_that_is_meant() -> None:
    assert references.parse("redis:7").registry == "docker.io"
    assert references.parse("index.docker.io/library/redis").registry == "docker.io"
    assert references.parse("reg.example:5000/team/app:2").registry == "reg.example:5000"


def test_is_digest() -> None:
    assert references.is_digest(DIGEST)
    assert not references.is_digest(DIGEST[:-1])
    assert not references.is_digest("<none>")
