"""Sockets in the networks of other processes of this machine, got from a program beside the server.

See `opener` for why it takes one. It is started when it is first needed, and ends with the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from asyncio.subprocess import DEVNULL
from dataclasses import dataclass
from errno import EPERM, ETIMEDOUT
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.network.opener import ANYBODY

if TYPE_CHECKING:
    from asyncio.subprocess import Process

PROGRAM: Final = Path(__file__).with_name("opener.py")
ANSWER_S: Final = 5.0
"""It only makes a socket: one that needs longer is ended."""
ENDED: Final = "the program that makes the sockets has ended"
_MOST_BYTES: Final = 64


class NoAnswer(OSError):
    """The program that makes the sockets has ended."""


@dataclass(frozen=True, slots=True)
class _Opener:
    process: Process
    link: socket.socket


class Namespaces:
    """Of one engine's processes: all that need a user namespace are in one, or below it.

    Loop thread only.
    """

    def __init__(self, program: Path = PROGRAM) -> None:
        self._program = program
        self._opener: _Opener | None = None
        self._turn = asyncio.Lock()

    async def open(
        self, pid: int, family: socket.AddressFamily, owner: int | None = None
    ) -> socket.socket:
        """For TCP, not connected, not blocking; whoever gets it closes it. Raises OSError.

        owner: the user whose namespaces the process is to be in; None: it may be in anybody's.
        Takes a tenth of a millisecond, and 20 the first time.
        """
        async with self._turn:
            is_new = self._opener is None
            request = b"%d %d %d" % (pid, family, ANYBODY if owner is None else owner)
            try:
                return await self._asked(request)
            except NoAnswer:
                if is_new:
                    raise
            return await self._asked(request)

    async def close(self) -> None:
        async with self._turn:
            await self._end()

    async def _asked(self, request: bytes) -> socket.socket:
        try:
            async with asyncio.timeout(ANSWER_S):
                opener = self._opener or await self._start()
                opener.link.send(request)
                await _readable(opener.link)
            content, numbers, _, _ = socket.recv_fds(opener.link, _MOST_BYTES, 1)
        except TimeoutError as error:
            await self._end()
            raise OSError(ETIMEDOUT, f"no socket within {ANSWER_S:g} s") from error
        except ConnectionError as error:
            await self._end()
            raise NoAnswer(EPERM, ENDED) from error
        except BaseException:
            # What was asked for may still come: nobody would know for whom.
            await self._end()
            raise
        if numbers:
            made = socket.socket(fileno=numbers[0])
            made.setblocking(False)
            made.set_inheritable(False)
            return made
        if not content:
            await self._end()
            raise NoAnswer(EPERM, ENDED)
        number = int(content[1:] or EPERM)
        raise OSError(number, os.strerror(number))

    async def _start(self) -> _Opener:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", os.fspath(self._program)),
                    stdin=theirs.fileno(),
                    stdout=DEVNULL,
                    stderr=DEVNULL,
                    env={},
                    start_new_session=True,  # a signal from the terminal is for the server
                )
        except BaseException:
            ours.close()
            raise
        self._opener = _Opener(process, ours)
        return self._opener

    async def _end(self) -> None:
        opener, self._opener = self._opener, None
        if opener is None:
            return
        opener.link.close()
        with contextlib.suppress(ProcessLookupError):
            opener.process.kill()
        await opener.process.wait()


async def _readable(link: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_reader(link, told.set)
    try:
        await told.wait()
    finally:
        loop.remove_reader(link)
