from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.contract.containerd import ContainerdOutside, containerd_outside
from tests.contract.outside import (
    DockerOutside,
    FakeOutside,
    Outside,
    PodmanOutside,
    docker_outside,
    podman_outside,
    rootless_outside,
)
from tests.contract.space import Space

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from ring.runtimes.base import Runtime
    from tests.contract.engines import EngineOutside


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse="RING_TEST_CONTAINERD" in os.environ)
async def one_loop(anyio_backend: str) -> str:
    """For real engines: gRPC has a thread of its own that hands on what comes, and not to loops
    that are closed. All that a worker runs after this has the same loop."""
    return anyio_backend


_SERVED: Mapping[str, Callable[[], DockerOutside]] = {
    "docker": docker_outside,
    "podman": podman_outside,
}
_ENGINES: Mapping[str, Callable[[], EngineOutside]] = {**_SERVED, "containerd": containerd_outside}
_KINDS: Mapping[str, Callable[[], Outside]] = {"fake": FakeOutside, **_ENGINES}


@pytest.fixture(
    params=["fake", *(pytest.param(name, marks=pytest.mark.engine) for name in _ENGINES)]
)
async def outside(request: pytest.FixtureRequest) -> AsyncIterator[Outside]:
    """Every runtime in turn: what the suite promises holds for each of them."""
    subject = _KINDS[request.param]()
    yield subject
    await subject.close()


@pytest.fixture(params=[*_ENGINES])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[EngineOutside]:
    """Every real engine in turn: for what the fake has no need of, or cannot show."""
    subject = _ENGINES[request.param]()
    yield subject
    await subject.close()


@pytest.fixture
async def engine_space(engine: EngineOutside) -> AsyncIterator[Space]:
    one = Space(engine)
    yield one
    await engine.clean(one.namespace)


@pytest.fixture(params=[*_SERVED])
async def served(request: pytest.FixtureRequest) -> AsyncIterator[DockerOutside]:
    """Every engine with Docker's API, for what only that tells or takes."""
    subject = _SERVED[request.param]()
    yield subject
    await subject.close()


@pytest.fixture
async def served_space(served: DockerOutside) -> AsyncIterator[Space]:
    one = Space(served)
    yield one
    await served.clean(one.namespace)


@pytest.fixture(params=["docker", "containerd"])
async def but_podman(request: pytest.FixtureRequest) -> AsyncIterator[EngineOutside]:
    """Every engine but Podman, for what that does not do."""
    subject = _ENGINES[request.param]()
    yield subject
    await subject.close()


@pytest.fixture
async def but_podman_space(but_podman: EngineOutside) -> AsyncIterator[Space]:
    one = Space(but_podman)
    yield one
    await but_podman.clean(one.namespace)


@pytest.fixture
async def containerd() -> AsyncIterator[ContainerdOutside]:
    subject = containerd_outside()
    yield subject
    await subject.close()


@pytest.fixture
async def containerd_space(containerd: ContainerdOutside) -> AsyncIterator[Space]:
    one = Space(containerd)
    yield one
    await containerd.clean(one.namespace)


@pytest.fixture
async def docker() -> AsyncIterator[DockerOutside]:
    subject = docker_outside()
    yield subject
    await subject.close()


@pytest.fixture
async def podman() -> AsyncIterator[PodmanOutside]:
    subject = podman_outside()
    yield subject
    await subject.close()


@pytest.fixture
async def podman_space(podman: PodmanOutside) -> AsyncIterator[Space]:
    one = Space(podman)
    yield one
    await podman.clean(one.namespace)


@pytest.fixture
async def rootless() -> AsyncIterator[PodmanOutside]:
    subject = rootless_outside()
    await subject.runtime.ping()
    yield subject
    await subject.close()


@pytest.fixture
async def rootless_space(rootless: PodmanOutside) -> AsyncIterator[Space]:
    one = Space(rootless)
    yield one
    await rootless.clean(one.namespace)


@pytest.fixture
def runtime(outside: Outside) -> Runtime:
    return outside.runtime


@pytest.fixture
async def space(outside: Outside) -> AsyncIterator[Space]:
    one = Space(outside)
    yield one
    await outside.clean(one.namespace)


@pytest.fixture
async def docker_space(docker: DockerOutside) -> AsyncIterator[Space]:
    one = Space(docker)
    yield one
    await docker.clean(one.namespace)
