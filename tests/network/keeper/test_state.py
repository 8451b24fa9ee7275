from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.network.keeper import Relay, Zone
from ring.network.keeper.state import (
    RELAYS,
    ZONES,
    State,
    checked,
    relay_from,
    relays_from,
    relays_to,
    zone_from,
    zone_to,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

RELAY = Relay(None, 8080, "tcp", "10.0.0.1", 80)
ZONE = Zone(("10.0.0.1",), ("10.0.0.0/24",), {"web": ("10.0.0.2",), "none": ()})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def state(tmp_path: Path) -> State:
    one = State(tmp_path)
    one.prepare()
    return one


async def test_what_is_kept_is_read_again(state: State) -> None:
    state.keep_zone("ring_a", ZONE)
    await state.keep_relays("shop_web_1", [RELAY])
    assert state.zones() == {"ring_a": ZONE}
    assert await state.relays() == {"shop_web_1": (RELAY,)}


def test_what_is_dropped_is_gone(state: State) -> None:
    state.keep_zone("ring_a", ZONE)
    state.drop(ZONES, "ring_a")
    state.drop(ZONES, "ring_a")
    assert state.zones() == {}


async def test_names_are_sorted_and_there_are_none_before_the_first(tmp_path: Path) -> None:
    state = State(tmp_path)
    assert state.names(RELAYS) == ()
    state.prepare()
    for name in ("b", "a.b", "a"):
        await state.keep_relays(name, [RELAY])
    assert state.names(RELAYS) == ("a", "a.b", "b")


@pytest.mark.parametrize("content", ["", "{", "[5]", '{"gateways": 1}', "[" * 100_000])
async def test_what_cannot_be_read_is_left_out(state: State, tmp_path: Path, content: str) -> None:
    state.keep_zone("ring_a", ZONE)
    await state.keep_relays("a", [RELAY])
    for kind in (ZONES, RELAYS):
        (tmp_path / kind / "ring_b.json").write_text(content)
        (tmp_path / kind / ".ring_c.json").write_text("{}")
    assert state.zones() == {"ring_a": ZONE}
    assert await state.relays() == {"a": (RELAY,)}


def test_nobody_else_may_read_it(state: State, tmp_path: Path) -> None:
    state.keep_zone("ring_a", ZONE)
    assert (tmp_path / ZONES).stat().st_mode & 0o777 == 0o700
    assert (tmp_path / ZONES / "ring_a.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".hidden", "a\n", "a" * 201, "ä"])
def test_a_name_that_is_none_of_a_file(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        checked(name)


async def test_values_and_what_they_are_written_as() -> None:
    assert zone_from(zone_to(ZONE)) == ZONE
    assert await relays_from(relays_to([RELAY])) == (RELAY,)


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": "sctp"},
        {"published": 0},
        {"published": "80"},
        {"target": 65536},
        {"host_ip": "localhost"},
        {"host_ip": 5},
        {"address": "web"},
        {"address": None},
    ],
)
def test_a_relay_that_is_none(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says something else
        relay_from({**relays_to([RELAY])[0], **change})


def test_an_address_is_written_one_way() -> None:
    told = {**relays_to([RELAY])[0], "host_ip": "0:0::0001", "address": "FD00::0:1"}
    relay = relay_from(told)
    assert (relay.host_ip, relay.address) == ("::1", "fd00::1")
