"""`scripts/kills [--seeds 1-20,77]`: a line for each seed, then the totals."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.kills.place import ground
from tests.kills.private import run_inside
from tests.kills.rolling import run as rolling
from tests.kills.rolling import seeds as rolling_seeds
from tests.kills.run import run
from tests.kills.scenarios import SCENARIOS
from tests.kills.seeds import KEPT, TURN, chance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.kills.outcome import Outcome
    from tests.kills.place import Ground

JOBS = 6
"""More than there are cores: half of a run is waiting for quiet."""
DRIFT = 3
"""Calls more or less than a scenario says; what goes on side by side is not always the same."""


def numbers(text: str) -> list[int]:
    """`1-3,7` are 1, 2, 3 and 7."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/kills", description=__doc__)
    parser.add_argument(
        "--seeds", type=numbers, default=[*KEPT, *rolling_seeds.KEPT], help="such as 1-20,77"
    )
    parser.add_argument("--jobs", type=int, default=JOBS, help="how many at a time")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if "RING_TEST_DOCKER_HOST" not in os.environ:
        return run_inside(sys.argv[1:])
    began = time.monotonic()
    with ground(os.environ) as where:
        wrong, outcomes = _play(where, args.seeds, args.jobs)
    failed = [outcome for outcome in outcomes if outcome.account is not None]
    for text in wrong:
        print(f"\n{text}")
    _totals("scenario", outcomes, lambda one: [one.title])
    _totals("place", outcomes, lambda one: [fell.place for fell in one.past.fell])
    kills = sum(len(outcome.past.fell) for outcome in outcomes)
    names = " ".join(str(outcome.seed) for outcome in failed)
    print(
        f"\n{len(outcomes)} seeds, {kills} kills, {time.monotonic() - began:.0f} s; "
        f"failed: {names or 'none'}{' and what is said above' if wrong else ''}"
    )
    return 1 if failed or wrong else 0


def _play(where: Ground, seeds: Sequence[int], jobs: int) -> tuple[list[str], list[Outcome]]:
    """What is wrong without a kill, and how each seed ended."""
    wrong: list[str] = []
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for outcome in pool.map(
                lambda seed: run_seed(where, seed, kills=False), _controls(seeds)
            ):
                wrong += _control(outcome)
            for outcome in pool.map(lambda seed: run_seed(where, seed), seeds):
                print("\n".join([_line(outcome), *filter(None, [outcome.account])]), flush=True)
                outcomes.append(outcome)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return wrong, outcomes


def run_seed(where: Ground, seed: int, *, kills: bool = True) -> Outcome:
    """Those from FIRST on roll."""
    if seed >= rolling_seeds.FIRST:
        return rolling.run(where, rolling_seeds.chance(seed), kills=kills)
    return run(where, chance(seed), kills=kills)


def _controls(seeds: Sequence[int]) -> list[int]:
    """One for each scenario that is met."""
    rolls = [rolling_seeds.FIRST] if max(seeds) >= rolling_seeds.FIRST else []
    scenarios = {chance(seed).scenario.name for seed in seeds if seed < rolling_seeds.FIRST}
    return [*(1 + TURN.index(name) for name in sorted(scenarios)), *rolls]


def _control(outcome: Outcome) -> list[str]:
    """What nothing disturbs must hold, and a scenario make as many calls as it says."""
    made = len(outcome.past.steps)
    if outcome.account is not None:
        return [f"without a kill: {outcome.account}"]
    print(
        f"      {outcome.title:<20}{outcome.past.converged_s:>6.1f} s  {made} engine calls, no kill"
    )
    if outcome.seed >= rolling_seeds.FIRST:
        return []  # how often what exits is tried again is a matter of time
    said = SCENARIOS[outcome.title].calls
    if abs(made - said) > DRIFT:
        return [f"{outcome.title} makes {made} engine calls, not {said}: say so there"]
    return []


def _line(outcome: Outcome) -> str:
    kills = ", then ".join(fell.exactly for fell in outcome.past.fell)
    note = f" [{outcome.note}]" if outcome.note else ""
    verdict = "ok" if outcome.account is None else "FAILED"
    return (
        f"{outcome.seed:>4}  {outcome.title:<20}"
        f"{outcome.past.converged_s:>6.1f} s  {verdict:<6}  {kills}{note}"
    )


def _totals(
    title: str, outcomes: Sequence[Outcome], keys: Callable[[Outcome], Iterable[str]]
) -> None:
    met: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    slowest: dict[str, float] = {}
    for outcome in outcomes:
        for key in keys(outcome):
            met[key] += 1
            failed[key] += outcome.account is not None
            slowest[key] = max(slowest.get(key, 0.0), outcome.past.converged_s)
    print(f"\n{title:<48}{'kills' if title == 'place' else 'seeds':>6}{'failed':>8}{'slowest':>10}")
    for key in sorted(met):
        print(f"{key:<48}{met[key]:>6}{failed[key]:>8}{slowest[key]:>8.1f} s")


if __name__ == "__main__":
    sys.exit(main())
