"""One seed of an apply, a scale, a crash or a delete."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.e2e.polling import wait_until
from tests.kills.account import account
from tests.kills.outcome import Outcome, Past
from tests.kills.play import Play
from tests.kills.scenarios import Apply, Step
from tests.kills.stage import Stage
from tests.kills.verdict import durable, final

if TYPE_CHECKING:
    from tests.kills.moments import Moment
    from tests.kills.place import Ground, Row
    from tests.kills.records import Records
    from tests.kills.seeds import Chance


def run(ground: Ground, chance: Chance, *, kills: bool = True) -> Outcome:
    """Without kills it is the control: everything else is the same, and must hold too."""
    began = time.monotonic()
    stage = Stage(ground, chance)
    past = Past()
    told: str | None = None
    try:
        _Play(stage, past, chance.moments if kills else ()).play()
    except Exception as problem:  # noqa: BLE001 - whatever ends a run is told, and the others go on
        told = account(stage, past, problem)
    finally:
        stage.close()
    return Outcome(
        chance.seed,
        chance.scenario.name,
        chance.meddling.value,
        past,
        time.monotonic() - began,
        told,
    )


class _Play(Play[Step]):
    def __init__(self, stage: Stage, past: Past, moments: tuple[Moment, ...]) -> None:
        self.stage = stage
        self.scenario = stage.chance.scenario
        self.within_s = self.scenario.within_s
        self.awaited = f"{self.scenario.target} instances are there and nothing else"
        super().__init__(stage.place, past, self.scenario.steps, moments)

    def prepare(self) -> None:
        stage, replicas = self.stage, self.scenario.before
        stage.place.start()
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

    def take(self, step: Step, *, again: bool) -> None:
        self.stage.take(step, again=again)

    def is_there(self) -> bool:
        rows = self.stage.rows()
        wanted = self.scenario.target
        if not wanted:
            return not rows and not self.stage.containers()
        if [row["status"] for row in rows] != ["running"] or len(rows[0]["instances"]) != wanted:
            return False
        containers = self.stage.containers()
        return [one.state for one in containers] == ["running"] * wanted and not (
            {self.stage.victim, self.past.meddled} & {one.id for one in containers}
        )

    def after_kill(self, left: Records) -> None:
        durable(self.stage, self.past, left)
        if self.past.meddled is None:
            self.past.meddled = self.stage.meddle()

    def before_quiet(self) -> None:
        if self.scenario.target:
            (row,) = self.stage.rows()
            again = self.stage.apply(self.scenario.last, if_changed=True)
            assert again["id"] == row["id"], "replaced again"

    def written(self) -> object:
        """Not to a row, not an event, not a byte."""
        stat = self.stage.wal.stat()
        return stat.st_size, stat.st_mtime_ns

    def problems(self, shown: list[Row]) -> list[str]:
        return final(self.stage, self.past, shown)
