"""What an order becomes on an engine, seen by other means than the adapter."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import DeploymentId
from ring.core.model.spec import DeploymentSpec, Port, Quantities, Resources, Volume
from ring.core.rules.linux import SIGNALS
from ring.engine.operating.files import Files
from ring.runtimes.base import File, RuntimeFailure
from tests.contract.outside import UNTIL_TOLD, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from ring.core.model.observed import Instance
    from tests.contract.engines import EngineOutside
    from tests.contract.outside import DockerOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

SERVE = ("sh", "-c", "echo served >/index.html; exec httpd -f -p 80 -h /")
STUBBORN = ("sh", "-c", 'trap "" TERM; while :; do sleep 1; done')
OWN_GRACE_S = 10.0
"""An engine's, where it is not told any."""
ROW = DeploymentId("d-1")


async def inspected(engine: DockerOutside, instance_id: str) -> dict[str, dict[str, object]]:
    _, text = await engine.ask("GET", f"/containers/{instance_id}/json")
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


async def test_labels_command_and_environment(engine_space: Space, engine: EngineOutside) -> None:
    order = await engine_space.order(
        environment={"GREETING": "hello = world", "RING_INSTANCE": "mine"},
        labels={
            "team": "blue",
            "ring.team": "theirs",
            "ring.server": "hijacked",
            "ring_deployment": "hijacked",
        },
    )
    instance = await engine_space.running(order)

    assert await engine.labels(instance.id) == {
        "team": "blue",
        "ring.team": "theirs",
        "ring_deployment": engine_space.deployment_id,
        "ring.managed": "true",
        "ring.namespace": engine_space.namespace,
        "ring.name": "web",
        "ring.kind": "worker",
        "ring.server": "server-a",
        "ring.instance": order.name,
        "ring.image": instance.image_digest,
        "ring.network": f"ring_{engine_space.namespace}",
    }
    assert not await engine.restarts(instance.id)
    _, output = await engine.run(instance.id, "sh", "-c", 'echo "$GREETING,$RING_INSTANCE"')
    assert output.strip() == "hello = world,mine"


async def test_without_a_command_the_image_decides(
    engine_space: Space, engine: EngineOutside
) -> None:
    created = await engine_space.runtime.create(await engine_space.order(command=()))
    assert await engine.argv(created.id) == ["sh"]


async def test_limits_reach_the_engine(served_space: Space, served: DockerOutside) -> None:
    resources = Resources(
        limits=Quantities(cpu="0.5", memory="128Mi"), requests=Quantities(cpu="250m", memory="64Mi")
    )
    limited = await served_space.runtime.create(await served_space.order(resources=resources))
    free = await served_space.runtime.create(await served_space.order())

    def limits(seen: dict[str, dict[str, object]]) -> list[object]:
        keys = ("NanoCpus", "Memory", "MemoryReservation", "CpuShares")
        return [seen["HostConfig"][key] for key in keys]

    assert limits(await inspected(served, limited.id)) == [500_000_000, 134217728, 67108864, 256]
    assert limits(await inspected(served, free.id)) == [0, 0, 0, 0]


async def test_what_cannot_be_executed_is_rejected(engine_space: Space) -> None:
    order = await engine_space.order(command=("/nonexistent-binary",))
    created = await engine_space.runtime.create(order)
    with pytest.raises(RuntimeFailure) as caught:
        await engine_space.runtime.start(created.id)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert "/nonexistent-binary" in caught.value.message


def every_kind_of_port(engine: EngineOutside, base: int) -> tuple[Port, ...]:
    ports = [
        Port(published=base, target=80),
        Port(published=base + 1, target=80),
        Port(published=base + 2, target=80, host_ip="127.0.0.1"),
        Port(published=base, target=53, protocol="udp"),
    ]
    over_ipv6 = [Port(published=base + 3, target=80, host_ip="::1")] * engine.serves_ipv6
    return (*ports, *over_ipv6)


