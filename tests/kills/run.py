"""One seed from its first step to its verdict: done, killed, started again, looked at."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.e2e.polling import wait_until
from tests.e2e.ring import READY_S
from tests.kills.account import account
from tests.kills.moments import AT_REST, Fell
from tests.kills.scenarios import Apply
from tests.kills.stage import INTERVAL_S, LOST, Stage
from tests.kills.verdict import durable, final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.kills.moments import Moment
    from tests.kills.records import Records
    from tests.kills.scenarios import Step
    from tests.kills.seeds import Chance
    from tests.kills.stage import Ground

QUIET_S = 2.0 * INTERVAL_S + 0.2
QUIET_WITHIN_S = 8.0


@dataclass(slots=True)
class Past:
    """What a run has seen so far: the verdict's evidence."""

    before: Mapping[str, Any] = field(default_factory=dict)
    """What the engine said of each container before the first step."""
    fell: list[Fell] = field(default_factory=list)
    left: list[Records] = field(default_factory=list)
    """The records that each kill left."""
    meddled: str | None = None
    """The container that somebody ended or removed while no server ran."""
    converged_s: float = 0.0
    """From the start of the last server, before it was ready, until everything was there."""
    steps: list[str] = field(default_factory=list)
    """The engine calls from the first step to the kill, or to the end where there was none."""

    @property
    def disturbances(self) -> int:
        """How many instances were lost without the server's doing."""
        return int(self.meddled is not None)


@dataclass(frozen=True, slots=True)
class Outcome:
    chance: Chance
    past: Past
    took_s: float
    account: str | None
    """Of a run that failed: what was wrong, and everything there is to know."""


def run(ground: Ground, chance: Chance, *, kills: bool = True) -> Outcome:
    """Without kills it is the control: everything else is the same, and must hold too."""
    began = time.monotonic()
    stage = Stage(ground, chance)
    past = Past()
    told: str | None = None
    try:
        _Run(stage, past, chance.moments if kills else ()).play()
    except Exception as problem:  # noqa: BLE001 - whatever ends a run is told, and the others go on
        told = account(stage, past, problem)
    finally:
        stage.close()
    return Outcome(chance, past, time.monotonic() - began, told)


class _Run:
    def __init__(self, stage: Stage, past: Past, moments: tuple[Moment, ...]) -> None:
        self.stage = stage
        self.past = past
        self.scenario = stage.chance.scenario
        self._moments = list(moments)
        self._pending: list[Step] = list(self.scenario.steps)
        self._lost = False
        self._began = 0.0

    def play(self) -> None:
        self._prepare()
        self._began = time.monotonic()
        self.stage.killer.arm(self._next_moment(), self.stage.ring.pid, self.stage.wal)
        while not self._goes_through():
            self._bury()
            self._start()
        self._conclude()

    def _prepare(self) -> None:
        stage, replicas = self.stage, self.scenario.before
        stage.ring.start()
        status, answer = stage.ring.ask("POST", "/namespaces", {"name": stage.namespace})
        assert status == 201, answer
        if replicas:
            stage.apply(Apply(replicas), if_changed=False)
            wait_until(
                lambda: [one["phase"] for one in stage.records().ledger] == ["live"] * replicas,
                30,
                f"{replicas} instances are live",
            )
            self.past.before = stage.inspected()

    def _next_moment(self) -> Moment | None:
        return self._moments.pop(0) if self._moments else None

    def _goes_through(self) -> bool:
        """False: the server was killed. A moment that does not come is made when all is there."""
        stage, killer = self.stage, self.stage.killer
        armed = killer.is_armed
        if not self._take_steps():
            wait_until(stage.ring.is_gone, 5, "the server that does not answer is dead")
        else:
            wait_until(
                lambda: stage.ring.is_gone() or self._is_there(),
                self.scenario.within_s,
                f"{self.scenario.target} instances are there and nothing else",
            )
        self.past.converged_s = time.monotonic() - self._began
        if not self.past.fell:
            self.past.steps = killer.steps
        killer.disarm()
        if killer.fell is not None:
            self.past.fell.append(killer.fell)
            return False
        assert not stage.ring.is_gone(), "the server ended without being killed"
        if armed:
            self.past.fell.append(AT_REST)
        return not armed

    def _take_steps(self) -> bool:
        """Takes those that are left; False: the answer of the next one got lost."""
        while self._pending:
            try:
                self.stage.take(self._pending[0], again=self._lost)
            except LOST:
                self._lost = True
                return False
            self._pending.pop(0)
            self._lost = False
        return True

    def _is_there(self) -> bool:
        """What is wanted, all of it, and nothing else."""
        try:
            rows = self.stage.rows()
        except LOST:
            return False
        wanted = self.scenario.target
        if not wanted:
            return not rows and not self.stage.containers()
        if [row["status"] for row in rows] != ["running"] or len(rows[0]["instances"]) != wanted:
            return False
        containers = self.stage.containers()
        return [one.state for one in containers] == ["running"] * wanted and not (
            {self.stage.victim, self.past.meddled} & {one.id for one in containers}
        )

    def _bury(self) -> None:
        """The server is dead: what it left, and what somebody does before the next one."""
        stage = self.stage
        stage.killer.disarm()
        stage.ring.kill()
        left = stage.left_behind()
        self.past.left.append(left)
        durable(stage, self.past, left)
        if self.past.meddled is None:
            self.past.meddled = stage.meddle()

    def _start(self) -> None:
        stage = self.stage
        self._began = time.monotonic()
        stage.ring.spawn()
        stage.killer.arm(self._next_moment(), stage.ring.pid, stage.wal)
        wait_until(stage.ring.is_ready_or_gone, READY_S, "the server is ready")

    def _conclude(self) -> None:
        stage = self.stage
        if self.scenario.target:
            rows = stage.rows()
            assert stage.apply(self.scenario.last, if_changed=True)["id"] == rows[0]["id"], (
                "replaced again"
            )
        self._await_quiet()
        shown = stage.rows()
        assert stage.ring.stop() == 0, "the server did not end in order"
        problems = final(stage, self.past, shown)
        assert not problems, "\n".join(problems)

    def _await_quiet(self) -> None:
        """Nothing is written for two sweeps: not to a row, not an event, not a byte."""
        stamp, since = self.stage.wal.stat(), time.monotonic()

        def is_quiet() -> bool:
            nonlocal stamp, since
            now = self.stage.wal.stat()
            if (now.st_size, now.st_mtime_ns) != (stamp.st_size, stamp.st_mtime_ns):
                stamp, since = now, time.monotonic()
            return time.monotonic() - since > QUIET_S

        wait_until(is_quiet, QUIET_WITHIN_S, f"nothing is written for {QUIET_S:g} s")
