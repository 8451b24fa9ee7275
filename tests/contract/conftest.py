from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


_KINDS: Mapping[str, Callable[[], Outside]] = {
    "fake": FakeOutside,
    "docker": docker_outside,
    "podman": podman_outside,
}


@pytest.fixture(
    params=[
        "fake",
        pytest.param("docker", marks=pytest.mark.engine),
        pytest.param("podman", marks=pytest.mark.engine),
    ]
)
async def outside(request: pytest.FixtureRequest) -> AsyncIterator[Outside]:
    """Every runtime in turn: what the suite promises holds for each of them."""
    subject = _KINDS[request.param]()
    yield subject
    await subject.close()


_ENGINES: Mapping[str, Callable[[], DockerOutside]] = {
    "docker": docker_outside,
    "podman": podman_outside,
}


@pytest.fixture(params=[*_ENGINES])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[DockerOutside]:
    """Every real engine in turn: for what the fake has no need of, or cannot show."""
    subject = _ENGINES[request.param]()
    yield subject
    await subject.close()


@pytest.fixture
async def engine_space(engine: DockerOutside) -> AsyncIterator[Space]:
    one = Space(engine)
    yield one
    await engine.clean(one.namespace)


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
