"""Programs that run one after the other in a thread, until somebody gives up on them.

One thread for all of a chain: to go back to the loop between any two would take longer than some of
them do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

_T = TypeVar("_T")


class GivenUp(Exception):
    """Nobody waits any more."""


class Programs:
    """What one call runs."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._is_given_up = False

    def run(
        self, program: str, environment: Mapping[str, str], given: bytes, deadline_s: float
    ) -> tuple[int, bytes, bytes]:
        """Its code, and what it has written to its output and its errors. Blocks.

        Killed with all that it has started when it takes longer. Raises TimeoutError, OSError,
        GivenUp.
        """
        with self._turn:
            if self._is_given_up:
                raise GivenUp
            process = self._running = subprocess.Popen(  # noqa: S603 - a plugin, found by its name
                [program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        try:
            out, err = process.communicate(given, deadline_s)
        except subprocess.TimeoutExpired as error:
            self._kill(process)
            process.communicate()
            raise TimeoutError from error
        finally:
            with self._turn:
                self._running = None
        if self._is_given_up:
            raise GivenUp
        return process.returncode, out, err

    def give_up(self) -> None:
        with self._turn:
            self._is_given_up = True
            if self._running is not None:
                self._kill(self._running)

    @staticmethod
    def _kill(process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def in_thread(work: Callable[[Programs], _T], pool: Executor | None = None) -> _T:
    """What the work returns or raises. When it is cancelled, its program is killed, and has ended
    when this ends. None: the loop's own pool."""
    programs = Programs()
    running = asyncio.get_running_loop().run_in_executor(pool, work, programs)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        programs.give_up()
        await asyncio.wait((running,))
        if not running.cancelled():
            running.exception()  # looked at: what it has failed with is of no interest
        raise
