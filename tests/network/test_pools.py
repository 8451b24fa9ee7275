from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.network.pools import Pools


def networks(*written: str) -> list[IPv4Network]:
    return [IPv4Network(one) for one in written]


@pytest.mark.parametrize(
    ("taken", "free"),
    [
        ((), "10.46.0.0/24"),
        (("10.46.0.0/24", "10.46.1.128/25", "192.168.0.0/16"), "10.46.2.0/24"),
        (("10.46.1.0/24",), "10.46.0.0/24"),
        (("10.46.0.0/17",), "10.46.128.0/24"),
        (("10.46.0.9/32",), "10.46.1.0/24"),
        (("10.0.0.0/8",), None),
    ],
)
def test_the_first_one_that_is_free(taken: tuple[str, ...], free: str | None) -> None:
    found = Pools().free(networks(*taken))
    assert found == (None if free is None else IPv4Network(free))


def test_the_last_one_and_then_none() -> None:
    pools = Pools(pool=IPv4Network("10.9.0.0/30"), prefix=31)
    assert pools.free(networks("10.9.0.0/31")) == IPv4Network("10.9.0.2/31")
    assert pools.free(networks("10.9.0.0/31", "10.9.0.2/32")) is None


def test_a_pool_smaller_than_a_subnet_is_one_itself() -> None:
    pools = Pools(pool=IPv4Network("10.9.0.0/28"))
    assert pools.free(()) == IPv4Network("10.9.0.0/28")


def test_what_is_for_microvms_stays_free_for_them() -> None:
    pools = Pools(pool=IPv4Network("10.42.0.0/15"))
    assert pools.free(()) == IPv4Network("10.43.0.0/24")


def test_a_pool_of_millions_is_not_tried_one_by_one() -> None:
    pools = Pools(pool=IPv4Network("0.0.0.0/0"), prefix=32, vm_pool=IPv4Network("0.0.0.0/1"))
    assert pools.free(networks("128.0.0.0/1")) is None
    assert pools.free(networks("128.0.0.0/2")) == IPv4Network("192.0.0.0/32")


@given(st.lists(st.tuples(st.integers(0, 1023), st.integers(22, 32)), max_size=12))
def test_it_is_the_first_of_all(drawn: list[tuple[int, int]]) -> None:
    pools = Pools(pool=IPv4Network("10.9.0.0/24"), prefix=27)
    start = int(IPv4Network("10.8.254.0/24")[0])
    taken = [IPv4Network((start + at, prefix), strict=False) for at, prefix in drawn]
    every = pools.pool.subnets(new_prefix=27)
    assert pools.free(taken) == next(
        (one for one in every if not any(map(one.overlaps, taken))), None
    )
