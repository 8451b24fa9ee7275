"""Networks with a subnet of Ring's pool: when the engine has none left, or it is preferred."""

from __future__ import annotations

import json
import re
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import pytest

from ring.core.model.failures import FailureClass
from ring.network import taken
from ring.network.pools import Pools
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.docker import open_runtime
from tests.runtimes.docker import scripted
from tests.runtimes.docker.scripted import Script, answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ring.runtimes.base import Runtime

pytestmark = pytest.mark.anyio

POOL = IPv4Network("203.0.113.0/24")
"""For documentation alone: no machine has it."""
NAMED = "GET /v1.41/networks?"
ALL = "GET /v1.41/networks "
CREATE = "POST /v1.41/networks/create"
MADE = answer({"Id": "1"}, 201)
USED_UP = {
    "20.10": "could not find an available, non-overlapping IPv4 address pool among the defaults to "
    "assign to the network",
    "28": "all predefined address pools have been fully subnetted",
}
OVERLAPS = answer({"message": "Pool overlaps with other one on this address space"}, 403)


@pytest.fixture
async def script(tmp_path: Path) -> AsyncIterator[Script]:
    async with scripted.engine(tmp_path) as one:
        mine = {"Name": "ring_shop", "Id": "1"}
        one.say(NAMED, answer([]), answer([mine]))
        ipam = {"Config": [{"Subnet": "203.0.113.0/28"}, {"Subnet": "fd00::/64"}, {"Subnet": "?"}]}
        others = [{"Name": "a", "IPAM": ipam}, {"Name": "host", "IPAM": {"Config": None}}]
        one.say("GET /v1.41/networks", answer(others))
        yield one


def opened(script: Script, *, is_preferred: bool = False) -> Runtime:
    pools = Pools(pool=POOL, prefix=28, is_preferred=is_preferred)
    return open_runtime({"host": script.host, "pools": pools})


async def ensured(script: Script, *, is_preferred: bool = False) -> list[Any]:
    """The bodies of the networks that were asked for."""
    runtime = opened(script, is_preferred=is_preferred)
    try:
        await runtime.ensure_network("shop")
    finally:
        await runtime.close()
        found = [json.loads(body) for body in script.bodies]
    return found


def subnet(body: Any) -> str | None:
    assert re.fullmatch("rbr-[0-9a-f]{11}", interface(body))
    if "IPAM" not in body:
        return None
    (config,) = body["IPAM"]["Config"]
    assert config["Gateway"] == str(IPv4Network(config["Subnet"])[1])
    return str(config["Subnet"])


def interface(body: Any) -> str:
    return str(body["Options"]["com.docker.network.bridge.name"])


async def test_an_interface_is_named_anew_for_each_network(script: Script) -> None:
    """An engine takes one over that has its name, which may be another engine's."""
    script.say(CREATE, MADE)
    (first,) = await ensured(script)
    script.say(NAMED, answer([]), answer([{"Name": "ring_shop", "Id": "2"}]))
    *_, second = await ensured(script)
    assert interface(first) != interface(second)


async def test_the_engines_own_pool_goes_first(script: Script) -> None:
    script.say(CREATE, MADE)
    assert [subnet(body) for body in await ensured(script)] == [None]


@pytest.mark.parametrize("version", USED_UP)
async def test_then_rings(script: Script, version: str) -> None:
    script.say(CREATE, answer({"message": USED_UP[version]}, 500), MADE)
    first, second = await ensured(script)
    assert (subnet(first), subnet(second)) == (None, "203.0.113.16/28")
    assert first["Labels"] == second["Labels"]


async def test_one_that_is_set_goes_first(script: Script) -> None:
    script.say(CREATE, MADE)
    bodies = await ensured(script, is_preferred=True)
    assert [subnet(body) for body in bodies] == ["203.0.113.16/28"]


async def test_what_turns_out_to_be_taken_is_passed_over(script: Script) -> None:
    script.say(CREATE, OVERLAPS, OVERLAPS, MADE)
    bodies = await ensured(script, is_preferred=True)
    assert [subnet(body) for body in bodies] == [f"203.0.113.{at}/28" for at in (16, 32, 48)]


async def test_what_networks_on_containerd_have_is_passed_over(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taken, "of_ring", lambda: [IPv4Network("203.0.113.16/28")])
    script.say(CREATE, MADE)
    bodies = await ensured(script, is_preferred=True)
    assert [subnet(body) for body in bodies] == ["203.0.113.32/28"]


async def test_when_nothing_is_left(script: Script) -> None:
    script.say(CREATE, OVERLAPS)
    with pytest.raises(
        RuntimeFailure, match=r"no subnet of /28 is free in 203\.0\.113\.0/24"
    ) as no:
        await ensured(script, is_preferred=True)
    assert no.value.failure.kind is FailureClass.NETWORK_FAILED
    assert len(script.bodies) == 15


async def test_another_refusal_is_told(script: Script) -> None:
    script.say(CREATE, answer({"message": "the driver is stuck"}, 500))
    for is_preferred in (False, True):
        script.say(NAMED, answer([]))
        with pytest.raises(RuntimeFailure, match="cannot create network 'ring_shop': the driver"):
            await ensured(script, is_preferred=is_preferred)
    assert len(script.bodies) == 2
