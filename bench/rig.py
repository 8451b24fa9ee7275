"""What a bench stands on: a private engine, a Ring server on it, and a raw client of each.

`run` starts an engine in a network namespace of its own, runs the bench again inside that namespace
with the project's Python, and ends everything. Inside, `bench` gives it a server and the clients.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.lib.engine_http import Engine, EngineProblem

from scripts import engines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from scripts.lib.engine_http import Event

ROOT = Path(__file__).resolve().parents[1]
NAMESPACE = "bench"
NETWORK = f"ring_{NAMESPACE}"
READY_WITHIN_S = 30.0
HOSTS = {"docker": "RING_TEST_DOCKER_HOST", "podman": "RING_TEST_PODMAN_HOST"}
"""The runtimes that a bench may stand on, and the variables that hold their engines inside."""
DEATHS = {"docker": "die", "podman": "died"}
"""What their filters of events call it; the events themselves say `die`."""
NOT_TAKEN = frozenset({"Ulimits", "Runtime"})
"""Settings that Podman tells in other words than it takes them."""
WORKLOAD = ["sh", "-c", "trap 'exit 0' TERM; sleep 2147483647 & wait"]


class BenchProblem(Exception):
    """The measurement cannot be made."""


def run(script: str, measure: Callable[[Bench], None], runtime: str = "docker") -> int:
    """The whole of a bench: outside of an engine's namespace, inside of it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if host := os.environ.get(HOSTS[runtime]):
            image = os.environ.get("RING_TEST_IMAGE", engines.TEST_IMAGE)
            with bench(host, image, runtime) as stand:
                measure(stand)
            return 0
        return _run_inside(script, runtime)
    except (BenchProblem, EngineProblem, engines.EngineProblem) as problem:
        print(f"{Path(script).name}: {problem}", file=sys.stderr)
        return 1


def _run_inside(script: str, runtime: str) -> int:
    if os.geteuid() != 0:
        raise BenchProblem("a private engine needs root")
    environment = [".venv", "requirements/dev.txt", "editable"]
    subprocess.run([ROOT / "scripts/lib/venv", *environment], cwd=ROOT, check=True)
    engines.ensure()
    with tempfile.TemporaryDirectory(prefix="ring-bench.") as folder:
        engine = engines.engine_at(Path(folder) / "engine")
        try:
            host = _engine_up(engine, runtime)
            command = engine.command(str(ROOT / ".venv/bin/python"), script, *sys.argv[1:])
            inside = {**os.environ, HOSTS[runtime]: host}
            with subprocess.Popen(command, env=inside) as process:
                try:
                    return process.wait()
                except BaseException:
                    process.terminate()
                    raise
        finally:
            engines.down(engine.root)


def _engine_up(engine: engines.Engine, runtime: str) -> str:
    """The host of the runtime's engine, with the image."""
    if runtime == "podman":
        host = engines.podman_up(engine.root).podman_host
    else:
        host = engines.up(engine.root).host
    engines.make_image(host)
    return host


