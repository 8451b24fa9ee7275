"""Credential helpers: programs of the host that keep logins, asked as Docker asks them.

`docker-credential-<name> get`, the key on its input, JSON on its output.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
from asyncio.subprocess import PIPE
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import StreamReader
    from asyncio.subprocess import Process
    from collections.abc import Mapping, Sequence

TIMEOUT_S = 10.0
"""For everything that one lookup asks a helper."""

TOKEN_USER = "<token>"  # noqa: S105 - the name that says that the secret is an identity token
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_NONE_KEPT = re.compile(r"credentials?\b.*\bnot (be )?found|(item |entry )?not found\b", re.I)
"""What helpers say of a registry they know nothing of: there is no code for it."""
_MOST_BYTES = 64 * 1024
_PIECE = 16 * 1024
_LONGEST_LINE = 200  # characters
_REAP_S = 1.0  # SIGKILL has been sent


class HelperFailed(Exception):
    """A sentence about the helper; nothing of what it keeps."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a helper keeps for a registry."""

    username: str = field(repr=False)
    secret: str = field(repr=False)


def program(name: str) -> str:
    return f"docker-credential-{name}"


async def ask(
    name: str, keys: Sequence[str], environment: Mapping[str, str], timeout_s: float = TIMEOUT_S
) -> Kept | None:
    """What the helper keeps under the first of these keys that it knows; None: under none.

    Waits at most timeout_s seconds; then, and when its caller gives up, the helper is killed with
    what it started. Raises HelperFailed.
    """
    if not _NAME.fullmatch(name):
        raise HelperFailed(f"{name[:_LONGEST_LINE]!r} cannot be the name of a credential helper")
    try:
        async with asyncio.timeout(timeout_s):
            for key in keys:
                kept = await _get(program(name), key, environment)
                if kept is not None:
                    return kept
    except TimeoutError as error:
        raise HelperFailed(
            f"{program(name)} gave no answer within {timeout_s:g} s, and was ended"
        ) from error
    return None


async def _get(command: str, key: str, environment: Mapping[str, str]) -> Kept | None:
    process = await _started(command, environment)
    is_over = False
    try:
        said, complaint = await _talk(process, key)
        is_over = True
    finally:
        if not is_over:
            await _kill(process)
    return _understood(command, process.returncode, said, complaint)


async def _started(command: str, environment: Mapping[str, str]) -> Process:
    """Not given up half-way: asyncio would end the program alone, and not what it has started."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            command,
            "get",
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):
            await _kill(await starting)
        raise
    except FileNotFoundError as error:
        raise HelperFailed(f"{command} is not in the PATH of the server") from error
    except OSError as error:
        raise HelperFailed(f"{command} cannot be run: {(error.strerror or '').lower()}") from error


async def _talk(process: Process, key: str) -> tuple[str, str]:
    """All that it writes, as far as it is kept; it has ended then."""
    assert process.stdin is not None  # noqa: S101 - asked for
    assert process.stdout is not None  # noqa: S101 - asked for
    assert process.stderr is not None  # noqa: S101 - asked for
    with contextlib.suppress(ConnectionError):  # one that does not read has its say as well
        process.stdin.write(key.encode())
        await process.stdin.drain()
    process.stdin.close()
    said, complaint = await asyncio.gather(_read(process.stdout), _read(process.stderr))
    await process.wait()
    with contextlib.suppress(ConnectionError):
        await process.stdin.wait_closed()
    await asyncio.sleep(0)  # the other pipes close right after their ends were read
    return said, complaint


async def _read(stream: StreamReader) -> str:
    """To its end; what is too long is cut."""
    kept = b""
    while piece := await stream.read(_PIECE):
        kept += piece[: _MOST_BYTES - len(kept)]
    return kept.decode(errors="replace")


async def _kill(process: Process) -> None:
    """With all of its session that is left, also where it has ended itself."""
    assert process.stdout is not None  # noqa: S101 - asked for
    assert process.stderr is not None  # noqa: S101 - asked for
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_REAP_S):
            await asyncio.gather(_read(process.stdout), _read(process.stderr), process.wait())
    # Nothing public closes the pipes, which a process that has left the session may hold.
    process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    await asyncio.sleep(0)


def _understood(command: str, code: int | None, said: str, complaint: str) -> Kept | None:
    """None: it keeps nothing for the key. Raises HelperFailed."""
    kept = _kept(said)
    if code == 0:
        if kept is None:
            raise HelperFailed(f"{command} gave an answer without Username and Secret")
        return kept if kept.secret else None
    # Docker's own helpers complain on their output.
    line = _first_line(complaint) or ("" if "{" in said else _first_line(said))
    if _NONE_KEPT.match(line):
        return None
    if kept is not None and any(part in line for part in kept.secret.splitlines() if part):
        line = "its message quotes the secret"
    raise HelperFailed(f"{command} failed: {line[:_LONGEST_LINE] or f'exit code {code}'}")


def _kept(said: str) -> Kept | None:
    """None: that is no answer."""
    try:
        told = json.loads(said)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    username, secret = told.get("Username"), told.get("Secret")
    if not isinstance(username, str) or not isinstance(secret, str):
        return None
    return Kept(username, secret)


def _first_line(text: str) -> str:
    """Whole: where it is cut, what it quotes would be too, and not be recognised."""
    line = next((one.strip() for one in text.splitlines() if one.strip()), "")
    return "".join(sign for sign in line if sign.isprintable())
