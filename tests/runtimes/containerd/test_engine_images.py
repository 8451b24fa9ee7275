"""Images on a real containerd, from registries that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from scripts.engines import push

from ring.core.model.failures import FailureClass
from ring.core.model.stock import Origin
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd import fetching, methods
from ring.runtimes.containerd.api import containers_pb2, leases_pb2, snapshots_pb2
from ring.runtimes.containerd.client import Client, NotThere
from ring.runtimes.containerd.content import Content, Wanted
from ring.runtimes.containerd.images import Images
from ring.runtimes.distribution.client import Registries
from tests.contract.outside import eventually, required
from tests.runtimes.containerd import ctr
from tests.runtimes.containerd.pictures import Picture, layer, publish
from tests.runtimes.distribution.scripted import REPOSITORY, Registry, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from ring.core.model.spec import PullPolicy

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

SNAPSHOTTER = "overlayfs"
NAMESPACE = "ring-test-images"
LARGE = 3 * 1024 * 1024


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_PAUSE_S", 0.01)


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    async with serving() as one:
        yield one


@contextlib.asynccontextmanager
async def opened(hosts: Path) -> AsyncIterator[tuple[Client, Images]]:
    client = Client(Path(required("RING_TEST_CONTAINERD", "a containerd")), NAMESPACE)
    registries = Registries(hosts)
    images = Images(client, registries, SNAPSHOTTER)
    try:
        yield client, images
    finally:
        await images.close()
        await registries.close()
        await client.close()


@pytest.fixture
async def engine(tmp_path: Path, registry: Registry) -> AsyncIterator[tuple[Client, Images]]:
    async with opened(tmp_path) as (client, images):
        yield client, images
        for lease in await leases(client, images):
            await client.call(methods.LEASES_DELETE, leases_pb2.DeleteRequest(id=lease))
        for held in await images.images():
            if any(name.startswith(registry.host) for name in held.names):
                await images.remove_image(held.id, held.names)


@pytest.fixture
def client(engine: tuple[Client, Images]) -> Client:
    return engine[0]


@pytest.fixture
def images(engine: tuple[Client, Images]) -> Images:
    return engine[1]


def names(folder: str) -> list[str]:
    return [one.name for one in Path(folder).iterdir()]


def path(picture: Picture, number: int) -> str:
    return f"/v2/{REPOSITORY}/blobs/{picture.layers[number].digest}"


async def is_unpacked(client: Client, key: str) -> bool:
    request = snapshots_pb2.StatSnapshotRequest(snapshotter=SNAPSHOTTER, key=key)
    try:
        await client.call(methods.SNAPSHOTS_STAT, request)
    except NotThere:
        return False
    return True


async def leases(client: Client, images: Images) -> list[str]:
    """What its pulls have left."""
    own = f"ring-{images._bringing._leases._own}-"
    return [lease for lease in await ctr.leases(client) if lease.startswith(own)]


async def drop_snapshot(client: Client, key: str) -> None:
    request = snapshots_pb2.RemoveSnapshotRequest(snapshotter=SNAPSHOTTER, key=key)
    await client.call(methods.SNAPSHOTS_REMOVE, request)


async def collect(client: Client) -> None:
    """Returns once what nothing keeps is gone: the end of a lease can be waited for so."""
    request = leases_pb2.CreateRequest(id=f"test-{secrets.token_hex(8)}")
    await client.call(methods.LEASES_CREATE, request)
    await client.call(methods.LEASES_DELETE, leases_pb2.DeleteRequest(id=request.id, sync=True))


async def drop_content(client: Client, digest: str) -> None:
    """Also from where other namespaces of containerd's would find it."""
    await ctr.delete_content(client, digest)
    await collect(client)


