"""The networks of a namespace on containerd, as the kernel and other users of CNI see them."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.core.model.logs import LogQuery
from ring.core.model.spec import Port
from ring.runtimes.base import Logs
from ring.runtimes.stock import Stock
from tests.contract.containerd import bridge, conflist
from tests.contract.outside import eventually, printed

if TYPE_CHECKING:
    from tests.contract.containerd import ContainerdOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


async def test_it_is_the_only_network_and_a_bridge_of_its_own(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    instance = await containerd_space.running()
    inside = ("nsenter", f"--net=/run/netns/{instance.id}")
    links = json.loads(await printed(*inside, "ip", "-json", "link", "show"))
    assert sorted(link["ifname"] for link in links) == ["eth0", "lo"]

    name = bridge(containerd_space.namespace)
    (link,) = json.loads(await printed("ip", "-json", "-details", "link", "show", name))
    assert link["linkinfo"]["info_kind"] == "bridge"
    (port,) = json.loads(await printed("ip", "-json", "link", "show", "master", name))
    assert port["link_index"] == next(one["ifindex"] for one in links if one["ifname"] == "eth0")

    assert isinstance(containerd.runtime, Stock)
    held = {one.name for one in await containerd.runtime.networks()}
    assert f"ring_{containerd_space.namespace}" in held


async def test_the_network_of_others_stays_the_first(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    """Whoever asks for no network by its name takes the first of the folder."""
    folder = conflist(containerd.socket, containerd_space.namespace).parent
    await containerd_space.runtime.ensure_network(containerd_space.namespace)
    theirs = folder / "98-theirs.conflist"
    content = json.dumps({"cniVersion": "1.0.0", "name": "theirs", "plugins": []})
    theirs.write_text(content)
    try:
        other = f"{containerd_space.namespace}x"
        await containerd_space.runtime.ensure_network(other)
        await containerd_space.running()
        assert sorted(folder.glob("*.conf*"))[0] == theirs
        assert theirs.read_text() == content
        assert isinstance(containerd.runtime, Stock)
        assert "theirs" not in {one.name for one in await containerd.runtime.networks()}
        await containerd.clean(other)
    finally:
        theirs.unlink()


async def test_a_job_that_has_ended_lets_go_of_its_port_and_address(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    """It stays for its logs until its deployment goes."""
    ports = (Port(published=random.randrange(20000, 30000), target=80),)
    order = await containerd_space.order("once", ports=ports)
    job = await containerd_space.running(
        replace(order, spec=order.spec.model_copy(update={"kind": "job"}))
    )
    await containerd.writes(job.id, "done\n")
    await containerd.ends(job.id, 0)
    ended = await containerd_space.ended(job.id)
    assert ended.is_attached

    async def has_let_go() -> bool:
        return (await containerd.runtime.inspect(job.id)).address is None

    await eventually(has_let_go)
    await containerd_space.running(await containerd_space.order("next", ports=ports))
    assert isinstance(containerd.runtime, Logs)
    lines = [line async for batch in containerd.runtime.logs(job.id, LogQuery()) for line in batch]
    assert [line.message for line in lines] == ["done"]
