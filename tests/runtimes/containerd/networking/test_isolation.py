"""What is asked of iptables, with one that shows what the test says and notes what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.runtimes.containerd.networking import isolation
from ring.runtimes.containerd.networking.isolation import NotKept

if TYPE_CHECKING:
    from pathlib import Path

OF_A = (
    "-i rbr-a -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT",
    "-o rbr-a -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT",
    "-i rbr-a ! -o rbr-a -j RING-BETWEEN",
    "! -i rbr-a -o rbr-a -j RING-BETWEEN",
)
OUT = "-i rbr-a -j ACCEPT"
BARE = "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"


class Iptables:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for table in ("filter", "mangle"):
            self.shows(BARE, table)
        self.script("iptables", f"cat {directory}/$3.shown")
        self.script("iptables-restore", f'read -r table; cat >{directory}/"${{table#\\*}}".told')

    def script(self, name: str, text: str) -> None:
        path = self.directory / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def shows(self, rules: str, table: str = "filter") -> None:
        (self.directory / f"{table}.shown").write_text(rules)

    def told(self, table: str = "filter") -> list[str]:
        path = self.directory / f"{table}.told"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines[:-1]

    def keep_apart(self, bridge: str = "rbr-a", *, lets_out: bool = False) -> list[str]:
        isolation.keep_apart(bridge, self.directory / "lock", lets_out=lets_out)
        return self.told()


@pytest.fixture
def iptables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iptables:
    places = (str(tmp_path), "/usr/bin", "/bin")
    monkeypatch.setattr("ring.runtimes.containerd.networking.iptables._PLACES", places)
    return Iptables(tmp_path)


def shown(told: list[str]) -> str:
    """As iptables shows what it was told to make."""
    chains = [line for line in told if line.startswith(":")]
    rules = [line for line in told if not line.startswith(":")]
    made = [f"-N {line[1:].split()[0]}" for line in chains]
    for line in rules:
        command, chain, *rest = line.split()
        made.append(" ".join(["-A", chain, *(rest[1:] if command == "-I" else rest)]))
    return BARE + "\n".join(made) + "\n"


def test_on_a_bare_machine(iptables: Iptables) -> None:
    told = iptables.keep_apart()
    assert told[0] == ":RING-BETWEEN - [0:0]"
    assert "-A RING-BETWEEN -i rbr-+ -o rbr-+ -j DROP" in told
    assert "-A RING-BETWEEN -i rbr-+ -o ring-+ -j DROP" in told
    assert told[-6:] == [
        ":RING-FORWARD - [0:0]",
        *(f"-A RING-FORWARD {rule}" for rule in OF_A),
        "-I FORWARD 1 -j RING-FORWARD",
    ]


def test_only_what_is_missing_is_added(iptables: Iptables) -> None:
    rules = shown(iptables.keep_apart())
    iptables.shows(rules)
    assert iptables.keep_apart() == []
    assert iptables.keep_apart("rbr-b") == [
        f"-A RING-FORWARD {rule.replace('rbr-a', 'rbr-b')}" for rule in OF_A
    ]
    iptables.shows(f"{rules}-A RING-FORWARD {OUT}\n")
    assert iptables.keep_apart() == iptables.keep_apart(lets_out=True) == []


def test_nothing_is_let_through_for_a_bridge_of_another_engine(iptables: Iptables) -> None:
    """It would go past DOCKER-USER, and what is banned there past a ban as long as it is connected.
    Former servers let replies through for all."""
    told = iptables.keep_apart(lets_out=True)
    accepted = [line for line in told if line.endswith("ACCEPT")]
    assert accepted
    assert all("rbr-a " in line for line in accepted)
    former = [
        f"-{side} rbr-+ -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT" for side in "io"
    ]
    rules = "".join(f"-A RING-FORWARD {rule}\n" for rule in former)
    iptables.shows(shown(told) + rules)
    assert iptables.keep_apart(lets_out=True) == [f"-D RING-FORWARD {rule}" for rule in former]


@pytest.mark.parametrize("missing", OF_A)
def test_those_of_a_bridge_stay_in_their_order(iptables: Iptables, missing: str) -> None:
    """What leaves is let out after what is between bridges was dropped, however it came about."""
    rules = shown(iptables.keep_apart(lets_out=True))
    iptables.shows(rules.replace(f"-A RING-FORWARD {missing}\n", ""))
    others = [rule for rule in (*OF_A, OUT) if rule != missing]
    removed = [f"-D RING-FORWARD {rule}" for rule in others]
    assert iptables.keep_apart() == [*removed, *(f"-A RING-FORWARD {rule}" for rule in OF_A)]
    added = [f"-A RING-FORWARD {rule}" for rule in (*OF_A, OUT)]
    assert iptables.keep_apart(lets_out=True) == [*removed, *added]


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ("-N CNI\n-A FORWARD -j CNI\n", ["-I FORWARD 1 -j RING-FORWARD"]),
        (
            "-A FORWARD -j CNI\n-A FORWARD -j RING-FORWARD\n",
            ["-D FORWARD -j RING-FORWARD", "-I FORWARD 1 -j RING-FORWARD"],
        ),
        (
            "-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -j RETURN\n",
            ["-I DOCKER-USER 1 -j RING-FORWARD"],
        ),
        (
            "-N DOCKER-USER\n-A FORWARD -j CNI\n-A FORWARD -j DOCKER-USER\n",
            ["-I DOCKER-USER 1 -j RING-FORWARD", "-I FORWARD 1 -j RING-FORWARD"],
        ),
        (
            "-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -j RING-FORWARD\n",
            [],
        ),
    ],
)
def test_it_is_called_before_everything_else(
    others: str, told: list[str], iptables: Iptables
) -> None:
    rules = shown(iptables.keep_apart()).replace("-A FORWARD -j RING-FORWARD\n", "")
    iptables.shows(rules + others)
    assert iptables.keep_apart() == told


def test_what_is_between_bridges_is_dropped_in_a_table_of_its_own_too(iptables: Iptables) -> None:
    """Docker takes the call of DOCKER-USER away for a moment whenever it makes a network."""
    iptables.keep_apart(lets_out=True)
    told = iptables.told("mangle")
    assert "-A RING-BETWEEN -i rbr-+ -o rbr-+ -j DROP" in told
    assert told[-6:] == [
        ":RING-FORWARD - [0:0]",
        *(f"-A RING-FORWARD {rule.replace('ACCEPT', 'RETURN')}" for rule in OF_A),
        "-I FORWARD 1 -j RING-FORWARD",
    ]
    assert not [line for line in told if "ACCEPT" in line], "others have rules there as well"
    iptables.shows(shown(told), "mangle")
    iptables.keep_apart()
    assert iptables.told("mangle") == []
    iptables.shows(shown(told).replace("-A FORWARD -j RING-FORWARD\n", ""), "mangle")
    iptables.keep_apart()
    assert iptables.told("mangle") == ["-I FORWARD 1 -j RING-FORWARD"]


def test_of_a_bridge_that_is_no_more_no_rule_is_left(iptables: Iptables) -> None:
    rules = shown(iptables.keep_apart())
    iptables.shows(shown(iptables.told("mangle")), "mangle")
    other = '-A CNI -o rbr-a -m comment --comment "of the network" -j DROP\n-A CNI -o rbr-ab\n'
    iptables.shows(rules + other)
    isolation.let_go("rbr-a", iptables.directory)
    assert iptables.told() == [
        *(f"-D RING-FORWARD {rule}" for rule in OF_A),
        '-D CNI -o rbr-a -m comment --comment "of the network" -j DROP',
    ]
    assert iptables.told("mangle") == [
        f"-D RING-FORWARD {rule.replace('ACCEPT', 'RETURN')}" for rule in OF_A
    ]
    isolation.let_go("rbr-z", iptables.directory)
    assert iptables.told() == iptables.told("mangle") == []


def test_why_it_cannot_be(iptables: Iptables, monkeypatch: pytest.MonkeyPatch) -> None:
    iptables.script("iptables", "echo 'Permission denied' >&2; exit 4")
    with pytest.raises(NotKept, match="Permission denied"):
        iptables.keep_apart()
    monkeypatch.setattr("ring.runtimes.containerd.networking.iptables.DEADLINE_S", 0.05)
    iptables.script("iptables", "exec sleep 9")
    with pytest.raises(NotKept, match=r"does not end within 0\.05 s"):
        isolation.let_go("rbr-a", iptables.directory)
    monkeypatch.setattr("ring.runtimes.containerd.networking.iptables.PROGRAM", "no-such-iptables")
    with pytest.raises(NotKept, match="there is no no-such-iptables: install the package"):
        iptables.keep_apart()
