#!/usr/bin/env python3
"""P11: what it costs the processor to take the metrics of 50 instances.

The floor is `GET /containers/{id}/stats?stream=false` of all of them at once by a raw client, twice
where the answer has one reading only, of which nobody can tell a share of the processor. Both are
counted the same way: the time that the client (Ring, or the raw one) and all processes of the
engine use from the first byte to the last, in every thread, by the kernel's clocks of those
processes; what they use of themselves in the meantime is in it. A look of Ring's is the mean of
many, as one alone is shorter than the noise of an engine.

On Docker (dockerd, containerd, the shims), or with `--engine podman` on Podman (its service), where
the figures are called P11.cost.podman. `.engine` is the engine's own part of both; it has no limit.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import fleet, rig, servers
from bench.measures import show_ratio

INSTANCES = 50
LIMIT = 0.02


def measure(stand: rig.Bench) -> None:
    with servers.taken_over(stand) as server, fleet.running(stand, server, INSTANCES):
        server.end(signal.SIGTERM)
        from bench import costs  # Ring is installed where the rig runs this again

        found = costs.counted(stand, server.database, INSTANCES)
    goal = "P11.cost" if stand.runtime == "docker" else f"P11.cost.{stand.runtime}"
    show_ratio(goal, found.pairs, "cpu_ms", limit=LIMIT)
    show_ratio(f"{goal}.engine", found.engines, "cpu_ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=rig.HOSTS, default="docker")
    sys.exit(rig.run(__file__, measure, parser.parse_args().engine))
