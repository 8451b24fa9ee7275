"""Keeps the networks of namespaces apart where Podman's own backend does not, or not always.

A network is made with `isolate`, but netavark (seen with 1.4) takes the rule that makes it so out
whenever the last instance of any network ends, until the next one begins. Of the networks that
another engine has made it knows nothing. So Ring has a table of its own, which forbids nothing but
what goes from one of its bridges to another of Ring's, whatever engine that is of; replies and what
comes by a published port go through.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

from ring.network.taken import BETWEEN_OURS
from ring.runtimes.docker.rootless import is_rootless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.runtimes.docker.connection import Endpoint

PROGRAM = "nft"
DEADLINE_S = 10.0
TABLE = "inet ring_podman"
_PLACES = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin:/usr/local/bin"


def rules(bridge: str) -> str:
    """One transaction, which may be repeated; the bridges of other networks stay in the table."""
    return "\n".join(
        (
            f"add table {TABLE}",
            f"add set {TABLE} bridges {{ type ifname; }}",
            f"add set {TABLE} within {{ type ifname . ifname; }}",
            f"add chain {TABLE} forward {{ type filter hook forward priority -1; }}",
            f"flush chain {TABLE} forward",
            f"add rule {TABLE} forward ct state established,related accept",
            f"add rule {TABLE} forward ct status dnat accept",
            f"add rule {TABLE} forward iifname . oifname @within accept",
            f"add rule {TABLE} forward iifname @bridges oifname @bridges counter drop",
            *_between(),
            f'add element {TABLE} bridges {{ "{bridge}" }}',
            f'add element {TABLE} within {{ "{bridge}" . "{bridge}" }}',
            "",
        )
    )


def _between() -> Iterator[str]:
    """One for each beginning: a set that has such is not for older releases of the program."""
    for begin in BETWEEN_OURS:
        yield f'add rule {TABLE} forward iifname @bridges oifname "{begin}*" counter drop'
        yield f'add rule {TABLE} forward iifname "{begin}*" oifname @bridges counter drop'


async def keep_apart(bridge: str) -> str:
    """What is on this bridge is not reached from another network, once this returns.

    bridge: its name as an engine tells it whose networks are ours, see not_ours. Returns why it
    cannot be made so, and nothing where it is: then the network has what its backend gives it.
    """
    program = shutil.which(PROGRAM, path=_PLACES)
    if program is None:
        return f"there is no {PROGRAM}: install the package nftables"
    return await _loaded(program, rules(bridge))


async def not_ours(endpoint: Endpoint) -> str:
    """Why this machine's rules are not for its networks, or not for Ring to make; else nothing."""
    if endpoint.socket is None:
        return "the engine is on another machine"
    if os.geteuid() != 0:
        return "Ring does not run as root"
    try:
        if await is_rootless(endpoint.socket):
            return "the engine is a user's, and its networks are not this machine's"
    except OSError as error:
        return f"nobody can tell whose engine it is: {error}"
    return ""


async def _loaded(program: str, text: str) -> str:
    """What the program says is wrong with it."""
    process = await asyncio.create_subprocess_exec(
        program, text, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, env={"PATH": _PLACES}
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            _, said = await process.communicate()
    except TimeoutError:
        return f"{PROGRAM} does not end within {DEADLINE_S:g} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return "" if process.returncode == 0 else said.decode(errors="replace").strip()[:500]
