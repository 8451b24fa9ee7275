"""A server that is killed at one step of an instance's life after the other.

A step is whatever leaves the process: a call of containerd, of a keeper, a plugin, work on files.
Each life is led by a process of its own, which ends as if by SIGKILL, before the step or amid it.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import threading
import time
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from ring.network.cni.programs import Programs
from ring.network.keeper.link import Link
from ring.runtimes.containerd.client import Client
from ring.runtimes.containerd.logs.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

AMID_S = 0.003
"""Long enough for a request to be on its way, and short for most answers."""


class Steps:
    """Counts them, and kills this process at one of them."""

    def __init__(self, fatal: int, *, amid: bool) -> None:
        """fatal: counted from 1; 0: none is."""
        self.count = 0
        self._fatal = fatal
        self._amid = amid

    def met(self, what: str) -> bool:
        """True: this process is to be killed while it is done."""
        self.count += 1
        if self.count != self._fatal:
            return False
        print(f"step {self.count}, {'amid' if self._amid else 'before'} {what}", flush=True)
        if not self._amid:
            _die()
        return True

    @contextmanager
    def counted(self) -> Iterator[None]:
        with (
            mock.patch.object(Client, "call", self._awaited(Client.call)),
            mock.patch.object(Link, "ask", self._awaited(Link.ask)),
            mock.patch.object(Channel, "ask", self._awaited(Channel.ask)),
            mock.patch.object(asyncio, "to_thread", self._awaited(asyncio.to_thread)),
            mock.patch.object(Programs, "run", self._blocking(Programs.run)),
        ):
            yield

    def _awaited(self, step: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(step)
        async def counted(*args: Any, **named: Any) -> Any:
            if self.met(_name(step, args)):
                asyncio.get_running_loop().call_later(AMID_S, _die)
            return await step(*args, **named)

        return counted

    def _blocking(self, step: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(step)
        def counted(*args: Any, **named: Any) -> Any:
            if self.met(_name(step, args)):
                threading.Timer(AMID_S, _die).start()
            return step(*args, **named)

        return counted


def in_process(work: Callable[[], Awaitable[None]]) -> int:
    """The exit status of a process that does this; -9: it was killed."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            asyncio.run(_done(work))
            code = 0
        except BaseException:  # noqa: BLE001 - this process ends here, whatever it is
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


async def _done(work: Callable[[], Awaitable[None]]) -> None:
    await work()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(1)  # until it is true


def _name(step: Callable[..., Any], args: tuple[Any, ...]) -> str:
    subject = args[1] if len(args) > 1 else args[0]
    told = getattr(subject, "path", subject)
    return f"{step.__qualname__} {getattr(told, '__qualname__', told)}"[:120]
