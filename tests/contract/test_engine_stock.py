"""What an engine holds besides instances, and removing of it."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.model.stock import Origin
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.stock import Stock
from tests.contract.outside import eventually, required
from tests.contract.test_engine_images import Repository
from tests.e2e.proxy import EngineProxy, Fate

if TYPE_CHECKING:
    from tests.contract.engines import EngineOutside
    from tests.contract.outside import DockerOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


async def test_an_image_from_its_pull_to_its_end(
    engine: EngineOutside, engine_space: Space
) -> None:
    runtime = engine.runtime
    assert isinstance(runtime, Stock)
    repository = Repository(engine, required("RING_TEST_REGISTRY", "a registry"))
    digest = await repository.push("1", content="one")
    reference = f"{repository.path}:1"
    first = await runtime.resolve_image(reference, "IfNotPresent", None)
    here = await runtime.resolve_image(reference, "IfNotPresent", None)
    again = await runtime.resolve_image(reference, "Always", None)
    assert [each.origin for each in (first, here, again)] == [
        Origin.BROUGHT,
        Origin.HERE,
        Origin.PULLED,
    ]
    (held,) = [image for image in await runtime.images() if image.id == first.id]
    assert set(held.names) == {reference, f"{repository.path}@{digest}"}
    assert held.size_bytes > 0

    # A stopped container keeps it, and so does a name that nobody has told us of.
    order = await engine_space.order(image=reference)
    created = await runtime.create(order)
    keepers = [each for each in await runtime.holders() if each.image_id == held.id]
    assert [each.name for each in keepers] == [order.name]
    assert f"ring_{engine_space.namespace}" in keepers[0].networks
    with pytest.raises(RuntimeFailure, match=r"used by|is made of it"):
        await runtime.remove_image(held.id, held.names)
    await runtime.remove(created.id)
    await engine.tags(held.id, f"{repository.path}-two:1")
    with pytest.raises(RuntimeFailure, match=r"it is also .*-two:1"):
        await runtime.remove_image(held.id, held.names)
    (renamed,) = [image for image in await runtime.images() if image.id == first.id]
    two = renamed.names
    assert {*held.names, f"{repository.path}-two:1"} <= {*two}
    created = await runtime.create(order)
    with pytest.raises(RuntimeFailure, match=f"{order.name} is made of it"):
        await runtime.remove_image(held.id, two)
    assert await repository.is_local(reference)
    assert await repository.is_local(f"{repository.path}-two:1"), "all of its names are left"
    await runtime.remove(created.id)

    # With all its names it goes, in whatever repositories they are; twice is as good as once.
    await runtime.remove_image(held.id, two)
    assert not await repository.is_local(held.id)
    await runtime.remove_image(held.id, held.names)


async def test_what_somebody_else_pulled_meanwhile_is_theirs(
    docker: DockerOutside, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Asked for when it was not there, and brought by another before our pull had begun."""
    repository = Repository(docker, required("RING_TEST_REGISTRY", "a registry"))
    await repository.push("1", content="one")
    reference = f"{repository.path}:1"
    engine = Path(docker.host.removeprefix("unix://"))
    path = tmp_path_factory.getbasetemp() / f"{uuid.uuid4().hex[:8]}.sock"
    with closing(EngineProxy(engine, path)) as proxy:
        held = proxy.rule("^POST /images/create", Fate.LATE)
        runtime = docker.opened(proxy.host)
        pulling = asyncio.ensure_future(runtime.resolve_image(reference, "IfNotPresent", None))

        async def is_held() -> bool:
            return bool(held.met)

        await eventually(is_held)
        query = {"fromImage": repository.path, "tag": "1"}
        assert (await docker.ask("POST", "/images/create", query))[0] == 200
        proxy.lift(held)
        assert (await pulling).origin is Origin.PULLED
        await runtime.close()
    await repository.forget()


async def test_the_data_is_on_this_machine(engine: EngineOutside) -> None:
    runtime = engine.runtime
    assert isinstance(runtime, Stock)
    directory = await runtime.data_directory()
    assert directory is not None
    assert (directory / engine.images_folder).is_dir()
