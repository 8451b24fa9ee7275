"""One seed of rolling updates."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.kills.outcome import Outcome, Past
from tests.kills.play import Play
from tests.kills.rolling.account import account
from tests.kills.rolling.stage import STEPS, Apply, Stage
from tests.kills.rolling.verdict import durable, final

if TYPE_CHECKING:
    from tests.kills.moments import Moment
    from tests.kills.place import Ground, Row
    from tests.kills.records import Records
    from tests.kills.rolling.seeds import Chance

TITLE = "rolling"


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
        stage.place.close()
    return Outcome(chance.seed, TITLE, chance.fault.value, past, time.monotonic() - began, told)


class _Play(Play[Apply]):
    within_s = 120.0
    awaited = "the good ones have rolled, the broken one has failed"

    def __init__(self, stage: Stage, past: Past, moments: tuple[Moment, ...]) -> None:
        self.stage = stage
        super().__init__(stage.place, past, STEPS, moments)

    def prepare(self) -> None:
        self.stage.prepare()

    def take(self, step: Apply, *, again: bool) -> None:
        self.stage.take(step, again=again)

    def is_there(self) -> bool:
        return self.stage.is_there()

    def after_kill(self, left: Records) -> None:
        durable(self.stage, self.past, left)

    def written(self) -> object:
        """What checks find is left out."""
        return self.place.records()

    def problems(self, shown: list[Row]) -> list[str]:
        return final(self.stage, self.past, shown)
