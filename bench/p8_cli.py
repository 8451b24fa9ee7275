#!/usr/bin/env python3
"""P8: how long `ring --version` and `ring deployment list` take, from exec to exit.

The floor is the same interpreter importing argparse and json; for the list it also makes one
http.client round trip, to the same path with the same token.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import rig, servers
from bench.figures import Pair, show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SAMPLES = 40
RING = str(Path(sys.executable).parent / "ring")
IMPORTS = "import argparse, json"
ROUND_TRIP = """
import argparse, http.client, json, os
client = http.client.HTTPConnection("127.0.0.1", int(os.environ["BENCH_PORT"]))
headers = {"Authorization": "Bearer " + os.environ["BENCH_TOKEN"]}
client.request("GET", "/deployments", headers=headers)
json.loads(client.getresponse().read())
"""


def measure(stand: rig.Bench) -> None:
    deployment, _ = stand.apply("listed")
    stand.await_running(deployment)
    with servers.taken_over(stand) as server:
        environment = {
            **server.environment,
            "BENCH_PORT": str(stand.port),
            "BENCH_TOKEN": stand.token,
        }
    run([RING, "login", "-u", "admin", "-p", "changeme"], environment)
    compare("P8.version", [RING, "--version"], IMPORTS, environment)
    compare("P8.list", [RING, "deployment", "list"], ROUND_TRIP, environment)
    stand.delete(deployment)


def compare(goal: str, argv: Sequence[str], source: str, environment: Mapping[str, str]) -> None:
    """Warms both sides up once, then takes the pairs, the first place changing each time."""
    floor = [sys.executable, "-c", source]
    run(argv, environment)
    run(floor, environment)
    pairs = []
    for number in range(SAMPLES):
        if number % 2:
            floor_ms = run(floor, environment)
            pairs.append(Pair(run(argv, environment), floor_ms))
        else:
            pairs.append(Pair(run(argv, environment), run(floor, environment)))
    show(goal, pairs)


def run(argv: Sequence[str], environment: Mapping[str, str]) -> float:
    """Milliseconds of a command that succeeds."""
    began = time.perf_counter()
    ended = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    elapsed_ms = (time.perf_counter() - began) * 1000
    if ended.returncode != 0:
        raise rig.BenchProblem(f"{argv[0]}: exit status {ended.returncode}: {ended.stderr}")
    return elapsed_ms


if __name__ == "__main__":
    sys.exit(rig.run(__file__, measure))
