"""What of an image is fetched again when a registry is asked for it again."""

from __future__ import annotations

import io
import os
import tarfile
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import aiohttp
import pytest

from ring.core.model.stock import Origin
from scripts import engines
from tests.contract.outside import required
from tests.contract.test_engine_images import MANIFESTS
from tests.contract.watched_registry import WatchedRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.outside import DockerOutside

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


@pytest.fixture
def registry() -> Iterator[WatchedRegistry]:
    with closing(WatchedRegistry(required("RING_TEST_REGISTRY", "a registry"))) as one:
        yield one


@pytest.fixture
def name() -> str:
    return f"test/{uuid.uuid4().hex[:10]}"


async def pushed(engine: DockerOutside, registry: WatchedRegistry, name: str) -> str:
    """An image that is in the registry and not here, with a layer like no other; the layer's
    digest."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("content")
        entry.size = 1024
        tar.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    image = f"{registry.registry}/{name}:1"
    image_id = engines.import_image(engine.host, image, buffer.getvalue())
    engines.push(engine.host, image, image)
    await engine.ask("DELETE", f"/images/{image_id}", {"force": "1"})
    address = f"http://{registry.registry}/v2/{name}/manifests/1"
    async with aiohttp.request("GET", address, headers={"Accept": MANIFESTS}) as answer:
        assert answer.status == 200, answer
        (layer,) = (await answer.json(content_type=None))["layers"]
    return str(layer["digest"])


async def test_always_asks_the_registry_and_takes_no_layer_that_is_here(
    engine: DockerOutside, registry: WatchedRegistry, name: str
) -> None:
    """The engine compares digests itself: Docker by a HEAD, Podman by the manifest, with the few
    bytes of the image's settings."""
    layer = await pushed(engine, registry, name)
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
        await engine.ask("DELETE", f"/images/{first.id}", {"force": "1"})
