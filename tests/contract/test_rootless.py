"""Podman as a user has it: what is on its networks is reached from inside them."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.model.deployment import Deployment
from ring.core.model.spec import Config, DeploymentSpec, User
from ring.core.model.status import Status
from ring.engine.entering import Entering, Unanswered
from ring.engine.probing.probes import Probes
from ring.engine.sampling.machine import Machine
from ring.engine.sampling.sampler import Sampler
from ring.runtimes.base import Execs, Samples
from ring.runtimes.docker.rootless import has_unified_groups
from ring.runtimes.shortcomings import NO_ISOLATION, Shortcomings
from tests.contract.outside import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ring.core.model.observed import Instance
    from ring.engine.probing.probed import Probed
    from tests.contract.outside import PodmanOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

SERVE = ("sh", "-c", "mkdir /www; echo up >/www/up; exec httpd -f -p 80 -h /www")


async def nothing_mounted(row: Deployment, instance: Instance) -> tuple[str, ...]:
    return ()


@pytest.fixture
async def probes(rootless: PodmanOutside) -> AsyncIterator[Probes]:
    one = Probes({"podman": rootless.runtime}, nothing_mounted)
    yield one
    await one.close()


def row_of(space: Space, instance: Instance, **more: object) -> Deployment:
    whole = {"name": "web", "namespace": space.namespace, "runtime": "podman", "image": "x", **more}
    spec = DeploymentSpec.model_validate_json(json.dumps(whole))
    return Deployment(space.deployment_id, spec, Status.RUNNING, instance.created_at)


async def probed(probes: Probes, space: Space, instance: Instance, **check: object) -> Probed:
    whole = {"interval": "1s", "timeout": "30s", "on_failure": "alert", **check}
    row = row_of(space, instance, health_checks=[whole])
    return await probes.run(row, instance, row.spec.health_checks[0])


async def serving(space: Space, probes: Probes) -> Instance:
    made = await space.running(await space.order(command=SERVE))
    instance = next(one for one in await space.runtime.list() if one.id == made.id)

    async def is_up() -> bool:
        return (await probed(probes, space, instance, type="tcp", port=80)).status == "success"

    await eventually(is_up)
    return instance


async def test_probes_without_published_ports(rootless_space: Space, probes: Probes) -> None:
    instance = await serving(rootless_space, probes)
    assert instance.address is not None
    with pytest.raises(OSError):  # noqa: PT011 - whichever: this machine does not get there
        async with asyncio.timeout(0.5):
            await asyncio.open_connection(instance.address, 80)
    found = await probed(probes, rootless_space, instance, type="http", url="http://localhost/up")
    assert found.message == f"HTTP check successful (200) for http://{instance.address}/up"
    missing = await probed(probes, rootless_space, instance, type="http", url="http://[::1]:80/no")
    assert (
        missing.message == f"HTTP check failed with status 404 for http://{instance.address}:80/no"
    )
    closed = await probed(probes, rootless_space, instance, type="tcp", port=81)
    assert closed.message == "TCP connection failed: Connection refused"
    nobody = await probed(probes, rootless_space, instance, type="http", url="http://localhost:81/")
    assert nobody.message.endswith("Connection refused")


async def test_an_instance_that_has_ended_is_not_reached(
    rootless_space: Space, probes: Probes
) -> None:
    instance = await serving(rootless_space, probes)
    await rootless_space.runtime.stop(instance.id, 0)
    found = await probed(probes, rootless_space, instance, type="tcp", port=80)
    assert found.message == (
        f"Could not reach instance {instance.name}: instance {instance.id[:12]} does not run"
    )


async def test_a_way_in(rootless_space: Space, probes: Probes) -> None:
    instance = await serving(rootless_space, probes)
    row = row_of(rootless_space, instance)
    entering = Entering({"podman": rootless_space.runtime}, {}, lambda _: {})
    reader, writer = await entering.connect(row, instance, 80)
    writer.write(b"GET /up HTTP/1.0\r\n\r\n")
    assert (await reader.read()).endswith(b"\r\n\r\nup\n")
    writer.close()
    with pytest.raises(Unanswered, match="nothing listens on port 81"):
        await entering.connect(row, instance, 81)


def owner_of(rootless: PodmanOutside) -> str:
    """Of the engine."""
    told = Path(rootless.host.removeprefix("unix://")).stat()
    return f"{told.st_uid}:{told.st_gid}"


def ids_of(pid: int) -> str:
    """As this machine has them."""
    status = Path(f"/proc/{pid}/status").read_text()
    return ":".join(re.findall(r"^[UG]id:\t(\d+)", status, re.MULTILINE))


@pytest.mark.parametrize(
    ("user", "inside", "is_own"),
    [
        (User(userns="keep-id"), None, True),
        (User(userns="keep-id", id=1000), "1000:1000", True),
        (User(userns="keep-id", id=1000, group=50), "1000:50", True),
        (User(userns="keep-id", id=0), "0:0", True),
        (User(id=1000), "1000:0", False),
    ],
)
async def test_whom_a_user_is_on_the_host(
    rootless: PodmanOutside, rootless_space: Space, user: User, inside: str | None, is_own: bool
) -> None:
    """With keep-id it is the engine's own: what it writes to a bind is that user's."""
    own = owner_of(rootless)
    made = await rootless_space.running(await rootless_space.order(config=Config(user=user)))
    code, ids = await rootless.run(made.id, "sh", "-c", "echo $(id -u):$(id -g)")
    assert code == 0, ids
    assert ids.strip() == (inside or own)
    assert isinstance(rootless.runtime, Samples)
    process = await rootless.runtime.process(made.id)
    assert process is not None
    assert (ids_of(process.pid) == own) == is_own


async def test_only_an_engine_of_a_user_keeps_ids(
    rootless: PodmanOutside, podman: PodmanOutside
) -> None:
    await podman.runtime.ping()
    assert (rootless.runtime.capabilities().userns, podman.runtime.capabilities().userns) == (
        True,
        False,
    )


async def test_of_an_engine_that_comes_up_late_it_is_known_too(rootless: PodmanOutside) -> None:
    """It was away when it was asked first; what follows it is the first to reach it."""
    late = rootless.opened(rootless.host)
    assert not late.capabilities().userns
    following = aiter(late.events(None))
    waiting = asyncio.ensure_future(anext(following))

    async def is_known() -> bool:
        return late.capabilities().userns

    try:
        await eventually(is_known)
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await late.close()


async def test_what_an_instance_takes(rootless: PodmanOutside, rootless_space: Space) -> None:
    """Its processes are measured where no control group can be a user's."""
    busy = ("sh", "-c", "while :; do :; done & wait")
    instance = await rootless_space.running(await rootless_space.order(command=busy))
    assert isinstance(rootless.runtime, Samples)
    assert rootless.runtime.capabilities().approximate_stats is not has_unified_groups()
    sampler = Sampler(Machine(time.monotonic))
    places = await sampler.find(rootless.runtime, [instance], has_own_network=True)
    usage = (await sampler.take(places))[instance.id]
    sampler.close()
    assert usage.cpu_percent > 5  # on a machine where others work as well
    assert 100_000 < usage.memory_bytes < 50_000_000
    assert usage.pids == 2
    assert usage.rx_bytes + usage.tx_bytes > 0


async def test_that_its_networks_are_not_kept_apart_by_ring_is_known(
    rootless_space: Space,
) -> None:
    """A bridge of this machine with the same name is none of them."""
    runtime = rootless_space.runtime
    await runtime.ensure_network(rootless_space.namespace)
    assert isinstance(runtime, Shortcomings)
    (lack,) = runtime.shortcomings(rootless_space.namespace)
    assert lack.reason == NO_ISOLATION
    assert "the engine is a user's" in lack.message


async def test_a_command_that_takes_too_long_is_ended(
    rootless: PodmanOutside, rootless_space: Space
) -> None:
    """Also what has taken the mark of it away, and has no control group that tells."""
    instance = await rootless_space.running()
    assert isinstance(rootless.runtime, Execs)
    with pytest.raises(TimeoutError):
        await rootless.runtime.exec(instance.id, rootless.endless, 0.5)
    assert await rootless.commands(instance.id) == 0
