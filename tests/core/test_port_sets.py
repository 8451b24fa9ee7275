"""Sets of ports in few words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ring.core.port_sets import MOST_PORT, PortSet

ports = st.one_of(st.integers(1, 12), st.integers(MOST_PORT - 3, MOST_PORT), st.integers(1, 65535))


def _held(text: str) -> set[int]:
    held: set[int] = set()
    for part in text.split(", ") if text else []:
        first, _, last = part.partition("-")
        held |= set(range(int(first), int(last or first) + 1))
    return held


def test_neighbours_become_ranges() -> None:
    found = PortSet()
    assert str(found) == ""
    for port in (80, 22, 8001, 8000, 8003, 8002, 80):
        found.add(port)
    assert str(found) == "22, 80, 8000-8003"


@given(st.lists(ports, max_size=60))
def test_it_says_what_was_added_and_no_more(added: list[int]) -> None:
    found = PortSet()
    for port in added:
        found.add(port)
    assert _held(str(found)) == set(added)
    gaps = sorted(set(added))
    runs = sum(1 for at, port in enumerate(gaps) if at == 0 or gaps[at - 1] != port - 1)
    assert str(found).count(",") == max(0, runs - 1), "in as few ranges as there are"
