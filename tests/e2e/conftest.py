from __future__ import annotations

import os
import uuid
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.contract.outside import missing, required
from tests.e2e import homes, receivers
from tests.e2e.containerd import Containerd
from tests.e2e.engine import OwnEngine
from tests.e2e.outside import Docker, Podman
from tests.e2e.proxy import EngineProxy
from tests.e2e.receivers import Receiver
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
        runtime: str = "docker",
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
        runtime: str | None = None,
    ) -> Story:
        """`docker_host` is another way for the server to the engine, `docker` another engine,
        `runtime` what drives it; by themselves they are those of the test.

        With an environment of its own it begins with nothing, else as a server that was there.
        """
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
def proxy(engine: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProxy]:
    """Before the engine. Its path is short: a socket's may not have more than 108 characters."""
    path = tmp_path_factory.getbasetemp() / f"{uuid.uuid4().hex[:8]}.sock"
    socket = Path(engine.host.removeprefix("unix://"))
    with closing(EngineProxy(socket, path)) as one:
        yield one


@pytest.fixture
def address(docker: Docker) -> Iterator[str]:
    """Of this machine, where receivers of webhooks may listen."""
    with receivers.address(docker) as one:
        yield one


@pytest.fixture
def receiver(address: str) -> Iterator[Receiver]:
    with closing(Receiver(address)) as one:
        yield one


@pytest.fixture
def namespaces(docker: Docker) -> Iterator[tuple[str, str]]:
    """Two names nobody else uses; what is made under them is removed at the end."""
    names = (f"e{uuid.uuid4().hex[:10]}", f"e{uuid.uuid4().hex[:10]}")
    yield names
    for name in names:
        docker.clean(name)


@pytest.fixture
def runtime(request: pytest.FixtureRequest) -> str:
    """Docker, unless the test is marked to be told of others as well: see `both`."""
    return str(getattr(request, "param", "docker"))


@pytest.fixture
def engine(
    runtime: str, docker: Docker, namespaces: tuple[str, str], tmp_path: Path
) -> Iterator[Docker]:
    """What this runtime drives; what is made there is removed at the end."""
    match runtime:
        case "docker":
            yield docker
            return
        case "podman":
            one: Docker = Podman(required("RING_TEST_PODMAN_HOST", "a Podman service"))
        case _:
            socket = Path(required("RING_TEST_CONTAINERD", "a containerd"))
            one = Containerd(socket, docker, tmp_path)
    yield one
    for name in namespaces:
        one.clean(name)


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
        runtime: str = "docker",
    ) -> Ring:
        one = Ring(
            tmp_path / f"ring{len(made)}",
            docker_host or docker.host,
            port=port,
            interval_s=interval_s,
            optional=optional,
            environment=environment,
            runtime=runtime,
        )
        made.append(one)
        return one

    yield make
    for one in made:
        one.kill()


@pytest.fixture(scope="session")
def _home(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stories of this worker begin with."""
    return homes.lived_in(tmp_path_factory.getbasetemp() / "home", docker.host)


@pytest.fixture
def tell(
    engine: Docker,
    runtime: str,
    make_ring: MakeRing,
    namespaces: tuple[str, str],
    image: str,
    _home: Path,
) -> Iterator[Tell]:
    """The engine comes before the servers, so that they have ended when it is cleaned."""
    shared, usual = engine, runtime
    with ExitStack() as stack:

        def make(
            *,
            interval_s: int = 10,
            environment: dict[str, str] | None = None,
            docker_host: str | None = None,
            docker: Docker | None = None,
            runtime: str | None = None,
        ) -> Story:
            engine = docker or shared
            driver = runtime or usual
            watch = stack.enter_context(closing(engine.watch(namespaces[0])))
            ring = make_ring(
                docker_host=docker_host or engine.host,
                interval_s=interval_s,
                environment=environment,
                runtime=driver,
            )
            if environment is None:
                homes.move_in(ring, _home)
                ring.start()
            else:
                ring.start()
                ring.login()
            return Story(ring, engine, namespaces[0], image, watch, driver)

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
