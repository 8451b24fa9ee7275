#!/usr/bin/env python3
"""P1: apply to running, one replica on its namespace network, against a raw create and start.

Ours is clocked from the first byte of POST /deployments, the floor from that of the create; both
end at the engine's State.StartedAt. On Docker, or with `--engine containerd` on containerd, where
the figure is called P1.containerd, the floor is a plain client of its API with the same plugins,
and the end is the time of the shim's event that the task has started.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import rig
from bench.figures import Pair, show

if TYPE_CHECKING:
    from bench.stand import Stand

SAMPLES = 20


def measure(stand: Stand) -> None:
    """Warms both sides up once, then takes the pairs, the first place changing each time."""
    deployment, _ = stand.apply("warm-up")
    body = stand.twin(stand.await_running(deployment))
    stand.delete(deployment)
    floor(stand, body)
    pairs = []
    for number in range(SAMPLES):
        if number % 2:
            floor_ms = floor(stand, body)
            pairs.append(Pair(ours(stand, number), floor_ms))
        else:
            pairs.append(Pair(ours(stand, number), floor(stand, body)))
    show("P1" if stand.runtime == "docker" else f"P1.{stand.runtime}", pairs)


def ours(stand: Stand, number: int) -> float:
    with stand.events("ring_deployment") as events:
        deployment, sent_at = stand.apply(f"apply-{number}")
        container = rig.first(
            event.container
            for event in events
            if event.action == "start" and event.attributes["ring_deployment"] == deployment
        )
    stand.await_running(deployment)
    elapsed_ms = (stand.started_at(container) - sent_at) * 1000
    stand.delete(deployment)
    return elapsed_ms


def floor(stand: Stand, body: object) -> float:
    stand.ping()
    sent_at = time.time()
    container = stand.create_and_start(body)
    elapsed_ms = (stand.started_at(container) - sent_at) * 1000
    stand.remove(container)
    return elapsed_ms


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=rig.RUNTIMES, default="docker")
    sys.exit(rig.run(__file__, measure, parser.parse_args().engine))