async def test_every_port_is_told_to_the_engine(served_space: Space, served: DockerOutside) -> None:
    base = random.randrange(20000, 30000)
    order = await served_space.order(ports=every_kind_of_port(served, base))
    seen = await inspected(served, (await served_space.runtime.create(order)).id)

    assert seen["Config"]["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    told: Any = seen["HostConfig"]["PortBindings"]
    # Podman tells them in any order.
    bound = {
        port: sorted((one["HostPort"], one["HostIp"]) for one in bindings)
        for port, bindings in told.items()
    }
    # Podman 5 writes out what nothing stands for.
    everywhere = "0.0.0.0" if bound["53/udp"][0][1] else ""  # noqa: S104 - it is only compared
    assert bound == {
        "80/tcp": [
            (str(base), everywhere),
            (str(base + 1), everywhere),
            (str(base + 2), "127.0.0.1"),
            *[(str(base + 3), "::1")] * served.serves_ipv6,
        ],
        "53/udp": [(str(base), everywhere)],
    }


async def test_every_published_port_answers(engine_space: Space, engine: EngineOutside) -> None:
    base = random.randrange(20000, 30000)
    order = await engine_space.order(command=SERVE, ports=every_kind_of_port(engine, base))
    await engine_space.running(order)
    for port in (base, base + 1, base + 2):
        await eventually(partial(answers, "127.0.0.1", port))
    outward = await engine.gateway(engine_space.namespace)
    await eventually(partial(answers, outward, base))
    assert not await answers(outward, base + 2)
    assert not await answers(outward, base + 3)
    if engine.serves_ipv6 and socket.has_ipv6:
        await eventually(lambda: answers("::1", base))
        assert await answers("::1", base + 3)
    assert not await answers("::1", base + 2)


async def test_a_port_that_nobody_would_be_served_on_is_refused(podman_space: Space) -> None:
    """Podman takes the address, and lets whoever comes there wait for ever."""
    for ports, default in (
        ((Port(published=20001, target=80, host_ip="::1"),), None),
        ((Port(published=20001, target=80),), "::"),
    ):
        order = await podman_space.order(ports=ports, default_host_ip=default)
        with pytest.raises(RuntimeFailure, match="port 20001 cannot be published on ::") as caught:
            await podman_space.runtime.create(order)
        assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
        assert await podman_space.runtime.find(order.name) is None


async def test_the_default_address_is_taken_where_none_is_given(
    served_space: Space, served: DockerOutside
) -> None:
    published = random.randrange(20000, 30000)
    order = await served_space.order(
        ports=(Port(published=published, target=80),), default_host_ip="127.0.0.1"
    )
    created = await served_space.runtime.create(order)
    bindings = (await inspected(served, created.id))["HostConfig"]["PortBindings"]
    assert bindings == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(published)}]}


async def test_binds_are_mounted_and_read_only_is_kept(
    engine_space: Space, engine: EngineOutside, tmp_path: Path
) -> None:
    (tmp_path / "note").write_text("from the host")
    volumes = (
        Volume(type="bind", source=str(tmp_path), destination="/ro", permission="ro"),
        Volume(type="bind", source=str(tmp_path), destination="/rw", permission="rw"),
    )
    instance = await engine_space.running(await engine_space.order(volumes=volumes))

    assert await engine.run(instance.id, "cat", "/ro/note") == (0, "from the host")
    code, _ = await engine.run(instance.id, "sh", "-c", "echo no >/ro/note")
    assert code != 0
    assert (tmp_path / "note").read_text() == "from the host"
    await engine.run(instance.id, "sh", "-c", "echo yes >/rw/answer")
    assert (tmp_path / "answer").read_text() == "yes\n"


