#!/usr/bin/env python3
"""P10: 100 probes a second for 60 s: how late they begin, and how soon their actions follow.

Twenty deployments of one replica with five checks each, `tcp` and `http` in turn, every second. The
server runs as it does for users; `bench/lateness.py` notes the delay between the moment a probe was
due and its begin. `highest` is the latest one. `cpu_percent` is of one core, `written_kib_s` what
the server's process has given to the disk, `rate` how many probes began in a second.

P10.action: while those go on, deployments whose `http` check is never answered and asks for a
restart. The deadline is the begin of the probe that reached the threshold, by its stored result,
plus its timeout; the action is the stop signal by the engine's `kill` event. `highest_ms` after the
deadline is the longest of all.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import fleet, lateness, rig, servers
from bench.measures import percentile, show_fact

DEPLOYMENTS = 20
CHECKS = 5
WINDOW_S = 60.0
SETTLE_S = 10.0
MUTES = 10
THRESHOLD = 3
TIMEOUT_MS = 500
STORED_S = 1.5
"""Results are stored together."""
LIMIT_MS = 50.0
ACTION_LIMIT_MS = 100.0
SITE = ["sh", "-c", "mkdir /www; echo ok >/www/index.html; exec httpd -f -p 80 -h /www"]
MUTE = [
    "sh",
    "-c",
    "mkfifo /f; exec 3<>/f; trap 'exit 0' TERM; "
    "while :; do nc -l -p 81 <&3 >/dev/null; done & wait",
]


def measure(stand: rig.Bench) -> None:
    with tempfile.TemporaryDirectory() as folder, servers.taken_over(stand) as server:
        file = Path(folder) / "late.json"
        server.end(signal.SIGTERM)
        server.start(lateness.command(file))
        ids = [fleet.apply(stand, site(stand, number)) for number in range(DEPLOYMENTS)]
        try:
            fleet.await_running(stand, ids)
            time.sleep(SETTLE_S)
            began, cpu_s, written = time.monotonic(), server.cpu_s(), written_kib(server)
            time.sleep(WINDOW_S)
            ended = time.monotonic()
            used = {
                "cpu_percent": round((server.cpu_s() - cpu_s) / (ended - began) * 100, 1),
                "written_kib_s": round((written_kib(server) - written) / (ended - began), 1),
                "resident_mib": round(servers.resident_mib(server.pid), 1),
            }
            failed = sum(not all_green(stand, deployment) for deployment in ids)
            actions = [acted_ms(stand, number) for number in range(MUTES)]
            server.end(signal.SIGTERM)
        finally:
            server.end()
            everything = stand.engine.containers("ring_deployment")
            fleet.remove_wide(stand, [one["Id"] for one in everything])
        samples = json.loads(file.read_text())
    late = [ms for at, ms in samples if began <= at < ended]
    show_fact(
        "P10",
        late_p99_ms=round(percentile(late, 99), 2),
        late_p50_ms=round(percentile(late, 50), 2),
        highest_ms=round(max(late), 2),
        limit_ms=LIMIT_MS,
        rate=round(len(late) / (ended - began), 1),
        failed=failed,
        **used,
        n=len(late),
    )
    show_fact(
        "P10.action",
        highest_ms=round(max(actions), 1),
        p50_ms=round(percentile(actions, 50), 1),
        limit_ms=ACTION_LIMIT_MS,
        n=len(actions),
    )


def site(stand: rig.Bench, number: int) -> dict[str, Any]:
    tcp = {"type": "tcp", "port": 80}
    http = {"type": "http", "url": "http://localhost/"}
    pace = {"interval": "1s", "timeout": "1s", "on_failure": "alert", "threshold": 60}
    checks = [{**(http if index % 2 else tcp), **pace} for index in range(CHECKS)]
    body = fleet.spec(stand, f"site-{number}", command=SITE)
    return {**body, "health_checks": checks}


def all_green(stand: rig.Bench, deployment: str) -> bool:
    results = stand.ask("GET", f"/deployments/{deployment}/health-checks?limit={CHECKS * 20}")
    return {result["status"] for result in results} == {"success"}


def acted_ms(stand: rig.Bench, number: int) -> float:
    """From the deadline of the deciding probe to the signal that ends the container."""
    check = {
        "type": "http",
        "url": "http://localhost:81/",
        "interval": "700ms",
        "timeout": f"{TIMEOUT_MS}ms",
        "threshold": THRESHOLD,
        "on_failure": "restart",
    }
    body = {**fleet.spec(stand, f"mute-{number}", command=MUTE), "health_checks": [check]}
    actions = ("kill",)
    with stand.engine.events(
        label="ring_deployment", actions=actions, timeout_s=rig.READY_WITHIN_S
    ) as events:
        deployment = fleet.apply(stand, body)
        killed = next(e for e in events if e.attributes.get("ring_deployment") == deployment)
    time.sleep(STORED_S)
    results = stand.ask("GET", f"/deployments/{deployment}/health-checks")
    stand.delete(deployment)
    begins = [one["started_at"] for one in results if one["instance_id"] == killed.container]
    if len(begins) != THRESHOLD or {one["status"] for one in results} != {"timeout"}:
        raise rig.BenchProblem(f"an action after {len(begins)} results: {results}")
    return (killed.at - rig.parse_time(max(begins))) * 1000 - TIMEOUT_MS


def written_kib(server: servers.Server) -> float:
    lines = Path(f"/proc/{server.pid}/io").read_text().splitlines()
    (count,) = (line.split()[1] for line in lines if line.startswith("write_bytes:"))
    return int(count) / 1024


if __name__ == "__main__":
    sys.exit(rig.run(__file__, measure))
