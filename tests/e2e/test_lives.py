"""What is told of containers by their events, and which of them went too early."""

from __future__ import annotations

import math

from tests.e2e.lives import Life, ended_early, lives, most_at_once
from tests.e2e.outside import Happening

WINDOW_S = 1.0


def happening(kind: str, id_: str, at: float, name: str = "web") -> Happening:
    return Happening(kind, id_, name, at, f"row-of-{id_[0]}")


def test_a_life_begins_with_the_start_and_ends_with_the_first_signal() -> None:
    told = [
        happening("create", "a1", 0),
        happening("start", "a1", 1),
        happening("start", "b1", 2),
        happening("start", "c1", 2, "other"),
        happening("kill", "a1", 5),
        happening("die", "a1", 6),
        happening("destroy", "a1", 7),
    ]
    assert lives(told) == [Life("a1", "row-of-a", 1, 5), Life("b1", "row-of-b", 2, math.inf)]


def test_an_old_one_may_go_once_a_new_one_has_proved_itself() -> None:
    old = [Life("a1", "a", 0, 10.0), Life("a2", "a", 0)]
    new = Life("b1", "b", 10.0 - WINDOW_S)
    assert ended_early([*old, new], "a", {"b"}, least=2, window_s=WINDOW_S) == []


def test_one_that_goes_before_that_went_too_early() -> None:
    old = [Life("a1", "a", 0, 10.0), Life("a2", "a", 0)]
    late = Life("b1", "b", 10.1 - WINDOW_S)
    gone = Life("b2", "b", 0, 9.9)
    stranger = Life("c1", "c", 0)
    (told,) = ended_early([*old, late, gone, stranger], "a", {"b"}, least=2, window_s=WINDOW_S)
    assert "1 old ones and 0 new ones could serve, not 2" in told


def test_one_that_serves_late_proves_itself_late() -> None:
    old = [Life("a1", "a", 0, 10.0)]
    new = Life("b1", "b", 10.0 - WINDOW_S)
    told = ended_early(
        [*old, new], "a", {"b"}, least=1, window_s=WINDOW_S, late_s=lambda id_: 0.5 * (id_ == "b1")
    )
    assert len(told) == 1


def test_the_most_at_once() -> None:
    found = [Life("a1", "a", 0, 5), Life("a2", "a", 4), Life("a3", "a", 5), Life("b1", "b", 4)]
    assert most_at_once(found, "a") == 2
    assert most_at_once(found, "z") == 0
