#!/usr/bin/env python3
"""P3: SIGKILL of a workload to its replacement running.

The floor is a raw client that waits for `die`, then creates and starts a new container of the same
image on the same network; beside it the engine's own `restart=always`. All are clocked from the
signal to the engine's State.StartedAt. On Docker, or with `--engine podman` on Podman, where the
figures are called P3.podman; with `--engine containerd` on containerd (P3.containerd), whose floor
is a plain client of its API with the same plugins, and which restarts nothing itself.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


from bench import rig
from bench.figures import Pair, show
from bench.measures import show_fact

if TYPE_CHECKING:
    from scripts.lib.engine_http import Event

    from bench.stand import Stand

SAMPLES = 20
LIMIT_MS = 1000
"""Whatever the engine's own start takes, a crashed workload runs again within a second."""


def measure(stand: Stand) -> None:
    """Warms all sides up once, then takes the samples, the first place changing each time."""
    deployment, _ = stand.apply("warm-up")
    body = stand.twin(stand.await_running(deployment))
    stand.delete(deployment)
    floor(stand, body)
    if isinstance(stand, rig.Bench):
        restarted(stand, body)
    against_raw, against_restart = [], []
    for number in range(SAMPLES):
        ours_ms = ours(stand, number) if number % 2 == 0 else None
        floor_ms = floor(stand, body)
        restart_ms = restarted(stand, body) if isinstance(stand, rig.Bench) else None
        if ours_ms is None:
            ours_ms = ours(stand, number)
        against_raw.append(Pair(ours_ms, floor_ms))
        if restart_ms is not None:
            against_restart.append(Pair(ours_ms, restart_ms))
    goal = "P3" if stand.runtime == "docker" else f"P3.{stand.runtime}"
    show(goal, against_raw)
    if against_restart:
        show(f"{goal}.restart_always", against_restart)
    slowest = max(pair.ours_ms for pair in against_raw)
    show_fact(f"{goal}.slowest", ours_ms=round(slowest, 1), limit_ms=LIMIT_MS, n=SAMPLES)


def ours(stand: Stand, number: int) -> float:
    """A deployment of its own for each sample: only a first death is healed without a wait."""
    deployment, _ = stand.apply(f"heal-{number}")
    victim = stand.await_running(deployment)
    label = f"ring_deployment={deployment}"
    with stand.events(label) as events:
        killed_at = stand.crash(victim)
        replacement = rig.first(
            e.container for e in events if e.action == "start" and e.container != victim
        )
    elapsed_ms = (stand.started_at(replacement) - killed_at) * 1000
    stand.delete(deployment)
    return elapsed_ms


def floor(stand: Stand, body: Any) -> float:
    victim = stand.create_and_start(body)
    with stand.events() as events:
        killed_at = stand.crash(victim)
        rig.first(e.container for e in events if is_about(e, "die", victim))
        replacement = stand.create_and_start(body)
    elapsed_ms = (stand.started_at(replacement) - killed_at) * 1000
    stand.remove(victim)
    stand.remove(replacement)
    return elapsed_ms


def restarted(stand: rig.Bench, body: dict[str, Any]) -> float:
    policy = {"Name": "always", "MaximumRetryCount": 0}
    host = {**body["HostConfig"], "RestartPolicy": policy}
    container = stand.create_and_start({**body, "HostConfig": host})
    with stand.events() as events:
        killed_at = stand.crash(container)
        rig.first(e.container for e in events if is_about(e, "die", container))
        rig.first(e.container for e in events if is_about(e, "start", container))
    elapsed_ms = (stand.started_at(container) - killed_at) * 1000
    stand.remove(container)
    return elapsed_ms


def is_about(event: Event, action: str, container: str) -> bool:
    return event.action == action and event.container == container


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=rig.RUNTIMES, default="docker")
    sys.exit(rig.run(__file__, measure, parser.parse_args().engine))
