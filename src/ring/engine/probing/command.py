"""A command probe: passes when the command ends with 0 inside the instance."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ring.engine.probing.probed import failed, passed
from ring.runtimes.base import Execs, Gone, RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.model.ids import InstanceId
    from ring.engine.probing.probed import Probed
    from ring.runtimes.base import Executed, Runtime

SHELL = ("/bin/sh", "-c")
_OPERATORS = frozenset("|&;<>$()*`\n")
_EXPANDED_IN_QUOTES = frozenset("$`")


class Unusable(Exception):
    """The command cannot be run, and why."""


def argv(command: str) -> tuple[str, ...]:
    """The words of the command; those of a shell that reads it where it holds shell syntax.

    Raises Unusable.
    """
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise Unusable(f"Invalid command syntax: {error}") from None
    if not words:
        raise Unusable("Empty command")
    return (*SHELL, command) if _needs_shell(command.strip()) else words


def _needs_shell(command: str) -> bool:
    return any(
        character in (_EXPANDED_IN_QUOTES if quoted else _OPERATORS)
        for character, quoted in _unescaped(command)
    )


def _unescaped(command: str) -> Iterator[tuple[str, bool]]:
    """Every character that is neither escaped nor in single quotes, and if double quotes hold it.

    Those take the meaning from operators, but not from expansions.
    """
    quote = ""
    characters = iter(command)
    for character in characters:
        if quote == "'":
            quote = "" if character == "'" else quote
        elif character == "\\":
            escaped = next(characters, "")
            if quote and escaped in _EXPANDED_IN_QUOTES:
                yield escaped, True  # only a shell takes this backslash away
        elif character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        else:
            yield character, quote == '"'


async def run(
    runtime: Runtime, instance_id: InstanceId, command: str, timeout_s: float
) -> Executed | Probed:
    """How it ended, or why it did not run. Raises TimeoutError."""
    try:
        words = argv(command)
    except Unusable as error:
        return failed(str(error))
    if not isinstance(runtime, Execs):
        return failed("command health checks are not supported on this runtime")
    try:
        return await runtime.exec(instance_id, words, timeout_s)
    except (Gone, RuntimeFailure) as error:
        return failed(f"Failed to run the command: {error.message}")


def judged(executed: Executed, output: str) -> Probed:
    """output: what may be told of what it wrote, in case that it failed."""
    if executed.code == 0:
        return passed("Command exited 0")
    said = f": {output}" if output else ""
    return failed(f"Command exited {executed.code}{said}")
