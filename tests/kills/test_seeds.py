"""The kept seeds meet what there is to meet, and a seed is the same run every time."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest

from tests.e2e.proxy import Call
from tests.e2e.test_kills import SEEDS
from tests.kills.__main__ import numbers
from tests.kills.moments import AfterDelay, AtCall, AtWrite, is_sweep, step_of
from tests.kills.rolling import seeds as rolling
from tests.kills.rolling.seeds import Fault
from tests.kills.scenarios import SCENARIOS
from tests.kills.seeds import KEPT, Meddling, chance

ID = "9f" * 32


def test_at_least_two_hundred_seeds_are_kept() -> None:
    assert len(set(KEPT)) >= 200


def test_those_of_every_build_meet_every_scenario() -> None:
    apart = [seed for seed in SEEDS if seed < rolling.FIRST]
    assert {chance(seed).scenario.name for seed in apart} == set(SCENARIOS)
    assert {rolling.chance(seed).fault for seed in SEEDS if seed not in apart} == set(Fault)


def test_a_seed_decides_the_same_every_time() -> None:
    assert [chance(seed) for seed in KEPT] == [chance(seed) for seed in KEPT]


def test_every_scenario_is_killed_in_every_way() -> None:
    kinds = defaultdict(set)
    for one in map(chance, KEPT):
        for moment in one.moments:
            kinds[one.scenario.name].add(
                (type(moment), moment.after if isinstance(moment, AtCall) else None)
            )
    ways = {(AtCall, True), (AtCall, False), (AfterDelay, None), (AtWrite, None)}
    assert kinds.keys() == SCENARIOS.keys()
    assert {name: ways - met for name, met in kinds.items()} == {name: set() for name in kinds}


def test_a_kill_at_a_call_is_never_further_from_the_next_than_a_few_calls() -> None:
    met = defaultdict(set)
    for one in map(chance, KEPT):
        if isinstance(one.moments[0], AtCall):
            met[one.scenario.name].add(one.moments[0].number)
    for name, scenario in SCENARIOS.items():
        places = [0, *sorted(met[name]), scenario.calls + 1]
        widest = max(after - before for before, after in pairwise(places))
        assert widest <= 5, (name, places)


def test_every_meddling_happens_and_some_are_killed_twice() -> None:
    chances = [chance(seed) for seed in KEPT]
    assert {one.meddling for one in chances} == set(Meddling)
    assert sum(len(one.moments) == 2 for one in chances) >= 30
    assert sum(one.meddling is Meddling.NONE for one in chances) >= 100


@pytest.mark.parametrize(
    ("call", "step"),
    [
        (f"GET /containers/{ID}/json", "GET /containers/*/json"),
        (f"DELETE /containers/{ID}?v=1", "DELETE /containers/*"),
        (f"POST /containers/{ID}/stop?t=10", "POST /containers/*/stop"),
        ("POST /containers/create?name=a_web_1", "POST /containers/create"),
        ("GET /images/ring-test/busybox:1/json", "GET /images/*/json"),
        ("POST /images/create?fromImage=x", "POST /images/create"),
        ("GET /networks?filters=x", "GET /networks"),
        ("POST /networks/create", "POST /networks/create"),
    ],
)
def test_a_step_is_a_call_without_its_names(call: str, step: str) -> None:
    method, path = call.split(" ")
    assert step_of(Call(1, method, path)) == step


def test_only_what_comes_with_the_time_is_a_sweep() -> None:
    assert is_sweep(Call(1, "GET", "/containers/json?all=1"))
    assert is_sweep(Call(1, "GET", "/events?since=1"))
    assert not is_sweep(Call(1, "GET", f"/containers/{ID}/json"))


def test_seeds_are_named_as_numbers_and_ranges() -> None:
    assert numbers("1-3,7") == [1, 2, 3, 7]
