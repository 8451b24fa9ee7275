"""What an order becomes on a Docker engine, seen by other means than the adapter."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import DeploymentId
from ring.core.model.spec import Port, Quantities, Resources, Volume
from ring.engine.operating.files import Files
from ring.runtimes.base import File, RuntimeFailure
from tests.contract.outside import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.outside import DockerOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

SERVE = ("sh", "-c", "echo served >/index.html; exec httpd -f -p 80 -h /")
STUBBORN = ("sh", "-c", 'trap "" TERM; while :; do sleep 1; done')
ROW = DeploymentId("d-1")
NO_RESTARTS = [{"Name": name, "MaximumRetryCount": 0} for name in ("", "no")]


async def inspected(docker: DockerOutside, instance_id: str) -> dict[str, dict[str, object]]:
    _, text = await docker.ask("GET", f"/containers/{instance_id}/json")
    found: dict[str, dict[str, object]] = json.loads(text)
    return found


async def answers(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 2)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_labels_command_and_environment(docker_space: Space, docker: DockerOutside) -> None:
    order = await docker_space.order(
        environment={"GREETING": "hello = world", "RING_INSTANCE": "mine"},
        labels={
            "team": "blue",
            "ring.team": "theirs",
            "ring.server": "hijacked",
            "ring_deployment": "hijacked",
        },
    )
    instance = await docker_space.running(order)
    seen = await inspected(docker, instance.id)

    labels = seen["Config"]["Labels"]
    assert labels == {
        "team": "blue",
        "ring.team": "theirs",
        "ring_deployment": docker_space.deployment_id,
        "ring.managed": "true",
        "ring.namespace": docker_space.namespace,
        "ring.name": "web",
        "ring.kind": "worker",
        "ring.server": "server-a",
    }
    assert seen["HostConfig"]["RestartPolicy"] in NO_RESTARTS
    _, output = await docker.run(instance.id, "sh", "-c", 'echo "$GREETING,$RING_INSTANCE"')
    assert output.strip() == "hello = world,mine"


async def test_without_a_command_the_image_decides(
    docker_space: Space, docker: DockerOutside
) -> None:
    created = await docker_space.runtime.create(await docker_space.order(command=()))
    assert (await inspected(docker, created.id))["Config"]["Cmd"] == ["sh"]


async def test_limits_reach_the_engine(docker_space: Space, docker: DockerOutside) -> None:
    resources = Resources(
        limits=Quantities(cpu="0.5", memory="128Mi"), requests=Quantities(cpu="250m", memory="64Mi")
    )
    limited = await docker_space.runtime.create(await docker_space.order(resources=resources))
    free = await docker_space.runtime.create(await docker_space.order())

    def limits(seen: dict[str, dict[str, object]]) -> list[object]:
        keys = ("NanoCpus", "Memory", "MemoryReservation", "CpuShares")
        return [seen["HostConfig"][key] for key in keys]

    assert limits(await inspected(docker, limited.id)) == [500_000_000, 134217728, 67108864, 256]
    assert limits(await inspected(docker, free.id)) == [0, 0, 0, 0]


async def test_what_cannot_be_executed_is_rejected(docker_space: Space) -> None:
    order = await docker_space.order(command=("/nonexistent-binary",))
    created = await docker_space.runtime.create(order)
    with pytest.raises(RuntimeFailure) as caught:
        await docker_space.runtime.start(created.id)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert "/nonexistent-binary" in caught.value.message


async def test_every_published_port_answers(docker_space: Space, docker: DockerOutside) -> None:
    base = random.randrange(20000, 30000)
    order = await docker_space.order(
        command=SERVE,
        ports=(
            Port(published=base, target=80),
            Port(published=base + 1, target=80),
            Port(published=base + 2, target=80, host_ip="127.0.0.1"),
            Port(published=base, target=53, protocol="udp"),
        ),
    )
    instance = await docker_space.running(order)
    seen = await inspected(docker, instance.id)

    assert seen["Config"]["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert seen["HostConfig"]["PortBindings"] == {
        "80/tcp": [
            {"HostIp": "", "HostPort": str(base)},
            {"HostIp": "", "HostPort": str(base + 1)},
            {"HostIp": "127.0.0.1", "HostPort": str(base + 2)},
        ],
        "53/udp": [{"HostIp": "", "HostPort": str(base)}],
    }
    for port in (base, base + 1, base + 2):
        await eventually(partial(answers, "127.0.0.1", port))
    if socket.has_ipv6:
        await eventually(lambda: answers("::1", base))
        assert not await answers("::1", base + 2)


async def test_the_default_address_is_taken_where_none_is_given(
    docker_space: Space, docker: DockerOutside
) -> None:
    published = random.randrange(20000, 30000)
    order = await docker_space.order(
        ports=(Port(published=published, target=80),), default_host_ip="127.0.0.1"
    )
    created = await docker_space.runtime.create(order)
    bindings = (await inspected(docker, created.id))["HostConfig"]["PortBindings"]
    assert bindings == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(published)}]}


async def test_binds_are_mounted_and_read_only_is_kept(
    docker_space: Space, docker: DockerOutside, tmp_path: Path
) -> None:
    (tmp_path / "note").write_text("from the host")
    volumes = (
        Volume(type="bind", source=str(tmp_path), destination="/ro", permission="ro"),
        Volume(type="bind", source=str(tmp_path), destination="/rw", permission="rw"),
    )
    instance = await docker_space.running(await docker_space.order(volumes=volumes))

    assert await docker.run(instance.id, "cat", "/ro/note") == (0, "from the host")
    code, _ = await docker.run(instance.id, "sh", "-c", "echo no >/ro/note")
    assert code != 0
    assert (tmp_path / "note").read_text() == "from the host"
    await docker.run(instance.id, "sh", "-c", "echo yes >/rw/answer")
    assert (tmp_path / "answer").read_text() == "yes\n"


async def test_a_missing_host_path_is_named(
    docker_space: Space, docker: DockerOutside, tmp_path: Path
) -> None:
    missing = tmp_path / "nowhere"
    volumes = (Volume(type="bind", source=str(missing), destination="/data", permission="rw"),)
    order = await docker_space.order(volumes=volumes)
    with pytest.raises(RuntimeFailure) as caught:
        await docker_space.runtime.create(order)

    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert str(missing) in caught.value.message
    assert not missing.exists()
    assert await docker_space.runtime.find(order.name) is None


async def test_a_named_volume_outlives_its_instances(
    docker_space: Space, docker: DockerOutside
) -> None:
    name = f"{docker_space.namespace}-data"
    volumes = (Volume(type="volume", source=name, destination="/data", permission="rw"),)
    order = await docker_space.order(volumes=volumes)
    first = await docker_space.running(order)
    await docker.run(first.id, "sh", "-c", "echo kept >/data/file")
    await docker_space.runtime.stop(first.id, 5.0)
    await docker_space.runtime.remove(first.id)

    second = await docker_space.running(await docker_space.order(volumes=volumes))
    assert (await docker.run(second.id, "cat", "/data/file"))[1].strip() == "kept"
    assert (await docker.told(f"/volumes/{name}"))["Labels"] == {
        "ring.managed": "true",
        "ring.namespace": docker_space.namespace,
        "ring.deployment": "web",
        "ring.name": "web",
    }


async def test_a_volume_of_another_namespace_is_refused(
    docker_space: Space, docker: DockerOutside
) -> None:
    name = f"{docker_space.namespace}-data"
    volumes = (Volume(type="volume", source=name, destination="/data", permission="rw"),)
    await docker_space.runtime.create(await docker_space.order(volumes=volumes))
    other = docker_space.sibling(namespace=f"{docker_space.namespace}x")
    order = await other.order(volumes=volumes)
    try:
        with pytest.raises(RuntimeFailure) as caught:
            await docker_space.runtime.create(order)
        assert caught.value.failure.kind is FailureClass.CONFIG_MISSING
        assert caught.value.message == (
            f"Volume '{name}' belongs to namespace '{docker_space.namespace}'; choose another name"
        )
        assert await docker_space.runtime.find(order.name) is None
    finally:
        await docker.clean(other.namespace)


async def test_a_volume_of_nobody_is_used_as_it_is(
    docker_space: Space, docker: DockerOutside
) -> None:
    name = f"{docker_space.namespace}-foreign"
    await docker.ask("POST", "/volumes/create", body={"Name": name})
    volumes = (Volume(type="volume", source=name, destination="/data", permission="rw"),)
    created = await docker_space.runtime.create(await docker_space.order(volumes=volumes))
    assert not (await docker.told(f"/volumes/{name}"))["Labels"]
    await docker_space.runtime.remove(created.id)
    status, _ = await docker.ask("DELETE", f"/volumes/{name}")
    assert status == 204


async def test_anonymous_volumes_go_with_their_instance(
    docker_space: Space, docker: DockerOutside
) -> None:
    plain = await docker_space.created()
    image = f"ring-test/volume:{docker_space.namespace}"
    repository, _, tag = image.partition(":")
    status, text = await docker.ask(
        "POST",
        "/commit",
        {"container": plain.id, "repo": repository, "tag": tag, "changes": "VOLUME /data"},
        {},
    )
    assert status == 201, text
    instance = await docker_space.running(await docker_space.order(image=image))
    found = json.loads((await docker.ask("GET", f"/containers/{instance.id}/json"))[1])
    (volume,) = [mount["Name"] for mount in found["Mounts"]]
    assert (await docker.ask("GET", f"/volumes/{volume}"))[0] == 200

    await docker_space.runtime.stop(instance.id, 5.0)
    await docker_space.runtime.remove(instance.id)
    assert (await docker.ask("GET", f"/volumes/{volume}"))[0] == 404
    await docker.ask("DELETE", f"/images/{image}")


async def test_what_ignores_the_signal_is_killed_after_the_grace(docker_space: Space) -> None:
    instance = await docker_space.running(await docker_space.order(command=STUBBORN))
    begun = time.monotonic()
    await docker_space.runtime.stop(instance.id, 0.6)
    took = time.monotonic() - begun

    assert 0.9 <= took < 5.0  # the engine counts whole seconds
    ended = await docker_space.runtime.inspect(instance.id)
    assert ended.exit is not None
    assert ended.exit.code == 137


async def test_a_live_instance_is_removed_by_force(docker_space: Space) -> None:
    instance = await docker_space.running()
    await docker_space.runtime.remove(instance.id)
    assert await docker_space.runtime.find(instance.name) is None


async def test_a_paused_instance_is_live(docker_space: Space, docker: DockerOutside) -> None:
    instance = await docker_space.running()
    await docker.ask("POST", f"/containers/{instance.id}/pause")
    seen = await docker_space.runtime.inspect(instance.id)
    await docker.ask("POST", f"/containers/{instance.id}/unpause")
    assert seen.state == "paused"
    assert seen.is_live


async def test_containers_of_others_are_not_listed(
    docker_space: Space, docker: DockerOutside
) -> None:
    name = f"{docker_space.namespace}-foreign"
    status, text = await docker.ask(
        "POST",
        "/containers/create",
        {"name": name},
        {"Image": docker.image, "Labels": {"ring.namespace": docker_space.namespace}},
    )
    assert status == 201, text
    names = {one.name for one in await docker_space.runtime.list()}
    assert name not in names


@pytest.mark.parametrize("is_remote", [False, True])
async def test_a_file_can_be_read_by_anybody_inside(
    docker_space: Space, docker: DockerOutside, tmp_path: Path, is_remote: bool
) -> None:
    path = None if is_remote else await Files(tmp_path / "configs").keep(ROW, b"signing key")
    file = File("/run/keys/new folder/signing", b"signing key", path)
    instance = await docker_space.running(await docker_space.order(files=(file,)))

    word = "cat '/run/keys/new folder/signing'"
    assert await docker.run(instance.id, "sh", "-c", word) == (0, "signing key")
    _, mode = await docker.run(instance.id, "stat", "-c", "%a %u", file.destination)
    assert mode.strip() == "444 0"
    if not is_remote:
        code, _ = await docker.run(instance.id, "sh", "-c", "echo no >/run/keys/new*/signing")
        assert code != 0
