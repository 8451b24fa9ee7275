"""`python -m tests.properties.sim --seed 7 --steps 100000 [--plant NAME]`."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import time

from tests.properties.sim.driver import Driver, Report
from tests.properties.sim.plants import PLANTS, planted
from tests.virtual_time import VirtualLoop, run


def simulate(seed: int, steps: int, plant: str | None = None) -> Report:
    """One run; the report says what was found."""
    import asyncio

    loop = VirtualLoop()
    asyncio.set_event_loop(loop)

    async def main() -> Report:
        return await Driver(loop, seed).run(steps)

    with planted(plant):
        return run(loop, main())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.properties.sim", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--plant", choices=sorted(PLANTS))
    parser.add_argument("--reasons", action="store_true", help="tell what has happened, how often")
    parser.add_argument("--trace", type=int, default=30, help="steps to show on a violation")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    gc.set_threshold(100_000, 50, 100)  # a quarter of the time goes into looking for rare cycles
    began = time.monotonic()
    report = simulate(args.seed, args.steps, args.plant)
    seconds = time.monotonic() - began
    if args.reasons:
        for reason, times in sorted(report.reasons.items()):
            print(f"{times:8} {reason}")
    if report.violation is not None:
        print("\n".join(report.trace[len(report.trace) - args.trace :]))
        print(f"seed {report.seed}: violation at step {report.steps + 1}: {report.violation}")
        return 1
    print(
        f"seed {report.seed}: {report.steps} steps, {report.settled} fixed points, "
        f"{report.kills} kills, no violation ({report.steps / seconds:.0f} steps/s)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
