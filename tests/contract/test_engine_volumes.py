"""Volumes of an engine: shares of a network file system, and sources that are labelled."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.spec import Volume
from ring.runtimes.anonymous_volumes import AnonymousVolumes
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.stock import Stock
from tests.contract.outside import DockerOutside

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.contract.engines import EngineOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


def share(path: str, permission: str = "rw") -> Volume:
    """Of a server that is not there: nobody listens on this machine's NFS port."""
    data = {"type": "volume", "source": f"127.0.0.1:{path}", "destination": "/data"}
    return Volume.model_validate({**data, "driver": "nfs", "permission": permission})


async def test_a_share_is_a_local_volume_with_its_options(
    served_space: Space, served: DockerOutside
) -> None:
    path = f"/{served_space.namespace}"
    name = "ring-nfs-" + hashlib.sha256(f"127.0.0.1:{path}".encode()).hexdigest()[:12]
    created = await served_space.runtime.create(await served_space.order(volumes=(share(path),)))
    volume = await served.told(f"/volumes/{name}")
    assert (volume["Driver"], volume["Options"]) == (
        "local",
        {"type": "nfs", "device": f":{path}", "o": "addr=127.0.0.1,nfsvers=4,rw"},
    )
    assert volume["Labels"] == {
        "ring.managed": "true",
        "ring.namespace": served_space.namespace,
        "ring.deployment": "web",
        "ring.name": "web",
        "ring.server": served_space.server_id,
    }
    assert isinstance(served.runtime, Stock)
    listed = {each.name for each in await served.runtime.volumes()}
    assert name not in listed, "no register has it by this name, and it holds nothing"
    mounts = (await served.told(f"/containers/{created.id}/json"))["Mounts"]
    assert isinstance(mounts, list)
    assert [(one["Name"], one["Destination"], one["RW"]) for one in mounts] == [
        (name, "/data", True)
    ]

    with pytest.raises(RuntimeFailure) as caught:
        await served_space.runtime.start(created.id)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    if served.tells_as_asked:
        assert f"mount :{path}:" in caught.value.message
        assert "addr=127.0.0.1,nfsvers=4" in caught.value.message
    else:
        assert f"mounting volume {name}" in caught.value.message


async def test_a_share_is_everybodys_as_long_as_it_is_the_same(
    served_space: Space, served: DockerOutside
) -> None:
    path = f"/{served_space.namespace}"
    other = served_space.sibling(namespace=f"{served_space.namespace}x")
    try:
        await other.runtime.create(await other.order(volumes=(share(path, "ro"),)))
        await served_space.runtime.create(await served_space.order(volumes=(share(path, "ro"),)))
        order = await served_space.order(volumes=(share(path),))
        with pytest.raises(
            RuntimeFailure, match="has it as read-only; remove that volume"
        ) as caught:
            await served_space.runtime.create(order)
        assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
        assert await served_space.runtime.find(order.name) is None
    finally:
        await served.clean(other.namespace)


async def test_a_source_is_labelled_and_otherwise_bound_as_any(
    engine_space: Space, engine: EngineOutside, tmp_path: Path
) -> None:
    (tmp_path / "note").write_text("from the host")

    def bound(destination: str, relabel: str, permission: str) -> Volume:
        data = {"type": "bind", "source": f"{tmp_path}", "destination": destination}
        return Volume.model_validate({**data, "relabel": relabel, "permission": permission})

    volumes = (bound("/shared", "shared", "ro"), bound("/private", "private", "rw"))
    instance = await engine_space.running(await engine_space.order(volumes=volumes))
    if isinstance(engine, DockerOutside) and engine.tells_as_asked:
        assert (await engine.inspected(instance.id))["HostConfig"]["Binds"] == [
            f"{tmp_path}:/shared:ro,z",
            f"{tmp_path}:/private:rw,Z",
        ]
    assert await engine.run(instance.id, "cat", "/shared/note") == (0, "from the host")
    code, _ = await engine.run(instance.id, "sh", "-c", "echo no >/shared/note")
    assert code != 0
    assert (await engine.run(instance.id, "sh", "-c", "echo yes >/private/note"))[0] == 0
    assert (tmp_path / "note").read_text() == "yes\n"


async def test_a_source_to_be_labelled_that_is_missing_is_named_and_not_made(
    engine_space: Space, tmp_path: Path
) -> None:
    missing = tmp_path / "nowhere"
    volume = Volume(type="bind", source=f"{missing}", destination="/data", relabel="shared")
    order = await engine_space.order(volumes=(volume,))
    with pytest.raises(RuntimeFailure, match=f"{missing}") as caught:
        await engine_space.runtime.create(order)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert not missing.exists()
    assert await engine_space.runtime.find(order.name) is None


@pytest.fixture
async def with_volume(engine_space: Space, engine: EngineOutside) -> AsyncIterator[str]:
    """An image that asks for a volume."""
    image = f"ring-test/volume:{engine_space.namespace}"
    await engine.with_volume(image, "/data")
    yield image
    await engine.clean(engine_space.namespace)
    await engine.removes_image(image)


async def test_anonymous_volumes_go_with_their_instance(
    engine_space: Space, engine: EngineOutside, with_volume: str
) -> None:
    created = await engine_space.running(await engine_space.order(image=with_volume))
    (volume,) = created.anonymous_volumes
    assert (await engine_space.runtime.inspect(created.id)).anonymous_volumes == (volume,)
    assert await engine.has_volume(volume)

    await engine_space.runtime.stop(created.id, 5.0)
    await engine_space.runtime.remove(created.id)
    assert not await engine.has_volume(volume)


async def test_one_that_was_left_is_removed_once_nothing_uses_it(
    engine_space: Space, engine: EngineOutside, with_volume: str
) -> None:
    runtime = engine_space.runtime
    assert isinstance(runtime, AnonymousVolumes)
    created = await runtime.create(await engine_space.order(image=with_volume))
    (volume,) = created.anonymous_volumes
    assert not await runtime.remove_volume(volume)
    await engine.removes(created.id)
    assert await engine.has_volume(volume)
    assert await runtime.remove_volume(volume)
    assert not await engine.has_volume(volume)
    assert await runtime.remove_volume(volume)


async def test_a_volume_with_a_name_as_the_engine_gives_is_none_of_these(
    but_podman_space: Space, but_podman: EngineOutside
) -> None:
    """Podman does not tell which it chose itself: see test_podman_creation."""
    volume = Volume(type="volume", source=secrets.token_hex(32), destination="/data")
    created = await but_podman_space.runtime.create(await but_podman_space.order(volumes=(volume,)))
    assert created.anonymous_volumes == ()
