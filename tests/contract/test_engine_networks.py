"""The namespace network of an engine: names, isolation, and networks that vanish."""

from __future__ import annotations

import json
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from ring.core.model.observed import State
from tests.contract.outside import DockerOutside, eventually

if TYPE_CHECKING:
    from ring.core.model.ids import InstanceId
    from tests.contract.engines import EngineOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

SERVE = ("sh", "-c", "echo served >/index.html; exec httpd -f -p 80 -h /")


async def fetched(engine: EngineOutside, instance_id: InstanceId, host: str) -> bool:
    code, output = await engine.run(
        instance_id, "timeout", "1", "wget", "-q", "-O-", f"http://{host}/index.html"
    )
    return code == 0 and output.strip() == "served"


async def test_it_is_the_only_network_with_both_aliases(
    served_space: Space, served: DockerOutside
) -> None:
    instance = await served_space.running()
    text = (await served.ask("GET", f"/containers/{instance.id}/json"))[1]
    networks = json.loads(text)["NetworkSettings"]["Networks"]

    assert list(networks) == [f"ring_{served_space.namespace}"]
    (endpoint,) = networks.values()
    assert {"web", instance.name} <= set(endpoint["Aliases"])


async def test_it_is_a_bridge_with_our_labels(served_space: Space, served: DockerOutside) -> None:
    await served_space.runtime.ensure_network(served_space.namespace)
    network = await served.told(f"/networks/ring_{served_space.namespace}")
    assert network["Driver"] == "bridge"
    assert network["Labels"] == {"ring.managed": "true", "ring.namespace": served_space.namespace}


async def test_instances_find_each_other_by_name(
    engine_space: Space, engine: EngineOutside
) -> None:
    server = await engine_space.running(await engine_space.order("web", command=SERVE))
    client = await engine_space.running(await engine_space.order("client"))
    address = (await engine_space.runtime.inspect(server.id)).address
    assert address is not None

    for host in ("web", server.name, address):
        await eventually(partial(fetched, engine, client.id, host))


async def test_replicas_share_the_deployment_name(
    engine_space: Space, engine: EngineOutside
) -> None:
    replicas = [await engine_space.running(await engine_space.order("web")) for _ in range(2)]
    client = await engine_space.running(await engine_space.order("client"))
    addresses = {(await engine_space.runtime.inspect(one.id)).address for one in replicas}

    _, answer = await engine.run(client.id, "nslookup", "web")
    assert len(addresses) == 2
    for address in addresses:
        assert f"{address}" in answer

    await engine_space.runtime.remove(replicas[0].id)

    async def one_is_left() -> bool:
        _, answer = await engine.run(client.id, "nslookup", "web")
        return sum(f"{address}" in answer for address in addresses) == 1

    # Podman reads its names anew, and what is asked meanwhile is asked again after 5 s.
    await eventually(one_is_left, deadline_s=30)


async def test_namespaces_do_not_reach_each_other(
    engine_space: Space, engine: EngineOutside
) -> None:
    server = await engine_space.running(await engine_space.order("web", command=SERVE))
    inside = await engine_space.running(await engine_space.order("client"))
    other = engine_space.sibling(namespace=f"{engine_space.namespace}x")
    try:
        outside = await other.running(await other.order("client"))
        address = (await engine_space.runtime.inspect(server.id)).address or ""
        await eventually(lambda: fetched(engine, inside.id, address))
        assert not await fetched(engine, outside.id, address)
        assert not await fetched(engine, outside.id, "web")
    finally:
        await engine.clean(other.namespace)


async def test_a_network_that_vanished_is_made_again(
    but_podman_space: Space, but_podman: EngineOutside
) -> None:
    """Podman removes no network without the containers on it."""
    created = await but_podman_space.created()
    await but_podman.removes_network(but_podman_space.namespace)
    assert await but_podman.networks(but_podman_space.namespace) == 0

    await but_podman_space.runtime.start(created.id)
    assert (await but_podman_space.runtime.inspect(created.id)).state is State.RUNNING
    assert await but_podman.networks(but_podman_space.namespace) == 1


async def test_networks_with_similar_names_are_not_taken_for_it(
    engine_space: Space, engine: EngineOutside
) -> None:
    longer = f"{engine_space.namespace}x"
    await engine_space.runtime.ensure_network(longer)
    await engine_space.runtime.ensure_network(engine_space.namespace)
    assert await engine.networks(engine_space.namespace) == 1
    await engine.clean(longer)


@pytest.mark.parametrize("is_used", [True, False])
async def test_of_two_networks_one_is_kept(
    docker_space: Space, docker: DockerOutside, is_used: bool
) -> None:
    """Podman makes no second one of the same name."""
    namespace = docker_space.namespace
    if is_used:
        await docker_space.running()
    else:
        await docker_space.runtime.ensure_network(namespace)
    first = (await docker.told(f"/networks/ring_{namespace}"))["Id"]
    status, _ = await docker.ask("POST", "/networks/create", body={"Name": f"ring_{namespace}"})
    if status == HTTPStatus.CONFLICT:
        pytest.skip("this engine makes no two networks of one name")
    assert await docker.networks(namespace) == 2

    other_server = DockerOutside(docker.host, docker.image)
    await other_server.runtime.ensure_network(namespace)
    await other_server.close()
    assert await docker.networks(namespace) == 1
    assert (await docker.ask("GET", f"/networks/{first}"))[0] == 200