async def test_a_missing_host_path_is_named(
    engine_space: Space, engine: EngineOutside, tmp_path: Path
) -> None:
    missing = tmp_path / "nowhere"
    volumes = (Volume(type="bind", source=str(missing), destination="/data", permission="rw"),)
    order = await engine_space.order(volumes=volumes)
    with pytest.raises(RuntimeFailure) as caught:
        await engine_space.runtime.create(order)

    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert str(missing) in caught.value.message
    assert not missing.exists()
    assert await engine_space.runtime.find(order.name) is None


async def test_a_named_volume_outlives_its_instances(
    engine_space: Space, engine: EngineOutside
) -> None:
    name = f"{engine_space.namespace}-data"
    volumes = (Volume(type="volume", source=name, destination="/data", permission="rw"),)
    order = await engine_space.order(volumes=volumes)
    first = await engine_space.running(order)
    await engine.run(first.id, "sh", "-c", "echo kept >/data/file")
    await engine_space.runtime.stop(first.id, 5.0)
    await engine_space.runtime.remove(first.id)

    second = await engine_space.running(await engine_space.order(volumes=volumes))
    assert (await engine.run(second.id, "cat", "/data/file"))[1].strip() == "kept"
    assert await engine.volume_labels(name) == {
        "ring.managed": "true",
        "ring.namespace": engine_space.namespace,
        "ring.deployment": "web",
        "ring.name": "web",
        "ring.server": engine_space.server_id,
    }


async def test_a_volume_of_another_namespace_is_refused(
    engine_space: Space, engine: EngineOutside
) -> None:
    name = f"{engine_space.namespace}-data"
    volumes = (Volume(type="volume", source=name, destination="/data", permission="rw"),)
    await engine_space.runtime.create(await engine_space.order(volumes=volumes))
    other = engine_space.sibling(namespace=f"{engine_space.namespace}x")
    order = await other.order(volumes=volumes)
    try:
        with pytest.raises(RuntimeFailure) as caught:
            await engine_space.runtime.create(order)
        assert caught.value.failure.kind is FailureClass.CONFIG_MISSING
        assert caught.value.message == (
            f"Volume '{name}' belongs to namespace '{engine_space.namespace}'; choose another name"
        )
        assert await engine_space.runtime.find(order.name) is None
    finally:
        await engine.clean(other.namespace)


async def test_a_volume_of_nobody_is_used_as_it_is(
    engine_space: Space, engine: EngineOutside
) -> None:
    name = f"{engine_space.namespace}-foreign"
    await engine.makes_volume(name)
    volumes = (Volume(type="volume", source=name, destination="/data", permission="rw"),)
    created = await engine_space.runtime.create(await engine_space.order(volumes=volumes))
    assert not await engine.volume_labels(name)
    await engine_space.runtime.remove(created.id)
    await engine.removes_volume(name)


async def test_what_ignores_the_signal_is_killed_after_the_grace(
    engine_space: Space, engine: EngineOutside
) -> None:
    instance = await engine_space.running(await engine_space.order(command=STUBBORN))
    begun = time.monotonic()
    await engine_space.runtime.stop(instance.id, 0.6)
    took = time.monotonic() - begun

    assert max(0.6, engine.least_grace_s) - 0.1 <= took < OWN_GRACE_S
    ended = await engine_space.runtime.inspect(instance.id)
    assert ended.exit is not None
    assert ended.exit.code == 137


async def running_with(space: Space, *, command: tuple[str, ...], **members: object) -> Instance:
    order = await space.order(command=command)
    return await space.running(replace(order, spec=order.spec.model_copy(update=members)))


async def test_without_a_grace_its_own_counts(engine_space: Space) -> None:
    instance = await running_with(engine_space, command=STUBBORN, stop_grace_period="1s")
    begun = time.monotonic()
    await engine_space.runtime.stop(instance.id, None)
    assert 0.9 <= time.monotonic() - begun < OWN_GRACE_S