@dataclass(frozen=True, slots=True)
class Bench:
    """A running server and an engine; both measured by the engine's own times."""

    engine: Engine
    port: int
    token: str
    image: str
    runtime: str = "docker"
    """What the server drives the engine with."""

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """One request on a connection of its own. None for 404."""
        with self._connection() as connection:
            return self._exchange(connection, method, path, body)[1]

    def apply(self, name: str) -> tuple[str, float]:
        """Creates a deployment of one replica: its id, and when its first byte was sent."""
        spec = {
            "name": name,
            "namespace": NAMESPACE,
            "runtime": self.runtime,
            "image": self.image,
            "command": WORKLOAD,
            "config": {"image_pull_policy": "IfNotPresent"},
        }
        with self._connection() as connection:
            self._exchange(connection, "GET", "/healthz")
            sent_at, row = self._exchange(connection, "POST", "/deployments", spec)
        return str(row["id"]), sent_at

    def await_running(self, deployment: str) -> str:
        """The id of its instance, once the deployment has settled."""
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            row = self.ask("GET", f"/deployments/{deployment}")
            if row["status"] == "running" and row["instances"]:
                return str(row["instances"][0]["id"])
            time.sleep(0.05)
        raise BenchProblem(f"a deployment is still {row['status']} after {READY_WITHIN_S:.0f} s")

    def delete(self, deployment: str) -> None:
        """Returns when the row is purged: nothing of it disturbs the next sample."""
        self.ask("DELETE", f"/deployments/{deployment}")
        deadline = time.monotonic() + READY_WITHIN_S
        while self.ask("GET", f"/deployments/{deployment}") is not None:
            if time.monotonic() > deadline:
                raise BenchProblem("a deleted deployment does not go away")
            time.sleep(0.05)

    def events(self, label: str | None = None) -> AbstractContextManager[Iterator[Event]]:
        """Deaths and starts from now on."""
        actions = (DEATHS[self.runtime], "start")
        return self.engine.events(label=label, actions=actions, timeout_s=READY_WITHIN_S)

    def started_at(self, container: str) -> float:
        """When the engine set State.Running, in Unix seconds."""
        return parse_time(self.engine.inspect(container)["State"]["StartedAt"])

    def twin(self, container: str) -> dict[str, Any]:
        """The create body of a container with the very settings of this one of Ring's.

        Without Ring's labels, so that the server does not take it for its own.
        """
        found = self.engine.inspect(container)
        settings = {key: value for key, value in found["Config"].items() if key != "Hostname"}
        settings["Labels"] = {f"bench.{key}": text for key, text in settings["Labels"].items()}
        endpoint = {"Aliases": ["twin"]}
        host = found["HostConfig"]
        if self.runtime == "podman":
            host = {key: value for key, value in host.items() if key not in NOT_TAKEN}
        return {
            **settings,
            "HostConfig": {**host, "NetworkMode": NETWORK},
            "NetworkingConfig": {"EndpointsConfig": {NETWORK: endpoint}},
        }

    def create_and_start(self, body: dict[str, Any]) -> str:
        """What the floor consists of."""
        made = self.engine.ask("POST", "/containers/create", body)
        self.engine.ask("POST", f"/containers/{made['Id']}/start")
        return str(made["Id"])

    def remove(self, container: str) -> None:
        self.engine.ask("DELETE", f"/containers/{container}?force=1&v=1")

    def crash(self, container: str) -> float:
        """SIGKILL to the workload's process; when it was sent."""
        process = self.engine.inspect(container)["State"]["Pid"]
        sent_at = time.time()
        os.kill(process, signal.SIGKILL)
        return sent_at

    @contextlib.contextmanager
    def _connection(self) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_WITHIN_S)
        try:
            yield connection
        finally:
            connection.close()

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: object = None
    ) -> tuple[float, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        payload = None if body is None else json.dumps(body).encode()
        sent_at = time.time()
        connection.request(method, path, payload, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status >= 400 and response.status != 404:
            raise BenchProblem(f"{method} {path}: {response.status} {content.decode()}")
        return sent_at, json.loads(content) if content and response.status < 400 else None


@contextlib.contextmanager
def bench(host: str, image: str, runtime: str = "docker") -> Iterator[Bench]:
    """A server with an empty database on the engine at host, ended with the block."""
    with tempfile.TemporaryDirectory(prefix="ring-bench-server.") as folder:
        port = _free_port()
        config = Path(folder) / "config.toml"
        config.write_text(
            "[contexts.default]\n"
            'host = "127.0.0.1"\n'
            'api.scheme = "http"\n'
            f"api.port = {port}\n"
            f"[server.runtime.{runtime}]\n"
            "enabled = true\n"
            f'host = "{host}"\n'
        )
        with _server(Path(folder)) as process:
            _await_server(port, process, Path(folder) / "server.log")
            stranger = Bench(Engine(host), port, "", image, runtime)
            login = {"username": "admin", "password": "changeme"}
            token = stranger.ask("POST", "/login", login)["token"]
            stand = Bench(Engine(host), port, token, image, runtime)
            stand.ask("POST", "/namespaces", {"name": NAMESPACE})
            yield stand


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RING_")}
    environment["RING_CONFIG_DIR"] = str(folder)
    environment["RING_SECRET_KEY"] = base64.b64encode(os.urandom(32)).decode()
    argv = [sys.executable, "-m", "ring", "server", "start"]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            argv, env=environment, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_server(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    lines = log.read_text(errors="replace").splitlines()
    raise BenchProblem("the server does not come up: " + " | ".join(lines[-3:]))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def first(containers: Iterator[str]) -> str:
    """What is waited for in an event stream."""
    found = next(containers, None)
    if found is None:
        raise BenchProblem("the engine ended its event stream")
    return found


def parse_time(text: str) -> float:
    """Unix seconds of the engine's RFC 3339 text, which has up to nine decimals."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    whole = datetime.fromisoformat(seconds).replace(tzinfo=UTC).timestamp()
    return whole + float(f"0.{fraction or 0}")
