"""What a bench stands on: a private engine, a Ring server on it, and a raw client of each.

`run` starts an engine in a network namespace of its own, runs the bench again inside that namespace
with the project's Python, and ends everything. Inside, `bench` gives it a server and the clients.
"""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.lib.engine_http import Engine, EngineProblem

from bench.containerd_rig import ContainerdBench
from bench.stand import NAMESPACE, NETWORK, READY_WITHIN_S, WORKLOAD, BenchProblem, Stand
from scripts import engines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from scripts.lib.engine_http import Event

ROOT = Path(__file__).resolve().parents[1]
__all__ = [
    "HOSTS",
    "NAMESPACE",
    "NETWORK",
    "READY_WITHIN_S",
    "RUNTIMES",
    "WORKLOAD",
    "Bench",
    "BenchProblem",
    "bench",
    "first",
    "parse_time",
    "run",
]

HOSTS = {"docker": "RING_TEST_DOCKER_HOST", "podman": "RING_TEST_PODMAN_HOST"}
"""The engines with Docker's API, and the variables that hold them inside."""
SOCKETS = {"containerd": "RING_TEST_CONTAINERD"}
RUNTIMES = HOSTS | SOCKETS
"""What a bench may stand on that takes a Stand of any kind."""
DEATHS = {"docker": "die", "podman": "died"}
"""What their filters of events call it; the events themselves say `die`."""
NOT_TAKEN = frozenset({"Ulimits", "Runtime"})
"""Settings that Podman tells in other words than it takes them."""


def run(script: str, measure: Callable[[Any], None], runtime: str = "docker") -> int:
    """The whole of a bench: outside of an engine's namespace, inside of it.

    measure: takes the Stand of this runtime, which is a Bench where the engine has Docker's API.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if host := os.environ.get(RUNTIMES[runtime]):
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
            inside = {**os.environ, RUNTIMES[runtime]: host}
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
    if runtime in SOCKETS:
        socket_path = engine.containerd_socket
        place = engines.CONTAINERD_NAMESPACE
        engines.load_into_containerd(host, socket_path, place, engines.TEST_IMAGE)
        return str(socket_path)
    return host


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench(Stand):
    """On an engine with Docker's API."""

    engine: Engine

    def ping(self) -> None:
        self.engine.ping()

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
        """See Stand."""
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
def bench(host: str, image: str, runtime: str = "docker") -> Iterator[Stand]:
    """A server with an empty database on the engine at host, ended with the block."""
    with tempfile.TemporaryDirectory(prefix="ring-bench-server.") as path:
        folder, port = Path(path), _free_port()
        (folder / "config.toml").write_text(
            "[contexts.default]\n"
            'host = "127.0.0.1"\n'
            'api.scheme = "http"\n'
            f"api.port = {port}\n"
            f"[server.runtime.{runtime}]\n"
            "enabled = true\n" + _place(runtime, host, folder)
        )
        with _server(folder) as process:
            _await_server(port, process, folder / "server.log")
            stand = _stand(host, folder, port=port, token="", image=image, runtime=runtime)
            login = {"username": "admin", "password": "changeme"}
            stand = replace(stand, token=stand.ask("POST", "/login", login)["token"])
            stand.ask("POST", "/namespaces", {"name": NAMESPACE})
            yield stand


def _place(runtime: str, host: str, folder: Path) -> str:
    """Where the server finds its engine."""
    if runtime in HOSTS:
        return f'host = "{host}"\n'
    return f'socket = "{host}"\ncni_conf_dir = "{folder}/cni"\n'


def _stand(host: str, folder: Path, **known: Any) -> Stand:
    if known["runtime"] in HOSTS:
        return Bench(engine=Engine(host), **known)
    from bench.raw_containerd import RawContainerd  # Ring's messages, which `ready` has installed

    return ContainerdBench(folder=folder, raw=RawContainerd(Path(host), folder), **known)


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
