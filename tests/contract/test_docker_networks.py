"""The namespace network of a Docker engine: names, isolation, and networks that vanish."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from ring.core.model.observed import State
from tests.contract.outside import DockerOutside, eventually

if TYPE_CHECKING:
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

SERVE = ("sh", "-c", "echo served >/index.html; exec httpd -f -p 80 -h /")


async def fetched(docker: DockerOutside, instance_id: str, host: str) -> bool:
    code, output = await docker.run(
        instance_id, "timeout", "1", "wget", "-q", "-O-", f"http://{host}/index.html"
    )
    return code == 0 and output.strip() == "served"


async def test_it_is_the_only_network_with_both_aliases(
    docker_space: Space, docker: DockerOutside
) -> None:
    instance = await docker_space.running()
    text = (await docker.ask("GET", f"/containers/{instance.id}/json"))[1]
    networks = json.loads(text)["NetworkSettings"]["Networks"]

    assert list(networks) == [f"ring_{docker_space.namespace}"]
    (endpoint,) = networks.values()
    assert {"web", instance.name} <= set(endpoint["Aliases"])


async def test_it_is_a_bridge_with_our_labels(docker_space: Space, docker: DockerOutside) -> None:
    await docker_space.runtime.ensure_network(docker_space.namespace)
    network = await docker.told(f"/networks/ring_{docker_space.namespace}")
    assert network["Driver"] == "bridge"
    assert network["Labels"] == {"ring.managed": "true", "ring.namespace": docker_space.namespace}


async def test_instances_find_each_other_by_name(
    docker_space: Space, docker: DockerOutside
) -> None:
    server = await docker_space.running(await docker_space.order("web", command=SERVE))
    client = await docker_space.running(await docker_space.order("client"))
    address = (await docker_space.runtime.inspect(server.id)).address
    assert address is not None

    for host in ("web", server.name, address):
        await eventually(partial(fetched, docker, client.id, host))


async def test_replicas_share_the_deployment_name(
    docker_space: Space, docker: DockerOutside
) -> None:
    replicas = [await docker_space.running(await docker_space.order("web")) for _ in range(2)]
    client = await docker_space.running(await docker_space.order("client"))
    addresses = {(await docker_space.runtime.inspect(one.id)).address for one in replicas}

    _, answer = await docker.run(client.id, "nslookup", "web")
    assert len(addresses) == 2
    for address in addresses:
        assert f"{address}" in answer

    await docker_space.runtime.remove(replicas[0].id)
    _, answer = await docker.run(client.id, "nslookup", "web")
    assert sum(f"{address}" in answer for address in addresses) == 1


async def test_namespaces_do_not_reach_each_other(
    docker_space: Space, docker: DockerOutside
) -> None:
    server = await docker_space.running(await docker_space.order("web", command=SERVE))
    inside = await docker_space.running(await docker_space.order("client"))
    other = docker_space.sibling(namespace=f"{docker_space.namespace}x")
    try:
        outside = await other.running(await other.order("client"))
        address = (await docker_space.runtime.inspect(server.id)).address or ""
        await eventually(lambda: fetched(docker, inside.id, address))
        assert not await fetched(docker, outside.id, address)
        assert not await fetched(docker, outside.id, "web")
    finally:
        await docker.clean(other.namespace)


async def test_a_network_that_vanished_is_made_again(
    docker_space: Space, docker: DockerOutside
) -> None:
    created = await docker_space.created()
    status, _ = await docker.ask("DELETE", f"/networks/ring_{docker_space.namespace}")
    assert status == 204

    await docker_space.runtime.start(created.id)
    assert (await docker_space.runtime.inspect(created.id)).state is State.RUNNING
    assert await docker.networks(docker_space.namespace) == 1


async def test_networks_with_similar_names_are_not_taken_for_it(
    docker_space: Space, docker: DockerOutside
) -> None:
    longer = f"{docker_space.namespace}x"
    await docker_space.runtime.ensure_network(longer)
    await docker_space.runtime.ensure_network(docker_space.namespace)
    assert await docker.networks(docker_space.namespace) == 1
    await docker.clean(longer)


@pytest.mark.parametrize("is_used", [True, False])
async def test_of_two_networks_one_is_kept(
    docker_space: Space, docker: DockerOutside, is_used: bool
) -> None:
    namespace = docker_space.namespace
    if is_used:
        await docker_space.running()
    else:
        await docker_space.runtime.ensure_network(namespace)
    first = (await docker.told(f"/networks/ring_{namespace}"))["Id"]
    await docker.ask("POST", "/networks/create", body={"Name": f"ring_{namespace}"})
    assert await docker.networks(namespace) == 2

    other_server = DockerOutside(docker.host, docker.image)
    await other_server.runtime.ensure_network(namespace)
    await other_server.close()
    assert await docker.networks(namespace) == 1
    assert (await docker.ask("GET", f"/networks/{first}"))[0] == 200
