"""One seed from its first step to its verdict: done, killed, started again, looked at."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from tests.e2e.polling import wait_until
from tests.kills.moments import AT_REST
from tests.kills.place import INTERVAL_S, LOST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.kills.moments import Moment
    from tests.kills.outcome import Past
    from tests.kills.place import Place, Row
    from tests.kills.records import Records

QUIET_S = 2.0 * INTERVAL_S + 0.2
QUIET_WITHIN_S = 10.0

Step = TypeVar("Step")


class Play(ABC, Generic[Step]):
    """What every kind of seed has in common. What differs is asked of the subclass."""

    within_s: float
    """From the last step until all is there."""
    awaited: str
    """What is there then, to the reader of a failure."""

    def __init__(
        self, place: Place, past: Past, steps: Sequence[Step], moments: Sequence[Moment]
    ) -> None:
        self.place = place
        self.past = past
        self._moments = list(moments)
        self._pending = list(steps)
        self._lost = False
        self._began = 0.0

    @abstractmethod
    def prepare(self) -> None:
        """Starts the server, and makes what the first step finds."""

    @abstractmethod
    def take(self, step: Step, *, again: bool) -> None:
        """`again`: its answer got lost, and it may have been accepted.

        Raises OSError or HTTPException where the server ends meanwhile.
        """

    @abstractmethod
    def is_there(self) -> bool:
        """What is wanted, all of it, and nothing else. Raises what a lost answer does."""

    @abstractmethod
    def after_kill(self, left: Records) -> None:
        """Judges what a dead server left; what somebody does before the next one."""

    def before_quiet(self) -> None:
        """All is there: what is asked of the server once more."""

    @abstractmethod
    def written(self) -> object:
        """Something that is equal as long as nothing is written that matters."""

    @abstractmethod
    def problems(self, shown: list[Row]) -> list[str]:
        """Of the verdict, the server being over."""

    def play(self) -> None:
        self.prepare()
        self._arm()
        while not self._goes_through():
            self._bury()
            self.place.ring.spawn()
            self._arm()
            self.place.await_ready()
        self._conclude()

    def _arm(self) -> None:
        place = self.place
        moment = self._moments.pop(0) if self._moments else None
        self._began = time.monotonic()
        place.killer.arm(moment, place.ring.pid, place.wal)

    def _goes_through(self) -> bool:
        """False: the server was killed. A moment that does not come is made when all is there."""
        ring, killer = self.place.ring, self.place.killer
        if not self._take_steps():
            wait_until(ring.is_gone, 5, "the server that does not answer is dead")
        else:
            wait_until(lambda: ring.is_gone() or self._is_there(), self.within_s, self.awaited)
        self.past.converged_s = time.monotonic() - self._began
        if not self.past.fell:
            self.past.steps = killer.steps
        was_armed = killer.is_armed
        killer.disarm()
        if killer.fell is not None:
            self.past.fell.append(killer.fell)
            return False
        assert not ring.is_gone(), "the server ended without being killed"
        if was_armed:
            self.past.fell.append(AT_REST)
        return not was_armed

    def _take_steps(self) -> bool:
        """Takes those that are left; False: the answer of the next one got lost."""
        while self._pending:
            try:
                self.take(self._pending[0], again=self._lost)
            except LOST:
                self._lost = True
                return False
            self._pending.pop(0)
            self._lost = False
        return True

    def _is_there(self) -> bool:
        try:
            return self.is_there()
        except LOST:
            return False

    def _bury(self) -> None:
        self.place.killer.disarm()
        self.place.ring.kill()
        left = self.place.left_behind()
        self.past.left.append(left)
        self.after_kill(left)

    def _conclude(self) -> None:
        self.before_quiet()
        wait_until(unchanged(self.written), QUIET_WITHIN_S, f"nothing is written for {QUIET_S:g} s")
        shown = self.place.rows()
        assert self.place.ring.stop() == 0, "the server did not end in order"
        problems = self.problems(shown)
        assert not problems, "\n".join(problems)


def unchanged(look: Callable[[], object]) -> Callable[[], bool]:
    """Whether every look since QUIET_S ago was equal; to be called again and again."""
    before, since = look(), time.monotonic()

    def is_quiet() -> bool:
        nonlocal before, since
        now = look()
        if now != before:
            before, since = now, time.monotonic()
        return time.monotonic() - since > QUIET_S

    return is_quiet
