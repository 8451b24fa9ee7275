"""What of an image is fetched again when a registry is asked for it again."""

from __future__ import annotations

import hashlib
import os
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import aiohttp
import pytest

from ring.core.model.stock import Origin
from tests.contract import pictures
from tests.contract.outside import required
from tests.contract.test_engine_images import MANIFESTS
from tests.contract.watched_registry import WatchedRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.engines import EngineOutside

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


@pytest.fixture
def registry() -> Iterator[WatchedRegistry]:
    with closing(WatchedRegistry(required("RING_TEST_REGISTRY", "a registry"))) as one:
        yield one


@pytest.fixture
def name() -> str:
    return f"test/{uuid.uuid4().hex[:10]}"


async def pushed(registry: WatchedRegistry, name: str) -> str:
    """An image that is in the registry and nowhere else, with a layer like no other; the layer's
    digest."""
    picture = pictures.of_one_file(os.urandom(1024))
    await pictures.push(picture, f"{registry.registry}/{name}:1")
    ((digest, _),) = picture.layers
    return digest


async def test_always_asks_the_registry_and_takes_no_layer_that_is_here(
    engine: EngineOutside, registry: WatchedRegistry, name: str
) -> None:
    """The engine compares digests itself: Docker by a HEAD, Podman by the manifest, with the few
    bytes of the image's settings."""
    layer = await pushed(registry, name)
    image, manifest = f"{registry.address}/{name}:1", f"/v2/{name}/manifests/1"
    first = await engine.runtime.resolve_image(image, "Always", None)
    try:
        assert ("GET", f"/v2/{name}/blobs/{layer}") in registry.asked
        registry.asked.clear()
        again = await engine.runtime.resolve_image(image, "Always", None)
        assert (again, again.origin) == (first, Origin.PULLED)
        assert registry.asked[0][1] == manifest
        assert ("GET", f"/v2/{name}/blobs/{layer}") not in registry.asked
        if engine.compares_by_head:
            assert registry.asked == [("HEAD", manifest)]
    finally:
        assert first.id is not None
        await engine.removes_image(first.id)


async def test_of_an_image_that_was_pushed_again_the_digest_is_its_tags_own(
    but_podman: EngineOutside, registry: WatchedRegistry, name: str
) -> None:
    """As a build does that changes nothing but what stands beside the image. Podman does not tell
    which of its digests the tag has now."""
    await pushed(registry, name)
    image = f"{registry.registry}/{name}:1"
    address = f"http://{registry.registry}/v2/{name}/manifests/1"
    async with aiohttp.request("GET", address, headers={"Accept": MANIFESTS}) as answer:
        manifest, kind = await answer.read(), answer.headers["Content-Type"]
    seen = {}
    for times in range(5):
        content = manifest + b"\n" * times
        headers = {"Content-Type": kind}
        async with aiohttp.request("PUT", address, data=content, headers=headers) as answer:
            assert answer.status == 201, answer
        found = await but_podman.runtime.resolve_image(image, "Always", None)
        assert found.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert found.digest == await but_podman.runtime.remote_digest(image)
        seen[found.digest] = found.id
    assert len(seen) == 5
    for image_id in {*seen.values()}:
        assert image_id is not None
        await but_podman.removes_image(image_id)
