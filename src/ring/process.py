"""What the server asks of its own process: files, signals, and no trace of its memory."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import resource
import signal

log = logging.getLogger("ring.server")

REFUSING = "Refusing to start:"
"""Begins the one line that a start ends with which cannot be."""

_PR_SET_DUMPABLE = 4


def open_more_files() -> None:
    """Every connection, to a client or to an engine, is one: as many as may be, not as many as is
    usual. Where that is refused, what was allowed before is counted with (ring.api.capacity)."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def leave_no_core() -> None:
    """A core file would hold the key and every secret in use. Where a program takes cores, the
    limit means nothing to the kernel; there the process must not be dumpable."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        log.warning("this process may leave a core: prctl: %s", os.strerror(ctypes.get_errno()))


def stop_on_signals(stop: asyncio.Event) -> None:
    """The first one ends the server in order, the second at once. SIGHUP means nothing."""
    loop = asyncio.get_running_loop()

    def received(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        log.info("shutdown signal received, draining in-flight requests")
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received, number)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
