"""When a server is killed: at one of its engine calls, at a write, or after a while."""

from __future__ import annotations

import os
import re
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.proxy import EngineProxy, Fate

if TYPE_CHECKING:
    from tests.e2e.proxy import Call

LOOK_S = 0.001
_SWEEPS = re.compile(r"^GET /(containers/json|events)\b")
_ID = re.compile(r"/(containers|networks|images)/(?!create|json).+?(?=/(?:json|start|stop)|$)")


@dataclass(frozen=True, slots=True)
class AtCall:
    """At the n-th call to the engine, sweeps apart: it never hears of it, or has done it."""

    number: int
    after: bool


@dataclass(frozen=True, slots=True)
class AtWrite:
    """When the database's log is seen to change for the n-th time."""

    number: int


@dataclass(frozen=True, slots=True)
class AfterDelay:
    ms: int


Moment = AtCall | AtWrite | AfterDelay


@dataclass(frozen=True, slots=True)
class Fell:
    """Where a kill fell."""

    place: str
    """The same for all kills at the like place."""
    exactly: str
    call: Call | None = None


AT_REST = Fell("at rest", "at rest: the moment did not come")


def is_sweep(call: Call) -> bool:
    """Comes with the time, not with what is being done."""
    return _SWEEPS.match(f"{call}") is not None


def step_of(call: Call) -> str:
    """The call without the names in it."""
    named = _ID.sub(r"/\1/*", call.path.partition("?")[0])
    return f"{call.method} {named}"


class Killer:
    """The proxy before a server's engine, and the end of that server. Armed for one kill a time."""

    def __init__(self, engine: Path, path: Path) -> None:
        self.fell: Fell | None = None
        self.steps: list[str] = []
        """The calls since it was armed, sweeps apart."""
        self._lock = threading.Lock()
        self._moment: Moment | None = None
        self._pid = 0
        self._wal = Path()
        self._off = threading.Event()
        self._watcher: threading.Thread | None = None
        self._withheld = 0
        self.proxy = EngineProxy(engine, path, self._decide, self._answered)

    def arm(self, moment: Moment | None, pid: int, wal: Path) -> None:
        """Counts from now on. None: only counts."""
        self.fell = None
        self.steps = []
        self._off = threading.Event()
        self._withheld = 0
        with self._lock:
            self._pid, self._wal, self._moment = pid, wal, moment
        if isinstance(moment, (AfterDelay, AtWrite)):
            watch = self._wait if isinstance(moment, AfterDelay) else self._watch
            self._watcher = threading.Thread(target=watch, args=(moment, self._off), daemon=True)
            self._watcher.start()

    @property
    def is_armed(self) -> bool:
        return self._moment is not None

    def disarm(self) -> None:
        """Kills nothing any more. May be repeated."""
        with self._lock:
            self._moment = None
        self._off.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None

    def _fire(self, moment: Moment, fell: Fell) -> None:
        with self._lock:
            if self._moment is not moment:
                return
            os.kill(self._pid, signal.SIGKILL)
            self._moment = None
            self.fell = fell

    # calls
    def _decide(self, call: Call) -> Fate:
        if is_sweep(call):
            return Fate.PASS
        with self._lock:
            self.steps.append(step_of(call))
            number, moment = len(self.steps), self._moment
        if not isinstance(moment, AtCall) or moment.number != number:
            return Fate.PASS
        if moment.after:
            self._withheld = call.number
            return Fate.MUTE
        self._fire(moment, _at(moment, call))
        return Fate.CUT

    def _answered(self, call: Call) -> None:
        moment = self._moment
        if isinstance(moment, AtCall) and call.number == self._withheld:
            self._fire(moment, _at(moment, call))

    # the rest
    def _wait(self, moment: AfterDelay, off: threading.Event) -> None:
        if not off.wait(moment.ms / 1000):
            self._fire(moment, Fell("after a while", f"after {moment.ms} ms"))

    def _watch(self, moment: AtWrite, off: threading.Event) -> None:
        before, met = _stamp(self._wal), 0
        while met < moment.number and not off.wait(LOOK_S):
            now = _stamp(self._wal)
            met += now != before
            before = now
        if met >= moment.number:
            self._fire(moment, Fell("at a write", f"at write {moment.number}"))


def _at(moment: AtCall, call: Call) -> Fell:
    when = "after" if moment.after else "before"
    return Fell(f"{when} {step_of(call)}", f"{when} call {moment.number}: {step_of(call)}", call)


def _stamp(wal: Path) -> tuple[int, int]:
    try:
        found = wal.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
