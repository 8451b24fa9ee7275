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

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.contract.outside import DockerOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


def share(path: str, permission: str = "rw") -> Volume:
    """Of a server that is not there: nobody listens on this machine's NFS port."""
    data = {"type": "volume", "source": f"127.0.0.1:{path}", "destination": "/data"}
    return Volume.model_validate({**data, "driver": "nfs", "permission": permission})


async def test_a_share_is_a_local_volume_with_its_options(
    engine_space: Space, engine: DockerOutside
) -> None:
    path = f"/{engine_space.namespace}"
    name = "ring-nfs-" + hashlib.sha256(f"127.0.0.1:{path}".encode()).hexdigest()[:12]
    created = await engine_space.runtime.create(await engine_space.order(volumes=(share(path),)))
    volume = await engine.told(f"/volumes/{name}")
    assert (volume["Driver"], volume["Options"]) == (
        "local",
        {"type": "nfs", "device": f":{path}", "o": "addr=127.0.0.1,nfsvers=4,rw"},
    )
    assert volume["Labels"] == {
        "ring.managed": "true",
        "ring.namespace": engine_space.namespace,
        "ring.deployment": "web",
        "ring.name": "web",
        "ring.server": engine_space.server_id,
    }
    assert isinstance(engine.runtime, Stock)
    listed = {each.name for each in await engine.runtime.volumes()}
    assert name not in listed, "no register has it by this name, and it holds nothing"
    mounts = (await engine.told(f"/containers/{created.id}/json"))["Mounts"]
    assert isinstance(mounts, list)
    assert [(one["Name"], one["Destination"], one["RW"]) for one in mounts] == [
        (name, "/data", True)
    ]

    with pytest.raises(RuntimeFailure) as caught:
        await engine_space.runtime.start(created.id)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    if engine.tells_as_asked:
        assert f"mount :{path}:" in caught.value.message
        assert "addr=127.0.0.1,nfsvers=4" in caught.value.message
    else:
        assert f"mounting volume {name}" in caught.value.message


async def test_a_share_is_everybodys_as_long_as_it_is_the_same(
    engine_space: Space, engine: DockerOutside
) -> None:
    path = f"/{engine_space.namespace}"
    other = engine_space.sibling(namespace=f"{engine_space.namespace}x")
    try:
        await other.runtime.create(await other.order(volumes=(share(path, "ro"),)))
        await engine_space.runtime.create(await engine_space.order(volumes=(share(path, "ro"),)))
        order = await engine_space.order(volumes=(share(path),))
        with pytest.raises(
            RuntimeFailure, match="has it as read-only; remove that volume"
        ) as caught:
            await engine_space.runtime.create(order)
        assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
        assert await engine_space.runtime.find(order.name) is None
    finally:
        await engine.clean(other.namespace)


async def test_a_source_is_labelled_and_otherwise_bound_as_any(
    engine_space: Space, engine: DockerOutside, tmp_path: Path
) -> None:
    (tmp_path / "note").write_text("from the host")

    def bound(destination: str, relabel: str, permission: str) -> Volume:
        data = {"type": "bind", "source": f"{tmp_path}", "destination": destination}
        return Volume.model_validate({**data, "relabel": relabel, "permission": permission})

    volumes = (bound("/shared", "shared", "ro"), bound("/private", "private", "rw"))
    instance = await engine_space.running(await engine_space.order(volumes=volumes))
    told = await engine.told(f"/containers/{instance.id}/json")
    binds = told["HostConfig"]["Binds"]  # type: ignore[index]  # as the engine tells it
    if engine.tells_as_asked:
        assert binds == [f"{tmp_path}:/shared:ro,z", f"{tmp_path}:/private:rw,Z"]
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
async def with_volume(engine_space: Space, engine: DockerOutside) -> AsyncIterator[str]:
    """An image that asks for a volume."""
    plain = await engine_space.created()
    image = f"ring-test/volume:{engine_space.namespace}"
    repository, _, tag = image.partition(":")
    query = {"container": plain.id, "repo": repository, "tag": tag, "changes": "VOLUME /data"}
    status, text = await engine.ask("POST", "/commit", query, {})
    assert status == 201, text
    yield image
    await engine.clean(engine_space.namespace)
    await engine.ask("DELETE", f"/images/{image}")


async def test_anonymous_volumes_go_with_their_instance(
    engine_space: Space, engine: DockerOutside, with_volume: str
) -> None:
    created = await engine_space.running(await engine_space.order(image=with_volume))
    (volume,) = created.anonymous_volumes
    assert (await engine_space.runtime.inspect(created.id)).anonymous_volumes == (volume,)
    assert (await engine.ask("GET", f"/volumes/{volume}"))[0] == 200

    await engine_space.runtime.stop(created.id, 5.0)
    await engine_space.runtime.remove(created.id)
    assert (await engine.ask("GET", f"/volumes/{volume}"))[0] == 404


async def test_one_that_was_left_is_removed_once_nothing_uses_it(
    engine_space: Space, engine: DockerOutside, with_volume: str
) -> None:
    runtime = engine_space.runtime
    assert isinstance(runtime, AnonymousVolumes)
    created = await runtime.create(await engine_space.order(image=with_volume))
    (volume,) = created.anonymous_volumes
    assert not await runtime.remove_volume(volume)
    assert (await engine.ask("DELETE", f"/containers/{created.id}", {"force": "1"}))[0] == 204
    assert (await engine.ask("GET", f"/volumes/{volume}"))[0] == 200
    assert await runtime.remove_volume(volume)
    assert (await engine.ask("GET", f"/volumes/{volume}"))[0] == 404
    assert await runtime.remove_volume(volume)


async def test_a_volume_with_a_name_as_the_engine_gives_is_none_of_these(
    docker_space: Space, docker: DockerOutside
) -> None:
    """Podman does not tell which it chose itself: see test_podman_creation."""
    volume = Volume(type="volume", source=secrets.token_hex(32), destination="/data")
    created = await docker_space.runtime.create(await docker_space.order(volumes=(volume,)))
    assert created.anonymous_volumes == ()
