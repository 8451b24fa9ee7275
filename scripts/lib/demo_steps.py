"""The steps of scripts/demo that talk to the engine or read JSON. Each prints what it found.

demo_steps.py ping                             does the engine answer
demo_steps.py free-port                        a free loopback port, 3030 where it can be
demo_steps.py settled DEPLOYMENTS-JSON         exit 0: all run with all replicas
demo_steps.py ids DEPLOYMENTS-JSON             the ids, one a line
demo_steps.py names NAMESPACES-JSON            the names, one a line
demo_steps.py up URL                           does something answer there
demo_steps.py running                          how many containers run on the engine
demo_steps.py answer DEPLOYMENTS-JSON          fetch http://web/ from inside the client
demo_steps.py kill DEPLOYMENTS-JSON            SIGKILL one web instance, time its replacement
demo_steps.py gone ID…                         wait until no container of these is left
demo_steps.py remove ID…                       remove their containers: no server is left to
demo_steps.py tidy IMAGE NAMESPACE…            remove the image and the namespaces' networks
"""

# A command-line tool: it prints.
# ruff: noqa: T201

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Any

from scripts.lib.engine_http import Engine, EngineProblem, host_from_environment

REPLACED_WITHIN_S = 30.0
GONE_WITHIN_S = 45.0
ANSWER_WITHIN_S = 15.0

Deployments = list[dict[str, Any]]


class DemoProblem(Exception):
    """The demo cannot go on."""


def read_deployments(path: str) -> Deployments:
    """The live rows of `ring deployment list -o json`."""
    rows: Deployments = json.loads(Path(path).read_text())
    return [row for row in rows if row["status"] != "deleted"]


def named(deployments: Deployments, name: str) -> dict[str, Any]:
    for row in deployments:
        if row["name"] == name:
            return row
    raise DemoProblem(f"there is no deployment '{name}'")


def free_port() -> int:
    for port in (*range(3030, 3050), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise DemoProblem("no loopback port is free")


def answers(url: str) -> int:
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=2)
    try:
        connection.request("GET", address.path)
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()


def settled(deployments: Deployments) -> int:
    """Prints what is still missing."""
    waiting = [
        f"{row['name']} is {row['status']} with {len(row['instances'])} of {row['replicas']}"
        for row in deployments
        if row["status"] != "running" or len(row["instances"]) != row["replicas"]
    ]
    print(", ".join(waiting) or "nothing is deployed" if waiting or not deployments else "")
    return 1 if waiting or not deployments else 0


def answer(engine: Engine, deployments: Deployments) -> None:
    client = named(deployments, "client")["instances"][0]["id"]
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while time.monotonic() < deadline:
        text = engine.execute(
            client, ["timeout", "3", "wget", "-q", "-O", "-", "http://web/"]
        ).strip()
        if text.startswith("hello from"):
            print(text)
            return
        time.sleep(0.2)
    raise DemoProblem(f"the client gets no answer from http://web/: {text}")


def kill(engine: Engine, deployments: Deployments) -> None:
    web = named(deployments, "web")
    victim = web["instances"][0]["id"]
    with engine.events(label=f"ring_deployment={web['id']}", timeout_s=REPLACED_WITHIN_S) as events:
        killed_at = time.time()
        send_sigkill(engine, victim)
        died_at = killed_at
        for event in events:
            if event.action == "die" and event.container == victim:
                died_at = event.at
            elif event.action == "start" and event.container != victim:
                break
        else:
            raise DemoProblem("the engine closed its event stream")
    replacement = event.attributes.get("name", event.container[:12])
    print(f"killed   {victim[:12]} (SIGKILL to its first process)")
    print(f"replaced by {replacement}")
    print(
        f"in       {(event.at - killed_at) * 1000:.0f} ms from the signal to the replacement's "
        f"start ({(died_at - killed_at) * 1000:.0f} ms of it until the engine reported the death)"
    )


def send_sigkill(engine: Engine, container: str) -> None:
    """To the process itself, as a crash would; through the engine where it is out of reach."""
    process = engine.inspect(container)["State"]["Pid"]
    try:
        if container in Path(f"/proc/{process}/cgroup").read_text():
            os.kill(process, signal.SIGKILL)
            return
    except OSError:
        pass
    engine.ask("POST", f"/containers/{container}/kill?signal=SIGKILL")


def gone(engine: Engine, ids: list[str]) -> None:
    deadline = time.monotonic() + GONE_WITHIN_S
    while left := [c for one in ids for c in engine.containers(f"ring_deployment={one}")]:
        if time.monotonic() > deadline:
            raise DemoProblem(f"{len(left)} containers are still there after {GONE_WITHIN_S:.0f} s")
        time.sleep(0.2)


def remove(engine: Engine, ids: list[str]) -> None:
    for one in ids:
        for container in engine.containers(f"ring_deployment={one}"):
            engine.ask("DELETE", f"/containers/{container['Id']}?force=1&v=1")


def tidy(engine: Engine, image: str, namespaces: list[str]) -> None:
    for namespace in namespaces:
        remove_network(engine, f"ring_{namespace}")
    try:
        engine.ask("DELETE", f"/images/{image}")
        print(f"removed image {image}")
    except EngineProblem as problem:
        if " 404 " not in str(problem):
            print(f"kept image {image}: {problem}")


def remove_network(engine: Engine, name: str) -> None:
    """Only one that Ring made and nothing uses."""
    for found in engine.ask("GET", "/networks"):
        if found["Name"] != name or (found.get("Labels") or {}).get("ring.managed") != "true":
            continue
        if engine.ask("GET", f"/networks/{found['Id']}")["Containers"]:
            print(f"kept network {name}: containers still use it")
            continue
        engine.ask("DELETE", f"/networks/{found['Id']}")
        print(f"removed network {name}")


def print_lines(lines: list[str]) -> None:
    print("\n".join(lines))


def without_engine(step: str, argument: str) -> int | None:
    """The exit status of a step that asks no engine; None: it is not one."""
    match step:
        case "free-port":
            print(free_port())
        case "settled":
            return settled(read_deployments(argument))
        case "ids":
            print_lines([row["id"] for row in read_deployments(argument)])
        case "names":
            print_lines([row["name"] for row in json.loads(Path(argument).read_text())])
        case "up":
            return answers(argument)
        case _:
            return None
    return 0


def with_engine(engine: Engine, step: str, arguments: list[str]) -> None:
    match step:
        case "ping":
            engine.ping()
        case "answer":
            answer(engine, read_deployments(arguments[0]))
        case "kill":
            kill(engine, read_deployments(arguments[0]))
        case "running":
            print(len(engine.ask("GET", "/containers/json")))
        case "gone":
            gone(engine, arguments)
        case "remove":
            remove(engine, arguments)
        case "tidy":
            tidy(engine, arguments[0], arguments[1:])
        case _:
            raise DemoProblem(f"unknown step '{step}'")


def main(argv: list[str]) -> int:
    step, arguments = argv[0], argv[1:]
    try:
        status = without_engine(step, arguments[0] if arguments else "")
        if status is None:
            with_engine(Engine(host_from_environment()), step, arguments)
        return status or 0
    except (DemoProblem, EngineProblem) as problem:
        print(problem, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
