"""The machine's iptables, by its programs: what they list, and changes made whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PROGRAM: Final = "iptables"
DEADLINE_S: Final = 10.0
_PLACES: Final = ("/usr/sbin", "/sbin", "/usr/bin")


class Failed(Exception):
    """Why, and what to do."""


def rules(table: str) -> dict[str, list[str]]:
    """By chain, in their order and as the program writes them. Blocks. Raises Failed."""
    found: dict[str, list[str]] = {}
    for line in _run([_program(), "-w", "-t", table, "-S"]).splitlines():
        command, chain, *rule = line.split(maxsplit=2)
        listed = found.setdefault(chain, [])
        if command == "-A":
            listed.append("".join(rule))
    return found


def restore(table: str, lines: Iterable[str]) -> None:
    """All of them or none; what they do not name stays. Blocks. Raises Failed."""
    text = "\n".join((f"*{table}", *lines, "COMMIT", ""))
    _run([f"{_program()}-restore", "-w", "--noflush"], text)


def _program() -> str:
    program = shutil.which(PROGRAM, path=os.pathsep.join((*_PLACES, os.defpath)))
    if program is None:
        raise Failed(f"there is no {PROGRAM}: install the package {PROGRAM}")
    return program


def _run(command: Sequence[str], text: str = "") -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, and names that Ring has made
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
            env={"PATH": os.pathsep.join(_PLACES)},
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{command[0]} does not end within {DEADLINE_S:g} s") from error
    if done.returncode != 0:
        raise Failed(f"{command[0]}: {done.stderr.strip()[:500]}")
    return done.stdout
