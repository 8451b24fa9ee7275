"""Pulls by an engine, from a registry and from none."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from tests.contract.outside import DockerOutside, required

if TYPE_CHECKING:
    from ring.core.model.spec import PullPolicy
    from ring.runtimes.base import Runtime
    from tests.contract.engines import EngineOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
UNREACHABLE = "127.0.0.1:1/x/y:latest"


@dataclass(slots=True)
class Repository:
    """A repository of its own in the registry."""

    engine: EngineOutside
    registry: str
    name: str = field(default_factory=lambda: f"test/{uuid.uuid4().hex[:10]}")

    @property
    def path(self) -> str:
        return f"{self.registry}/{self.name}"

    async def push(self, tag: str, *, content: str) -> str:
        """Pushes an image with this content, forgets it locally, and returns its digest."""
        await self.engine.pushes(f"{self.path}:{tag}", content)
        return await self._digest(tag)

    async def _digest(self, tag: str) -> str:
        """By the registry's word: what was here before the push may be packed another way."""
        address = f"http://{self.registry}/v2/{self.name}/manifests/{tag}"
        async with aiohttp.request("HEAD", address, headers={"Accept": MANIFESTS}) as answer:
            assert answer.status == 200, answer
            return answer.headers["Docker-Content-Digest"]

    async def forget(self) -> None:
        """Removes every local image of the repository."""
        await self.engine.forgets(self.path)

    async def is_local(self, reference: str) -> bool:
        return await self.engine.has_image(reference)


@pytest.fixture
def repository(engine: EngineOutside) -> Repository:
    return Repository(engine, required("RING_TEST_REGISTRY", "a registry"))


@pytest.fixture
def runtime(engine: EngineOutside) -> Runtime:
    return engine.runtime


async def test_an_absent_image_is_pulled_and_told_by_digest(
    repository: Repository, runtime: Runtime
) -> None:
    digest = await repository.push("1", content="one")
    image = await runtime.resolve_image(f"{repository.path}:1", "IfNotPresent", None)

    assert image.digest == digest
    assert image.ref == f"{repository.path}@{digest}"
    assert await repository.is_local(image.ref)
    await repository.forget()


async def test_always_takes_a_moved_tag_but_a_pin_does_not(
    repository: Repository, runtime: Runtime
) -> None:
    reference = f"{repository.path}:latest"
    first_digest = await repository.push("latest", content="one")
    first = await runtime.resolve_image(reference, "Always", None)
    second_digest = await repository.push("latest", content="two")

    healed = await runtime.resolve_image(reference, "Always", first.digest)
    moved = await runtime.resolve_image(reference, "Always", None)
    kept = await runtime.resolve_image(reference, "Never", first.digest)

    assert first_digest != second_digest
    assert (first.digest, healed.digest, moved.digest) == (
        first_digest,
        first_digest,
        second_digest,
    )
    assert kept == healed
    await repository.forget()


async def test_a_pin_is_not_pulled_under_never(repository: Repository, runtime: Runtime) -> None:
    digest = await repository.push("1", content="one")
    with pytest.raises(RuntimeFailure) as caught:
        await runtime.resolve_image(f"{repository.path}:1", "Never", digest)
    assert caught.value.failure.kind is FailureClass.IMAGE_NOT_FOUND
    assert not await repository.is_local(f"{repository.path}@{digest}")


async def test_a_digest_that_is_here_needs_no_registry(
    repository: Repository, runtime: Runtime
) -> None:
    digest = await repository.push("1", content="one")
    reference = f"{repository.path}@{digest}"
    pulled = await runtime.resolve_image(reference, "Always", None)
    local = await runtime.resolve_image(reference, "Never", None)
    tagged = await runtime.resolve_image(f"{repository.path}:1@{digest}", "Always", None)

    assert pulled == local == tagged
    assert pulled.digest == digest
    await repository.forget()


async def test_an_instance_runs_from_a_digest(
    repository: Repository, engine_space: Space, engine: EngineOutside
) -> None:
    await repository.push("1", content="one")
    order = await engine_space.order(image=f"{repository.path}:1")
    instance = await engine_space.running(order)
    assert await engine.image_id(instance.id) == order.image.id
    if isinstance(engine, DockerOutside) and engine.tells_as_asked:
        assert (await engine.inspected(instance.id))["Config"]["Image"] == order.image.ref
    shown = {one.id: one.image_digest for one in await engine_space.runtime.list()}
    assert shown[instance.id] == instance.image_digest == order.image.digest
    await engine_space.runtime.remove(instance.id)
    await repository.forget()


async def test_concurrent_callers_share_a_pull(repository: Repository, runtime: Runtime) -> None:
    digest = await repository.push("1", content="one")
    reference = f"{repository.path}:1"
    async with asyncio.TaskGroup() as group:
        callers = [
            group.create_task(runtime.resolve_image(reference, "Always", None)) for _ in range(5)
        ]
        await asyncio.sleep(0)
        callers[0].cancel()
    assert callers[0].cancelled()
    assert {caller.result().digest for caller in callers[1:]} == {digest}
    await repository.forget()


async def test_a_tag_that_does_not_exist_is_not_found(
    repository: Repository, runtime: Runtime
) -> None:
    await repository.push("1", content="one")
    reference = f"{repository.path}:absent"
    with pytest.raises(RuntimeFailure) as caught:
        await runtime.resolve_image(reference, "IfNotPresent", None)
    assert caught.value.failure.kind is FailureClass.IMAGE_NOT_FOUND
    assert caught.value.message.startswith(f"Image '{reference}' not found: ")
    assert "manifest" in caught.value.message


@pytest.mark.parametrize("policy", ["Always", "IfNotPresent"])
async def test_an_unreachable_registry_is_told_apart(runtime: Runtime, policy: PullPolicy) -> None:
    with pytest.raises(RuntimeFailure) as caught:
        await runtime.resolve_image(UNREACHABLE, policy, None)
    message = caught.value.message
    assert caught.value.failure.kind is FailureClass.IMAGE_PULL_FAILED
    assert message.startswith(f"Failed to pull image '{UNREACHABLE}': ")
    assert f"cannot reach the registry for '{UNREACHABLE}'" in message
    assert "(original error: " in message
    assert "not found" not in message


async def test_the_registry_tells_the_digest_of_a_tag(
    repository: Repository, engine: EngineOutside, runtime: Runtime
) -> None:
    digest = await repository.push("1", content="one")
    told = digest if engine.tells_remote_digests else None
    assert await runtime.remote_digest(f"{repository.path}:1") == told
    assert await runtime.remote_digest(f"{repository.path}:absent") is None
    assert await runtime.remote_digest(UNREACHABLE) is None
