"""Many workloads at once: deployments of Ring's, or containers of a raw client several wide."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from scripts.lib.engine_http import Engine

from bench import rig

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.servers import Server

REMOVALS_WIDE = 4
POLL_S = 0.2
FIRST_S = 60.0
EACH_S = 2.0


@dataclass(frozen=True, slots=True)
class Instance:
    """One container as the engine sees it."""

    id: str
    started_at: str


def spec(
    stand: rig.Bench, name: str, *, replicas: int = 1, command: Sequence[str] = rig.WORKLOAD
) -> dict[str, Any]:
    """The body of an apply."""
    return {
        "name": name,
        "namespace": rig.NAMESPACE,
        "runtime": stand.runtime,
        "image": stand.image,
        "command": list(command),
        "replicas": replicas,
        "config": {"image_pull_policy": "IfNotPresent"},
    }


@contextlib.contextmanager
def running(stand: rig.Bench, server: Server, count: int) -> Iterator[list[str]]:
    """The ids of so many deployments of one replica, all running.

    In the end the server is killed, for it would heal, and every container of Ring's is removed.
    """
    ids = [apply(stand, spec(stand, f"idle-{number}")) for number in range(count)]
    try:
        await_running(stand, ids)
        yield ids
    finally:
        server.end()
        remove_wide(stand, [one["Id"] for one in stand.engine.containers("ring_deployment")])


def apply(stand: rig.Bench, body: dict[str, Any]) -> str:
    return str(stand.ask("POST", "/deployments", body)["id"])


def await_running(stand: rig.Bench, ids: Sequence[str]) -> None:
    """Returns when every one of them has the status running."""
    deadline = time.monotonic() + FIRST_S + EACH_S * len(ids)
    while time.monotonic() < deadline:
        statuses = {row["id"]: row["status"] for row in stand.ask("GET", "/deployments")}
        late = [name for name in ids if statuses.get(name) != "running"]
        if not late:
            return
        time.sleep(POLL_S)
    raise rig.BenchProblem(f"{len(late)} of {len(ids)} deployments do not run")


def instances(stand: rig.Bench, deployments: Sequence[str]) -> set[Instance]:
    """What cannot change without a restart, of every container of theirs."""
    wanted = set(deployments)
    found = stand.engine.containers("ring_deployment")
    names = [one["Id"] for one in found if one["Labels"]["ring_deployment"] in wanted]
    return {Instance(name, stand.engine.inspect(name)["State"]["StartedAt"]) for name in names}


def create_wide(
    stand: rig.Bench, body: dict[str, Any], *, count: int, width: int
) -> tuple[float, list[str]]:
    """Creates and starts containers over so many connections: when it began, and their ids."""
    clients = _clients(stand, width)
    turns = iter(range(count))
    with ThreadPoolExecutor(width) as pool:
        sent_at = time.time()
        made = pool.map(lambda client: [client.create_and_start(body) for _ in turns], clients)
        return sent_at, [container for part in made for container in part]


def remove_wide(stand: rig.Bench, ids: Sequence[str]) -> None:
    turns = iter(ids)
    with ThreadPoolExecutor(REMOVALS_WIDE) as pool:
        clients = _clients(stand, REMOVALS_WIDE)
        list(pool.map(lambda client: [client.remove(name) for name in turns], clients))


def _clients(stand: rig.Bench, width: int) -> list[rig.Bench]:
    """Connections that are open already: an engine client is not for several threads."""
    clients = [replace(stand, engine=Engine(stand.engine.host)) for _ in range(width)]
    for client in clients:
        client.engine.ping()
    return clients
