"""This process's terminal as another program is to have it: every key goes there, and its size."""

from __future__ import annotations

import contextlib
import os
import signal
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_DEADLY = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class TerminalSize(NamedTuple):
    rows: int
    columns: int


def size_of(descriptor: int) -> TerminalSize | None:
    """None: it is no terminal, or has no size."""
    try:
        columns, rows = os.get_terminal_size(descriptor)
    except OSError:
        return None
    return TerminalSize(rows, columns) if rows and columns else None


@contextmanager
def raw(descriptor: int) -> Iterator[None]:
    """No key means anything here. It is as it was on leaving, also when a signal ends us."""
    before = termios.tcgetattr(descriptor)

    def restore(when: int = termios.TCSANOW) -> None:
        with contextlib.suppress(termios.error):  # there is no terminal any more
            termios.tcsetattr(descriptor, when, before)

    with restored(restore):
        try:
            tty.setraw(descriptor)
            yield
        finally:
            restore(termios.TCSADRAIN)


@contextmanager
def restored(restore: Callable[[], None]) -> Iterator[None]:
    """Calls it when a signal ends us, at any point of what we do, and lets it end us then."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        restore()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        raise SystemExit(128 + number)

    handlers = {number: signal.signal(number, end) for number in _DEADLY}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def told_of_resizes() -> Iterator[int]:
    """A descriptor that can be read when the terminal has another size."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    handler = signal.signal(signal.SIGWINCH, lambda _number, _frame: None)
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGWINCH, handler)
        os.close(reading)
        os.close(writing)