def breaking_off(
    content: bytes, after: int, asked: list[int], times: int = 1_000
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Sends so many bytes of what is asked for, and ends the connection; `asked`: from where."""

    async def handler(request: web.Request) -> web.StreamResponse:
        begin = request.http_range.start or 0
        asked.append(begin)
        rest = content[begin:]
        response = web.StreamResponse(status=206 if begin else 200)
        response.content_length = len(rest)
        if begin:
            told = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            response.headers["Content-Range"] = told
        await response.prepare(request)
        if len(asked) > times:
            await response.write(rest)
            return response
        await response.write(rest[:after])
        # Only what has been taken off the wire counts.
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.close()
        return response

    return handler


async def test_a_pull_fetches_for_this_machine_and_unpacks(
    client: Client, images: Images, registry: Registry
) -> None:
    picture = publish(
        registry, [layer("low"), layer("middle"), layer("high")], settings={"Cmd": ["serve"]}
    )
    found = await images.resolve(registry.image(), "Always", None)
    digest = picture.target.digest
    assert (found.digest, found.id) == (digest, digest)
    assert found.ref == f"{registry.host}/{REPOSITORY}@{digest}"
    assert found.origin is Origin.BROUGHT
    config = await images.configuration(found.ref)
    assert config.command == ("serve",)
    look = snapshots_pb2.PrepareSnapshotRequest(
        snapshotter=SNAPSHOTTER,
        key=f"look-{digest}",
        parent=config.chain_id,
        labels={"containerd.io/gc.root": "true"},  # others have it collect meanwhile
    )
    mounts = (await client.call(methods.SNAPSHOTS_PREPARE, look)).mounts
    folders = next(
        option.removeprefix("lowerdir=")
        for option in mounts[0].options
        if option.startswith("lowerdir=")
    )
    assert [names(folder) for folder in folders.split(":")] == [["high"], ["middle"], ["low"]]
    await drop_snapshot(client, f"look-{digest}")
    assert await leases(client, images) == []
    (held,) = [one for one in await images.images() if one.id == digest]
    assert held.names == (registry.image(), found.ref)
    assert held.size_bytes == sum(one.size for one in picture.layers)


async def test_what_is_kept_survives_a_collection(
    client: Client, images: Images, registry: Registry
) -> None:
    picture = publish(registry, [layer("a")])
    found = await images.resolve(registry.image(), "Always", None)
    await collect(client)
    content = Content(client)
    for digest in (picture.target.digest, picture.manifest, picture.config):
        assert await content.is_here(digest)
    assert await content.is_here(picture.layers[0].digest)
    config = await images.configuration(found.ref)
    assert await is_unpacked(client, config.chain_id)


async def test_always_asks_for_the_head_alone_where_nothing_is_new(
    images: Images, registry: Registry
) -> None:
    picture = publish(registry, [layer("a")])
    await images.resolve(registry.image(), "Always", None)
    registry.asked.clear()
    found = await images.resolve(registry.image(), "Always", None)
    assert registry.lines == [f"HEAD /v2/{REPOSITORY}/manifests/1"]
    assert (found.digest, found.origin) == (picture.target.digest, Origin.PULLED)


@pytest.mark.parametrize("policy", ["IfNotPresent", "Never"])
async def test_what_is_here_is_not_asked_for(
    images: Images, registry: Registry, policy: PullPolicy
) -> None:
    publish(registry, [layer("a")])
    first = await images.resolve(registry.image(), "IfNotPresent", None)
    registry.asked.clear()
    found = await images.resolve(registry.image(), policy, None)
    assert found == first
    assert found.origin is Origin.HERE
    by_digest = f"{registry.host}/{REPOSITORY}@{first.digest}"
    assert (await images.resolve(by_digest, "Always", None)).ref == first.ref
    assert registry.asked == []


async def test_never_pulls_nothing(images: Images, registry: Registry) -> None:
    publish(registry, [layer("a")])
    with pytest.raises(RuntimeFailure, match="image_pull_policy=Never") as raised:
        await images.resolve(registry.image(), "Never", None)
    assert raised.value.failure.kind is FailureClass.IMAGE_NOT_FOUND
    assert registry.asked == []


async def test_a_missing_tag_is_a_missing_image(images: Images, registry: Registry) -> None:
    with pytest.raises(RuntimeFailure, match="not found") as raised:
        await images.resolve(registry.image("nope"), "Always", None)
    assert raised.value.failure.kind is FailureClass.IMAGE_NOT_FOUND


async def test_a_pinned_image_stays_when_its_tag_moves(images: Images, registry: Registry) -> None:
    first = publish(registry, [layer("a")])
    await images.resolve(registry.image(), "Always", None)
    second = publish(registry, [layer("b")])
    moved = await images.resolve(registry.image(), "Always", None)
    assert moved.digest == second.target.digest
    pinned = await images.resolve(registry.image(), "Always", first.target.digest)
    assert pinned.digest == first.target.digest
    assert (await images.resolve(registry.image(), "Never", None)).digest == moved.digest
    held = {one.id: one.names for one in await images.images()}
    assert held[first.target.digest] == (f"{registry.host}/{REPOSITORY}@{first.target.digest}",)


async def test_a_pin_that_is_not_here_is_pulled_by_its_digest(
    images: Images, registry: Registry
) -> None:
    first = publish(registry, [layer("a")])
    publish(registry, [layer("b")])
    found = await images.resolve(registry.image(), "IfNotPresent", first.target.digest)
    assert found.digest == first.target.digest
    assert registry.image() not in {name for one in await images.images() for name in one.names}


async def test_an_interrupted_layer_goes_on_from_where_it_was(
    images: Images, registry: Registry
) -> None:
    large = layer("large", LARGE)
    picture = publish(registry, [layer("a"), large])
    asked: list[int] = []
    registry.instead[f"GET {path(picture, 1)}"] = breaking_off(
        large.blob, LARGE // 4, asked, times=3
    )
    found = await images.resolve(registry.image(), "Always", None)
    assert found.digest == picture.target.digest
    assert asked == [0, LARGE // 4, LARGE // 2, LARGE * 3 // 4]


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_a_pull_that_failed_at_any_layer_fetches_only_the_rest_the_next_time(
    client: Client, images: Images, registry: Registry, number: int
) -> None:
    made = [layer("a", LARGE), layer("b", LARGE), layer("c", LARGE)]
    picture = publish(registry, made)
    asked: list[int] = []
    content = made[number].blob
    registry.instead[f"GET {path(picture, number)}"] = breaking_off(content, 100_000, asked)
    with pytest.raises(RuntimeFailure, match="the registry broke it off") as raised:
        await images.resolve(registry.image(), "Always", None)
    assert raised.value.failure.kind is FailureClass.IMAGE_PULL_FAILED
    assert asked == [0, 100_000, 200_000, 300_000]
    assert len(await leases(client, images)) == 1
    others = [path(picture, other) for other in range(3) if other != number]
    before = {one: [line.path for line in registry.asked].count(one) for one in others}
    asked.clear()
    registry.instead[f"GET {path(picture, number)}"] = breaking_off(content, 0, asked, times=0)
    registry.asked.clear()
    found = await images.resolve(registry.image(), "Always", None)
    assert found.digest == picture.target.digest
    assert asked == [400_000]
    assert await leases(client, images) == []
    # One that had not come in full when the pull failed is resumed, too.
    for line in registry.asked:
        if line.path in others:
            assert before[line.path] == 0 or int(line.headers.get("Range", "bytes=0-")[6:-1]) > 0


async def test_a_pull_whose_server_ended_goes_on_in_the_next(
    tmp_path: Path, images: Images, registry: Registry
) -> None:
    large = layer("large", LARGE)
    picture = publish(registry, [large])
    half_came, asked = asyncio.Event(), list[int]()

    async def stuck(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = len(large.blob)
        await response.prepare(request)
        await response.write(large.blob[: 2 * 1024 * 1024])
        half_came.set()
        await asyncio.Event().wait()
        return response

    registry.instead[f"GET {path(picture, 0)}"] = stuck
    async with opened(tmp_path) as (_, others):
        pulling = asyncio.create_task(others.resolve(registry.image(), "Always", None))

        async def is_half_here() -> bool:
            progress = others.progress(registry.image())
            return progress is not None and progress.done_bytes >= 1024 * 1024

        await half_came.wait()
        await eventually(is_half_here)
        progress = others.progress(registry.image())
        assert progress is not None
        assert (progress.layers, progress.layers_done) == (1, 0)
        assert progress.size_bytes == len(large.blob)
        pulling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pulling

        async def is_over() -> bool:
            return others.progress(registry.image()) is None

        await eventually(is_over)
    registry.instead[f"GET {path(picture, 0)}"] = breaking_off(large.blob, 0, asked, times=0)
    await images.resolve(registry.image(), "Always", None)
    assert asked[0] >= 1024 * 1024


async def test_a_corrupted_layer_is_refused_and_fetched_again(
    client: Client, images: Images, registry: Registry
) -> None:
    good = layer("a", LARGE)
    picture = publish(registry, [good])
    bad = good.blob[:-100] + bytes(100)
    served: list[bytes] = []

    async def handler(_request: web.Request) -> web.StreamResponse:
        served.append(bad if not served else good.blob)
        return web.Response(body=served[-1])

    registry.instead[f"GET {path(picture, 0)}"] = handler
    found = await images.resolve(registry.image(), "Always", None)
    assert served == [bad, good.blob]
    assert await is_unpacked(client, (await images.configuration(found.ref)).chain_id)


async def test_a_layer_that_stays_corrupted_is_no_image(
    client: Client, images: Images, registry: Registry
) -> None:
    picture = publish(registry, [layer("a")])
    digest = picture.layers[0].digest
    registry.blobs[digest] = bytes(picture.layers[0].size)
    with pytest.raises(RuntimeFailure, match=digest) as raised:
        await images.resolve(registry.image(), "Always", None)
    assert raised.value.failure.kind is FailureClass.IMAGE_PULL_FAILED
    assert not await Content(client).is_here(digest)
    assert picture.target.digest not in {one.id for one in await images.images()}


async def test_a_layer_that_is_not_what_the_configuration_says_is_refused(
    client: Client, images: Images, registry: Registry
) -> None:
    wrong = layer("other").diff_id
    publish(registry, [layer("a")], diff_ids=[wrong])
    with pytest.raises(RuntimeFailure, match=f"not {wrong}"):
        await images.resolve(registry.image(), "Always", None)
    assert not await is_unpacked(client, wrong)
    listed = client.stream(
        methods.SNAPSHOTS_LIST, snapshots_pb2.ListSnapshotsRequest(snapshotter=SNAPSHOTTER)
    )
    left = [one.name async for answer in listed for one in answer.info if wrong in one.name]
    assert left == []


async def test_who_pulls_at_the_same_time_shares(
    tmp_path: Path, images: Images, registry: Registry
) -> None:
    """Also where it is another server: what is written by one is waited for by the others."""
    picture = publish(registry, [layer("a", LARGE), layer("b", LARGE)])
    async with opened(tmp_path) as (_, others), asyncio.TaskGroup() as group:
        pulls = [
            group.create_task(one.resolve(registry.image(), "Always", None))
            for one in (images, images, others, others)
        ]
    assert {pull.result().digest for pull in pulls} == {picture.target.digest}
    for number in (0, 1):
        assert registry.lines.count(f"GET {path(picture, number)}") == 1


async def test_images_with_layers_in_common_are_pulled_at_the_same_time(
    images: Images, registry: Registry
) -> None:
    low = layer("low", LARGE)
    first = publish(registry, [low, layer("a")], "1")
    publish(registry, [low, layer("b")], "2")
    async with asyncio.TaskGroup() as group:
        for tag in ("1", "2"):
            group.create_task(images.resolve(registry.image(tag), "Always", None))
    assert registry.lines.count(f"GET {path(first, 0)}") == 1


async def test_never_unpacks_what_is_not_unpacked(
    client: Client, images: Images, registry: Registry
) -> None:
    publish(registry, [layer("a"), layer("b")])
    found = await images.resolve(registry.image(), "Always", None)
    config = await images.configuration(found.ref)
    await drop_snapshot(client, config.chain_id)
    registry.asked.clear()
    await images.resolve(registry.image(), "Never", None)
    assert await is_unpacked(client, config.chain_id)
    await drop_snapshot(client, config.chain_id)
    assert await images.configuration(found.ref) == config
    assert await is_unpacked(client, config.chain_id)
    assert registry.asked == []


async def test_only_what_is_missing_is_fetched_for_a_repair(
    client: Client, images: Images, registry: Registry
) -> None:
    picture = publish(registry, [layer("a"), layer("b")])
    found = await images.resolve(registry.image(), "Always", None)
    config = await images.configuration(found.ref)
    await drop_snapshot(client, config.chain_id)
    await drop_content(client, picture.layers[1].digest)
    with pytest.raises(RuntimeFailure, match="image_pull_policy=Never"):
        await images.resolve(registry.image(), "Never", None)
    registry.asked.clear()
    await images.resolve(registry.image(), "IfNotPresent", None)
    assert registry.lines == [f"GET {path(picture, 1)}"]
    assert await is_unpacked(client, config.chain_id)


async def test_a_lost_manifest_is_fetched_again(
    client: Client, images: Images, registry: Registry
) -> None:
    picture = publish(registry, [layer("a")])
    await images.resolve(registry.image(), "Always", None)
    await drop_content(client, picture.manifest)
    with pytest.raises(RuntimeFailure, match="image_pull_policy=Never"):
        await images.resolve(registry.image(), "Never", None)
    registry.asked.clear()
    await images.resolve(registry.image(), "IfNotPresent", None)
    assert registry.lines[0] == f"GET /v2/{REPOSITORY}/manifests/{picture.manifest}"
    assert (await images.resolve(registry.image(), "Never", None)).digest == picture.target.digest


async def test_a_removed_image_is_collected(
    client: Client, images: Images, registry: Registry
) -> None:
    picture = publish(registry, [layer("a")])
    found = await images.resolve(registry.image(), "Always", None)
    config = await images.configuration(found.ref)
    digest = picture.target.digest
    with pytest.raises(RuntimeFailure, match=f"it is also {registry.image()}"):
        await images.remove_image(digest, [found.ref])
    container = containers_pb2.Container(
        id="holder", image=found.ref, runtime=containers_pb2.Container.Runtime(name="none")
    )
    container.spec.type_url = "types.containerd.io/opencontainers/runtime-spec/1/Spec"
    container.spec.value = b"{}"
    await client.call(
        methods.CONTAINERS_CREATE, containers_pb2.CreateContainerRequest(container=container)
    )
    try:
        with pytest.raises(RuntimeFailure, match="holder is made of it"):
            await images.remove_image(digest, [registry.image(), found.ref])
    finally:
        await client.call(
            methods.CONTAINERS_DELETE, containers_pb2.DeleteContainerRequest(id="holder")
        )
    await images.remove_image(digest, [registry.image(), found.ref])
    await images.remove_image(digest, [registry.image(), found.ref])
    assert not await Content(client).is_here(picture.layers[0].digest)
    assert not await is_unpacked(client, config.chain_id)
    with pytest.raises(RuntimeFailure) as raised:
        await images.configuration(found.ref)
    assert raised.value.failure.kind is FailureClass.IMAGE_NOT_FOUND


async def test_an_image_of_a_real_registry(tmp_path: Path) -> None:
    host = required("RING_TEST_REGISTRY", "a registry")
    docker = required("RING_TEST_DOCKER_HOST", "a Docker engine")
    name = f"{host}/ring-test/pulled:1"
    await asyncio.to_thread(push, docker, "ring-test/busybox:1", name)
    async with opened(tmp_path) as (_, images):
        found = await images.resolve(name, "Always", None)
        assert await images.remote_digest(name) == found.digest
        assert (await images.configuration(found.ref)).command == ("sh",)
        assert await images.remote_digest(f"{host}/ring-test/none:1") is None
        await images.remove_image(found.digest or "", [name, found.ref])


async def test_a_blob_that_somebody_else_writes_is_waited_for(
    client: Client, registry: Registry
) -> None:
    content = layer("a").blob
    digest = registry.keep_blob(content).digest
    wanted = Wanted(f"layer-{digest}", digest, len(content))
    store = Content(client)
    request = leases_pb2.CreateRequest(id=f"test-{digest[7:20]}")
    await client.call(methods.LEASES_CREATE, request)
    try:
        async with store.writing(wanted, lease=request.id) as writing:
            assert writing is not None
            await writing.write(content[:100])
            other = asyncio.create_task(store.put(wanted, content, {}, lease=request.id))
            await asyncio.sleep(0.3)
            assert not other.done()
            await writing.write(content[100:])
            await writing.commit()
        await other
        assert await store.read(digest, len(content)) == content
    finally:
        await client.call(methods.LEASES_DELETE, leases_pb2.DeleteRequest(id=request.id))
