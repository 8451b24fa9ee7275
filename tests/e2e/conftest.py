from __future__ import annotations

import os
import uuid
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.contract.outside import missing, required
from tests.e2e.engine import OwnEngine
from tests.e2e.outside import Docker
from tests.e2e.proxy import EngineProxy
from tests.e2e.ring import Ring
from tests.e2e.story import Story

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
        self,
        *,
        interval_s: int = 10,
        environment: dict[str, str] | None = None,
        docker_host: str | None = None,
        docker: Docker | None = None,
    ) -> Story:
        """`docker_host` is another way for the server to the engine, `docker` another engine."""
        ...


@pytest.fixture(scope="session")
def docker() -> Docker:
    return Docker(required("RING_TEST_DOCKER_HOST", "a Docker engine"))


@pytest.fixture(scope="session")
def image() -> str:
    return os.environ.get("RING_TEST_IMAGE", "ring-test/busybox:1")


@pytest.fixture(scope="session")
def _own_engine(
    docker: Docker, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnEngine]:
    """One for each worker that needs it. Only where there is an engine for the other tests too."""
    if os.geteuid() != 0:
        missing("an engine of its own is needed: run as root")
    engine = OwnEngine(tmp_path_factory.getbasetemp() / "own-engine", image)
    yield engine
    engine.end()


@pytest.fixture
def own_engine(_own_engine: OwnEngine, namespaces: tuple[str, str]) -> Iterator[OwnEngine]:
    """An engine that this test alone uses now. It is left running and empty."""
    yield _own_engine
    _own_engine.start()
    for name in namespaces:
        _own_engine.docker.clean(name)


@pytest.fixture
def own_story(own_engine: OwnEngine, tell: Tell) -> Story:
    """A server on the test's own engine."""
    return tell(docker=own_engine.docker)


@pytest.fixture
def proxy(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProxy]:
    """Before the engine. Its path is short: a socket's may not have more than 108 characters."""
    path = tmp_path_factory.getbasetemp() / f"{uuid.uuid4().hex[:8]}.sock"
    engine = Path(docker.host.removeprefix("unix://"))
    with closing(EngineProxy(engine, path)) as one:
        yield one


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
    shared = docker
    with ExitStack() as stack:

        def make(
            *,
            interval_s: int = 10,
            environment: dict[str, str] | None = None,
            docker_host: str | None = None,
            docker: Docker | None = None,
        ) -> Story:
            engine = docker or shared
            watch = stack.enter_context(closing(engine.watch(namespaces[0])))
            ring = make_ring(
                docker_host=docker_host or engine.host,
                interval_s=interval_s,
                environment=environment,
            )
            ring.start()
            ring.login()
            return Story(ring, engine, namespaces[0], image, watch)

        yield make


@pytest.fixture
def story(tell: Tell) -> Story:
    return tell()


@pytest.fixture
def neighbour_of(namespaces: tuple[str, str]) -> Iterator[Callable[[Story], Story]]:
    """The same server and engine, another namespace."""
    with ExitStack() as stack:

        def make(story: Story) -> Story:
            watch = stack.enter_context(closing(story.docker.watch(namespaces[1])))
            return replace(story, namespace=namespaces[1], watch=watch)

        yield make


@pytest.fixture
def neighbour(story: Story, neighbour_of: Callable[[Story], Story]) -> Story:
    return neighbour_of(story)
