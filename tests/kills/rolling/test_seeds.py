"""The kept seeds meet what there is to meet, and a seed is the same run every time."""

from __future__ import annotations

from tests.kills.moments import AfterDelay, AtCall, AtWrite
from tests.kills.rolling.seeds import FIRST, KEPT, Fault, chance
from tests.kills.seeds import KEPT as OTHERS


def test_two_hundred_seeds_are_kept_and_are_no_others() -> None:
    assert len(set(KEPT)) == 200
    assert max(OTHERS) < FIRST == min(KEPT)


def test_a_seed_decides_the_same_every_time() -> None:
    assert [chance(seed) for seed in KEPT] == [chance(seed) for seed in KEPT]


def test_every_fault_is_killed_in_every_way() -> None:
    met = {
        (one.fault, type(moment), getattr(moment, "after", None))
        for one in map(chance, KEPT)
        for moment in one.moments
    }
    ways = [(AtCall, True), (AtCall, False), (AfterDelay, None), (AtWrite, None)]
    assert met == {(fault, *way) for fault in Fault for way in ways}


def test_some_are_killed_once_and_some_again_and_again() -> None:
    counts = [len(chance(seed).moments) for seed in KEPT]
    assert {*counts} == {1, 2, 3}
    assert sum(counts) >= 300


def test_the_one_in_between_is_overtaken_early_and_late() -> None:
    assert {chance(seed).overtaken_at for seed in KEPT} == {0, 1, 2}
