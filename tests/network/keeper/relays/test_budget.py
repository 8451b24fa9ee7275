from __future__ import annotations

import resource

import pytest

from ring.network.keeper.problems import KeeperProblem
from ring.network.keeper.relays.budget import MOST_SOCKETS, Budget, Sockets, of_this_process


@pytest.mark.parametrize("files", [1024, 20_000, 65_536, 1_048_576])
def test_an_eighth_of_the_files_is_left_for_names(
    files: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (512, files))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    budget = of_this_process()
    assert asked == [(files, files)]
    assert 2 * budget.connections + budget.sessions + budget.sockets <= files - files // 8
    assert 2 * budget.sockets_of_one <= budget.sockets


def test_the_example_has_room_for_all_that_one_manifest_may_publish(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (65_536, 65_536))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert of_this_process().sockets_of_one == 2 * 4096


def test_without_a_limit_there_is_one_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    unlimited = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (unlimited, unlimited))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert of_this_process() == Budget()


def test_what_is_too_much_for_one_is_refused_and_changes_nothing() -> None:
    sockets = Sockets(Budget(sockets=10))
    assert sockets.take("a", 5) == 0
    with pytest.raises(KeeperProblem, match=r"need 6 sockets, and one instance may have 5: .*host"):
        sockets.take("a", 6)
    assert sockets.take("a", 3) == 5


def test_what_is_too_much_for_all_is_refused_and_changes_nothing() -> None:
    sockets = Sockets(Budget(sockets=10))
    sockets.take("a", 5)
    sockets.take("b", 4)
    with pytest.raises(KeeperProblem, match=r"need 2 sockets, and 9 of 10 are .*LimitNOFILE"):
        sockets.take("c", 2)
    sockets.put_back("a", 0)
    assert sockets.take("c", 2) == 0
    assert sockets.take("b", 5) == 4


def test_a_higher_limit_of_files_is_not_asked_for_where_it_changes_nothing() -> None:
    with pytest.raises(KeeperProblem) as raised:
        Sockets(Budget()).take("a", MOST_SOCKETS)
    assert "LimitNOFILE" not in str(raised.value)
