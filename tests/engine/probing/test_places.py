"""Places for probes: bounded, in turn, and not held by what hangs."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from ring.core.model.ids import DeploymentId
from ring.engine.probing.places import Places


@dataclass(eq=False)
class One:
    deployment_id: DeploymentId
    is_slow: bool = False
    is_dropped: bool = False


def ones(owner: str, count: int) -> list[One]:
    return [One(DeploymentId(owner)) for _ in range(count)]


def waiting(*groups: list[One], width: int = 4, share: int = 2, ceiling: int = 64) -> Places[One]:
    places: Places[One] = Places(width, share, ceiling)
    for group in groups:
        for one in group:
            places.wait(one)
    return places


def taken(places: Places[One]) -> list[str]:
    found: list[str] = []
    while (one := places.take()) is not None:
        found.append(one.deployment_id)
    return found


def test_deployments_take_turns_and_none_more_than_its_share() -> None:
    places = waiting(ones("a", 9), ones("b", 9))
    assert taken(places) == ["a", "b", "a", "b"]
    places.leave(DeploymentId("a"), is_hanging=False)
    assert taken(places) == ["a"]
    assert taken(waiting(ones("a", 9))) == ["a", "a"]


def test_a_place_that_is_lent_goes_to_others_and_not_to_its_owner() -> None:
    places = waiting(ones("a", 9), width=2)
    assert taken(places) == ["a", "a"]
    places.lend(DeploymentId("a"))
    places.lend(DeploymentId("a"))
    assert taken(places) == []
    for one in ones("b", 3):
        places.wait(one)
    assert taken(places) == ["b", "b"]
    places.leave(DeploymentId("a"), is_hanging=True)
    assert taken(places) == []  # there is no place: b's two work
    places.leave(DeploymentId("b"), is_hanging=False)
    assert taken(places) == ["b"]


def test_half_of_the_places_is_spared_from_deployments_of_which_something_hangs() -> None:
    places = waiting(ones("a", 9), width=4, share=8)
    assert taken(places) == ["a"] * 4
    for _ in range(2):
        places.lend(DeploymentId("a"))
    assert taken(places) == []
    places.leave(DeploymentId("a"), is_hanging=False)
    assert taken(places) == ["a"]
    for one in ones("b", 4):
        places.wait(one)
    assert taken(places) == ["b", "b"]


def test_what_was_dropped_takes_no_place() -> None:
    first, second = ones("a", 2)
    places = waiting([first, second], width=1)
    first.is_dropped = True
    assert places.take() is second
    assert places.take() is None
    places = waiting([first])
    assert places.take() is None


def test_with_many_that_hang_the_share_shrinks_to_one() -> None:
    owners = [f"d{number}" for number in range(8)]
    places = waiting(*(ones(owner, 4) for owner in owners), width=8, share=4, ceiling=16)
    in_flight = []
    while found := taken(places):
        in_flight += found
        for owner in found:
            places.lend(DeploymentId(owner))
    assert {owner: in_flight.count(owner) for owner in owners} == dict.fromkeys(owners, 2)


def test_what_hung_the_last_time_takes_no_place_and_leaves_some_to_its_deployment() -> None:
    slow = [One(DeploymentId("a"), is_slow=True) for _ in range(20)]
    places = waiting(slow, ones("b", 2), width=2, share=8)
    assert taken(places) == ["b", "b", "a", "a", "a", "a", "a", "a"]
    for one in ones("a", 4):
        places.wait(one)
    assert taken(places) == []
    places.leave(DeploymentId("b"), is_hanging=False)
    places.leave(DeploymentId("b"), is_hanging=False)
    assert taken(places) == ["a"]
    places.leave(DeploymentId("a"), is_hanging=True)
    assert taken(places) == ["a"]


@given(st.lists(st.sampled_from([*"abc", "hang", "end"]), max_size=80))
def test_places_are_never_more_than_there_are(moves: list[str]) -> None:
    places = waiting(width=3, share=2)
    working: list[str] = []
    hanging: list[str] = []
    for move in moves:
        if move in "abc":
            places.wait(One(DeploymentId(move)))
        elif move == "hang" and working:
            hanging.append(working.pop(0))
            places.lend(DeploymentId(hanging[-1]))
        elif working or hanging:
            held = working or hanging
            places.leave(DeploymentId(held.pop()), is_hanging=held is hanging)
        working += taken(places)
        assert len(working) <= 3
        assert all((working + hanging).count(owner) <= 2 for owner in "abc")
