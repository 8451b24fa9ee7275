from __future__ import annotations

import os
import uuid
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.contract.outside import required
from tests.e2e.outside import Docker
from tests.e2e.ring import Ring
from tests.e2e.story import Story

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class MakeRing(Protocol):
    """Makes servers, each with a directory of its own."""

    def __call__(
        self,
        *,
        docker_host: str | None = None,
        port: int | None = None,
        interval_s: int = 10,
        optional: bool = False,
        environment: dict[str, str] | None = None,
    ) -> Ring: ...


class Tell(Protocol):
    """Makes a story with a started server, logged in."""

    def __call__(
        self, *, interval_s: int = 10, environment: dict[str, str] | None = None
    ) -> Story: ...


@pytest.fixture(scope="session")
def docker() -> Docker:
    return Docker(required("RING_TEST_DOCKER_HOST", "a Docker engine"))


@pytest.fixture(scope="session")
def image() -> str:
    return os.environ.get("RING_TEST_IMAGE", "ring-test/busybox:1")


@pytest.fixture
def namespaces(docker: Docker) -> Iterator[tuple[str, str]]:
    """Two names nobody else uses; what is made under them is removed at the end."""
    names = (f"e{uuid.uuid4().hex[:10]}", f"e{uuid.uuid4().hex[:10]}")
    yield names
    for name in names:
        docker.clean(name)


@pytest.fixture
def make_ring(docker: Docker, tmp_path: Path, namespaces: tuple[str, str]) -> Iterator[MakeRing]:
    """Servers that are ended before the namespaces are cleaned."""
    made: list[Ring] = []

    def make(
        *,
        docker_host: str | None = None,
        port: int | None = None,
        interval_s: int = 10,
        optional: bool = False,
        environment: dict[str, str] | None = None,
    ) -> Ring:
        one = Ring(
            tmp_path / f"ring{len(made)}",
            docker_host or docker.host,
            port=port,
            interval_s=interval_s,
            optional=optional,
            environment=environment,
        )
        made.append(one)
        return one

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def tell(
    make_ring: MakeRing, docker: Docker, namespaces: tuple[str, str], image: str
) -> Iterator[Tell]:
    with ExitStack() as stack:

        def make(*, interval_s: int = 10, environment: dict[str, str] | None = None) -> Story:
            watch = stack.enter_context(closing(docker.watch(namespaces[0])))
            ring = make_ring(interval_s=interval_s, environment=environment)
            ring.start()
            ring.login()
            return Story(ring, docker, namespaces[0], image, watch)

        yield make


@pytest.fixture
def story(tell: Tell) -> Story:
    return tell()


@pytest.fixture
def neighbour(story: Story, namespaces: tuple[str, str]) -> Iterator[Story]:
    """The same server and engine, another namespace."""
    with closing(story.docker.watch(namespaces[1])) as watch:
        yield replace(story, namespace=namespaces[1], watch=watch)
