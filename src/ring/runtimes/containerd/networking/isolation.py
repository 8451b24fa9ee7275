"""Keeps the bridges of namespaces apart, by the chain RING-FORWARD of the machine's iptables.

An accept in one table undoes no drop in another, so what is let through is let through where others
drop: RING-FORWARD is called before everything else that is forwarded. It matches interfaces by
name, and drops nothing of one that is not Ring's. Docker takes the call of its chain away for a
moment whenever it makes or removes a network: what is dropped is dropped in the table mangle, too,
by rules that let nothing through. Bridges of other engines' networks begin as these do: nothing
goes between them and containerd's, and what else they let through is not decided here, where it
would go past what somebody has written into DOCKER-USER.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from ring.network import locks
from ring.network.taken import BETWEEN_OURS, BRIDGES
from ring.runtimes.containerd.networking import iptables
from ring.runtimes.containerd.networking.iptables import Failed

if TYPE_CHECKING:
    from pathlib import Path

_FILTER: Final = "filter"
_MANGLE: Final = "mangle"
CHAIN: Final = "RING-FORWARD"
BETWEEN: Final = "RING-BETWEEN"
"""Where what goes from one interface to another comes: never what stays on one bridge."""
_BEFORE_DOCKER: Final = "DOCKER-USER"
"""Docker calls it before its own chains, and puts it first whenever it starts."""
_INTERFACES: Final = tuple(f"{begin}+" for begin in BETWEEN_OURS)
_LET: Final = "-m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j"
"""Replies, and what comes by a published port, of whatever engine."""
_OF_ALL: Final = tuple(f"-{side} {BRIDGES}+ " for side in "io")
"""How rules began that let something through for the bridges of every engine."""
_CALL: Final = f"-j {CHAIN}"


class NotKept(Exception):
    """Why the bridges are not apart, and what to do."""


def keep_apart(bridge: str, directory: Path, *, lets_out: bool) -> None:
    """What is on this bridge is not reached from another of Ring's, once this returns.

    Costs two runs of a program where everything is as it should be. Blocks. directory: whose lock
    is for this. lets_out: what nothing else forwards from the bridge is. Raises NotKept.
    """
    try:
        with locks.alone_in(directory):
            found = iptables.rules(_FILTER)
            if lines := _filtered(found, bridge, lets_out=lets_out):
                iptables.restore(_FILTER, lines)
            found = iptables.rules(_MANGLE)
            if lines := _mangled(found, bridge):
                iptables.restore(_MANGLE, lines)
    except (OSError, Failed) as error:
        raise NotKept(str(error)) from error


def let_go(bridge: str, directory: Path) -> None:
    """The bridge is no more: rules that name it are not, either, whoever has made them.

    Raises NotKept. Blocks.
    """
    try:
        with locks.alone_in(directory):
            for table in (_FILTER, _MANGLE):
                lines = [
                    f"-D {chain} {rule}"
                    for chain, rules in iptables.rules(table).items()
                    for rule in rules
                    if bridge in shlex.split(rule)
                ]
                if lines:
                    iptables.restore(table, lines)
    except (OSError, Failed) as error:
        raise NotKept(str(error)) from error


def _filtered(found: dict[str, list[str]], bridge: str, *, lets_out: bool) -> list[str]:
    """The lines that make of what is there what should be."""
    present = found.get(CHAIN, [])
    out = f"-i {bridge} -j ACCEPT"
    own = [*_of_bridge(bridge, "ACCEPT"), *([out] if lets_out else [])]
    return [
        *_chains(found),
        *_in_order(own, [rule for rule in present if rule in own or rule == out]),
        *(f"-D {CHAIN} {rule}" for rule in present if rule.startswith(_OF_ALL)),
        *_calls(found),
    ]


def _mangled(found: dict[str, list[str]], bridge: str) -> list[str]:
    """The same. What is not dropped goes on to the rules of others."""
    own = _of_bridge(bridge, "RETURN")
    have = [rule for rule in found.get(CHAIN, []) if rule in own]
    return [*_chains(found), *_in_order(own, have), *_first(found, "FORWARD")]


def _chains(found: dict[str, list[str]]) -> list[str]:
    lines = []
    if found.get(BETWEEN) != _between():
        lines += [f":{BETWEEN} - [0:0]", *(f"-A {BETWEEN} {rule}" for rule in _between())]
    if CHAIN not in found:
        lines.append(f":{CHAIN} - [0:0]")
    return lines


def _of_bridge(bridge: str, let: str) -> list[str]:
    return [
        f"-i {bridge} {_LET} {let}",
        f"-o {bridge} {_LET} {let}",
        f"-i {bridge} ! -o {bridge} -j {BETWEEN}",
        f"! -i {bridge} -o {bridge} -j {BETWEEN}",
    ]


def _in_order(own: list[str], have: list[str]) -> list[str]:
    """All anew where one is missing: they have an order. have: those of them that are there, and
    what may come after them."""
    if have[: len(own)] == own:
        return []
    return [*(f"-D {CHAIN} {rule}" for rule in have), *(f"-A {CHAIN} {rule}" for rule in own)]


def _between() -> list[str]:
    return [f"-i {one} -o {other} -j DROP" for one in _INTERFACES for other in _INTERFACES]


def _calls(found: dict[str, list[str]]) -> list[str]:
    """It is called first by Docker's chain, and by FORWARD where that does not call Docker's first:
    the firewall plugin of CNI puts its own before it, which lets no published port through."""
    lines = []
    if _BEFORE_DOCKER in found:
        lines += _first(found, _BEFORE_DOCKER)
    if found["FORWARD"][:1] != [f"-j {_BEFORE_DOCKER}"]:
        lines += _first(found, "FORWARD")
    return lines


def _first(found: dict[str, list[str]], chain: str) -> list[str]:
    rules = found[chain]
    if rules[:1] == [_CALL]:
        return []
    return [*(f"-D {chain} {rule}" for rule in rules if rule == _CALL), f"-I {chain} 1 {_CALL}"]
