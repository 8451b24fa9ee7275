from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ring.network.keeper.relays.claims import V4, V6, Claims

if TYPE_CHECKING:
    from ring.network.keeper.relays.claims import Claim

MANY = 4096
SOON_S = 5.0
"""Generous: comparing each with each takes many times as long."""


@pytest.mark.parametrize(
    ("mine", "theirs", "is_taken"),
    [
        (None, None, True),
        (None, "10.0.0.1", True),
        ("10.0.0.1", None, True),
        (None, V4, True),
        (V6, None, True),
        (V4, "10.0.0.1", True),
        ("10.0.0.1", V4, True),
        ("fd00::1", V6, True),
        (V6, "fd00::1", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("fd00::1", "fd00::2", False),
        (V4, V6, False),
        (V4, "fd00::1", False),
        ("10.0.0.1", V6, False),
    ],
)
def test_one_address_is_among_all_of_its_family(
    mine: str | None, theirs: str | None, is_taken: bool
) -> None:
    claims = Claims()
    claims.add("a", [(mine, 80, "tcp")])
    assert claims.holder_of((theirs, 80, "tcp")) == ("a" if is_taken else None)
    assert claims.holder_of((theirs, 80, "tcp"), besides="a") is None
    assert claims.holder_of((theirs, 80, "udp")) is None
    assert claims.holder_of((theirs, 81, "tcp")) is None


def test_what_is_dropped_is_nobodys() -> None:
    claims = Claims()
    claims.add("a", [(None, 80, "tcp"), ("10.0.0.1", 81, "tcp")])
    claims.drop("a", [(None, 80, "tcp"), ("10.0.0.1", 81, "tcp")])
    assert claims.holder_of((None, 80, "tcp")) is None
    assert claims.holder_of((None, 81, "tcp")) is None


def test_of_two_that_have_the_same_the_other_keeps_it() -> None:
    claims = Claims()
    for holder in ("a", "b"):
        claims.add(holder, [(None, 80, "tcp"), (V4, 80, "tcp")])
    assert claims.holder_of((None, 80, "tcp"), besides="a") == "b"
    claims.drop("b", [(None, 80, "tcp"), (V4, 80, "tcp")])
    assert claims.holder_of(("10.0.0.1", 80, "tcp")) == "a"


@pytest.mark.parametrize("is_one_port", [True, False])
def test_thousands_are_asked_about_at_once(is_one_port: bool) -> None:
    claims = Claims()
    began = time.process_time()
    for number in range(3):
        wanted: list[Claim] = [
            (f"10.{number}.{n // 256}.{n % 256}", 80, "tcp")
            if is_one_port
            else (None, 1 + number * MANY + n, "tcp")
            for n in range(MANY)
        ]
        assert {claims.holder_of(claim) for claim in wanted} == {None}
        claims.add(f"{number}", wanted)
    assert claims.holder_of((None, 80, "tcp")) == "0"
    assert time.process_time() - began < SOON_S
