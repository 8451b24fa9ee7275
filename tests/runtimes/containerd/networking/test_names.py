"""When the keeper is told which names there are, and when it need not be."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import pytest

from ring.network.cni.results import Record
from ring.network.keeper import Keeper, KeeperProblem
from ring.runtimes.containerd.networking.conflists import Network
from ring.runtimes.containerd.networking.names import Names

if TYPE_CHECKING:
    from pathlib import Path

    from ring.network.keeper import Zone

pytestmark = pytest.mark.anyio
SHOP = "ring_shop"
NETWORK = Network(SHOP, "rbr-1", IPv4Network("10.46.3.0/24"), IPv4Address("10.46.3.1"), {})
CLIENT = Record("shop_client_1", "one", SHOP, config={}, names=("client",))


class SlowKeeper(Keeper):
    """Takes what it is told when the test lets it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.told: list[list[str]] = []
        self.is_asked = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.wrong: Exception | None = None

    async def zone(self, network: str, zone: Zone) -> None:
        self.told.append(list(zone.records))
        self.is_asked.set()
        await self.may_go_on.wait()
        if self.wrong is not None:
            raise self.wrong


@pytest.fixture
def keeper(tmp_path: Path) -> SlowKeeper:
    return SlowKeeper(tmp_path)


@pytest.fixture
def names(keeper: SlowKeeper) -> Names:
    return Names(keeper, lambda network: [CLIENT] if network == SHOP else [])


def test_only_what_is_new_is_to_be_told(names: Names) -> None:
    assert not names.know(SHOP, "web", is_there=False)
    assert names.know(SHOP, "web", is_there=True)
    assert not names.know(SHOP, "web", is_there=True)
    assert names.know("ring_bank", "web", is_there=True)
    assert names.know(SHOP, "web", is_there=False)
    assert not names.know(SHOP, "web", is_there=False)


async def test_what_becomes_known_while_it_is_told_is_told_next(
    keeper: SlowKeeper, names: Names
) -> None:
    names.know(SHOP, "web", is_there=True)
    telling = asyncio.create_task(names.tell(NETWORK))
    await keeper.is_asked.wait()
    names.know(SHOP, "vault", is_there=True)
    keeper.may_go_on.set()
    await telling
    assert not names.is_told(SHOP)
    await names.tell(NETWORK)
    assert names.is_told(SHOP)
    assert keeper.told == [["client", "web"], ["client", "vault", "web"]]


async def test_what_was_refused_or_given_up_is_not_told(keeper: SlowKeeper, names: Names) -> None:
    telling = asyncio.create_task(names.tell(NETWORK))
    await keeper.is_asked.wait()
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    assert not names.is_told(SHOP)
    keeper.may_go_on.set()
    keeper.wrong = KeeperProblem("no")
    await names.tell(NETWORK)
    assert not names.is_told(SHOP)
