"""Looks at every deployment in turn until each wait has ended, or time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.cli.failures import INTERRUPTED, TIMED_OUT, CommandFailed, Unreachable
from ring.cli.polling import polling
from ring.cli.terminal import GREEN, RED
from ring.cli.text import printable
from ring.cli.waiting.showing import Live, Plain
from ring.cli.waiting.watch import Sight, Trouble, Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ring.cli.session import Session
    from ring.cli.waiting.subject import Goal, Subject

POLL_S = 0.5


def wait(session: Session, subjects: Iterable[Subject], goal: Goal, timeout_s: float) -> int:
    """The exit code: of the first deployment that failed, 124 when time was up, 130 by Ctrl-C."""
    with polling(session) as client:
        waiting = _Waiting(session, [Watch(client, one, goal) for one in subjects], timeout_s)
        try:
            return waiting.run()
        except KeyboardInterrupt:
            session.err.line("Interrupted: what was asked for goes on without this command")
            return INTERRUPTED


class _Waiting:
    def __init__(self, session: Session, watches: list[Watch], timeout_s: float) -> None:
        self._session = session
        self._watches = watches
        self._timeout_s = timeout_s
        self._ends = session.now() + timeout_s
        self._sights: dict[Watch, Sight] = {}
        self._is_away = False

    def run(self) -> int:
        kind = Live if self._session.out.is_terminal and not self._session.json else Plain
        with kind(self._session, [watch.subject for watch in self._watches]) as display:
            for watch, sight in self._looks():
                if sight.code is None or kind is Live:  # else it is told at the end
                    display.show(watch.subject, sight.text)
        return self._tell()

    def _looks(self) -> Iterator[tuple[Watch, Sight]]:
        while True:
            for watch in self._open():
                sight = self._look(watch)
                if sight is not None:
                    self._sights[watch] = sight
                    yield watch, sight
            left = self._ends - self._session.now()
            if not self._open() or left <= 0:
                return
            self._session.pause(min(POLL_S, left))

    def _open(self) -> list[Watch]:
        return [watch for watch in self._watches if not self._has_ended(watch)]

    def _has_ended(self, watch: Watch) -> bool:
        return watch in self._sights and self._sights[watch].code is not None

    def _look(self, watch: Watch) -> Sight | None:
        """None while the server is away, which a restart of it is: said once, and outlasted."""
        try:
            sight = watch.look()
        except (Unreachable, Trouble) as failure:
            if not self._is_away:
                self._session.err.line(f"{printable(failure.message)}; waiting on")
            self._is_away = True
            return None
        except CommandFailed as failure:
            return Sight(failure.message.removeprefix("error: "), failure.code, is_refusal=True)
        self._is_away = False
        return sight

    def _tell(self) -> int:
        codes = [self._tell_of(watch) for watch in self._watches]
        return next(filter(None, codes), 0)

    def _tell_of(self, watch: Watch) -> int:
        sight = self._sights.get(watch)
        name = f"Deployment '{watch.subject}'"
        if sight is None or sight.code is None:
            last = f": {sight.text}" if sight else ""
            self._session.err.line(
                printable(f"error: {name} not there after {self._timeout_s:g} s{last}"), RED
            )
            return TIMED_OUT
        if sight.code:
            said = sight.text if sight.is_refusal else f"{name} {sight.text}"
            self._session.err.line(printable(f"error: {said}"), RED)
            for line in sight.details:
                self._session.err.line(printable(f"  {line}"))
        elif not self._session.json:
            self._session.print(f"{name} {sight.text}", GREEN)
        return sight.code
