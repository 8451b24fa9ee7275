from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.outside import DockerOutside, FakeOutside, Outside, docker_outside
from tests.contract.space import Space

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ring.runtimes.base import Runtime


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.engine)])
async def outside(request: pytest.FixtureRequest) -> AsyncIterator[Outside]:
    """Every runtime in turn: what the suite promises holds for each of them."""
    subject: Outside = FakeOutside() if request.param == "fake" else docker_outside()
    yield subject
    await subject.close()


@pytest.fixture
async def docker() -> AsyncIterator[DockerOutside]:
    subject = docker_outside()
    yield subject
    await subject.close()


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