async def test_it_is_asked_to_end_by_its_own_signal(engine_space: Space) -> None:
    command = ("sh", "-c", 'trap "" TERM; trap "exit 7" INT; while :; do sleep 0.1; done')
    instance = await running_with(engine_space, command=command, stop_signal="SIGINT")
    await engine_space.outside.listens(instance.id, signal.SIGINT)
    await engine_space.runtime.stop(instance.id, 30)
    ended = await engine_space.runtime.inspect(instance.id)
    assert ended.exit is not None
    assert ended.exit.code == 7


async def test_every_signal_that_a_manifest_may_name_is_taken(engine_space: Space) -> None:
    order = await engine_space.order()

    async def take(signal: str) -> None:
        spec = order.spec.model_copy(update={"stop_signal": signal})
        name = engine_space.fresh_name()
        created = await engine_space.runtime.create(replace(order, name=name, spec=spec))
        await engine_space.runtime.remove(created.id)

    await asyncio.gather(*map(take, (*SIGNALS, "SIGINT", "1", "64")))


async def test_the_engine_watches_a_readiness_command(
    served_space: Space, served: DockerOutside
) -> None:
    checks = DeploymentSpec.model_validate_json(
        json.dumps(
            {
                "name": "web",
                "namespace": "shop",
                "runtime": served_space.runtime.name,
                "image": "x",
                "health_checks": [
                    {
                        "type": "command",
                        "command": "test -f /ready && true",
                        "interval": "300ms",
                        "timeout": "5s",
                        "threshold": 1000,
                        "on_failure": "alert",
                        "readiness": True,
                        "start_period": "20s",
                    }
                ],
            }
        )
    ).health_checks
    instance = await running_with(served_space, command=UNTIL_TOLD, health_checks=checks)

    config = (await inspected(served, instance.id))["Config"]
    assert config["Healthcheck"] == {
        "Test": ["CMD-SHELL", "test -f /ready && true"],
        "Interval": 300_000_000,
        "Timeout": 5_000_000_000,
        "StartPeriod": 20_000_000_000,
        "Retries": 1000,
    }

    async def is_healthy() -> bool:
        await served.looks(instance.id)
        health = (await inspected(served, instance.id))["State"]["Health"]
        assert isinstance(health, dict)
        return bool(health["Status"] == "healthy")

    assert not await is_healthy()
    await served.run(instance.id, "touch", "/ready")
    await eventually(is_healthy)


async def test_a_live_instance_is_removed_by_force(engine_space: Space) -> None:
    instance = await engine_space.running()
    await engine_space.runtime.remove(instance.id)
    assert await engine_space.runtime.find(instance.name) is None


async def test_a_paused_instance_is_live(engine_space: Space, engine: EngineOutside) -> None:
    instance = await engine_space.running()
    await engine.pauses(instance.id)
    seen = await engine_space.runtime.inspect(instance.id)
    await engine.unpauses(instance.id)
    assert seen.state == "paused"
    assert seen.is_live


async def test_containers_of_others_are_not_listed(
    engine_space: Space, engine: EngineOutside
) -> None:
    name = f"{engine_space.namespace}-foreign"
    await engine.makes_foreign(name, {"ring.namespace": engine_space.namespace})
    names = {one.name for one in await engine_space.runtime.list()}
    assert name not in names


@pytest.mark.parametrize("is_remote", [False, True])
async def test_a_file_can_be_read_by_anybody_inside(
    engine_space: Space, engine: EngineOutside, tmp_path: Path, is_remote: bool
) -> None:
    path = None if is_remote else await Files(tmp_path / "configs").keep(ROW, b"signing key")
    file = File("/run/keys/new folder/signing", b"signing key", path)
    instance = await engine_space.running(await engine_space.order(files=(file,)))

    word = "cat '/run/keys/new folder/signing'"
    assert await engine.run(instance.id, "sh", "-c", word) == (0, "signing key")
    _, mode = await engine.run(instance.id, "stat", "-c", "%a %u", file.destination)
    assert mode.strip() == "444 0"
    if not is_remote:
        code, _ = await engine.run(instance.id, "sh", "-c", "echo no >/run/keys/new*/signing")
        assert code != 0
