"""The product as its users have it: a server process, and the command line beside it."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMAND_S = 60.0
READY_S = 60.0
STOPPED_S = 15.0
PASSWORD = "changeme"

_PORTS_EACH = 1000
_count = itertools.count()


def free_port() -> int:
    """A port that no other test is given; below those that the kernel hands out by itself."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 12000 + worker * _PORTS_EACH
    for offset in _count:
        port = first + offset % _PORTS_EACH
        if _is_free(port):
            return port
    raise AssertionError("the count has no end")


def free_ports(count: int) -> range:
    """As many in a row."""
    first = last = free_port()
    while last - first + 1 < count:
        port = free_port()
        first = first if port == last + 1 else port
        last = port
    return range(first, last + 1)


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("0.0.0.0", port))  # noqa: S104 - looked at and closed
            except OSError:
                return False
    return True


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    level: str
    component: str
    reason: str | None
    message: str


class Ring:
    """One server with a config directory and database of its own. Not started by being made."""

    def __init__(
        self,
        home: Path,
        docker_host: str,
        *,
        runtime: str = "docker",
        port: int | None = None,
        interval_s: int = 10,
        optional: bool = False,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        """prefix: begins the server's command line, as somebody else has it."""
        self.home = home
        self._prefix = prefix
        self.port = port or free_port()
        self.log = home / "server.log"
        self.banner = home / "server.out"
        self._process: subprocess.Popen[bytes] | None = None
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": os.fspath(home),
            "RING_CONFIG_DIR": os.fspath(home),
            **(environment or {}),
        }
        home.mkdir(mode=0o700, exist_ok=True)
        key = home / "secret-key"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_text(base64.b64encode(os.urandom(32)).decode())
        (home / "config.toml").write_text(
            "[contexts.default]\n"
            'host = "127.0.0.1"\n'
            f'api = {{ scheme = "http", port = {self.port} }}\n'
            "[server.scheduler]\n"
            f"interval = {interval_s}\n"
            f"[server.runtime.{runtime}]\n"
            "enabled = true\n"
            f"optional = {str(optional).lower()}\n" + _way_to(runtime, docker_host)
        )

    # the server
    def start(self, within_s: float = READY_S) -> None:
        """Returns when it says that it is ready."""
        self.spawn()
        wait_until(self.is_ready_or_gone, within_s, "the server is ready")
        assert not self.is_gone(), f"the server ended:\n{self.log.read_text()}"

    def spawn(self) -> None:
        """Begins to start it."""
        out, log = self.banner.open("wb"), self.log.open("ab")
        with out, log:
            self._process = subprocess.Popen(
                [*self._prefix, *program(), "server", "start"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=self.environment,
                cwd=self.home,
            )

    def is_ready_or_gone(self) -> bool:
        return "ready" in self.banner.read_text() or self.is_gone()

    def is_gone(self) -> bool:
        """It ended, whoever ended it."""
        assert self._process is not None, "the server was not started"
        return self._process.poll() is not None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def stop(self) -> int:
        """Ends it with SIGTERM; its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it with SIGKILL; nothing happens when it is not running."""
        if self._process is not None:
            self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None, "the server was not started"
        self._process.send_signal(number)
        code = self._process.wait(STOPPED_S)
        self._process = None
        return code

    # the command line
    def run(
        self, *args: str, stdin: str = "", environment: Mapping[str, str] | None = None
    ) -> Answer:
        ended = subprocess.run(
            [*program(), *args],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            env={**self.environment, **(environment or {})},
            cwd=self.home,
            check=False,
        )
        return Answer(ended.returncode, ended.stdout, ended.stderr)

    def spawn_command(self, *args: str) -> subprocess.Popen[str]:
        """A command that runs beside the test; its caller ends it."""
        return subprocess.Popen(
            [*program(), *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=self.home,
        )

    def read(self, *args: str) -> Any:
        """The JSON of a reading command, which must succeed."""
        answer = self.run(*args, "-o", "json")
        assert (answer.code, answer.err) == (0, ""), answer
        return json.loads(answer.out)

    def login(self) -> None:
        answer = self.run("login", "-u", "admin", "--password-stdin", stdin=PASSWORD)
        assert answer.code == 0, answer

    # the same server's API, for what is asked many times a second or at the same time
    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        token = json.loads((self.home / "auth.json").read_bytes())["default"]["token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=COMMAND_S)
        with closing(connection):
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None


def _way_to(runtime: str, host: str) -> str:
    """Lines of its table. All servers on one containerd have the folder of its networks in common,
    as they have on a machine of their own."""
    if runtime != "containerd":
        return f'host = "{host}"\n'
    socket = Path(host.removeprefix("unix://"))
    return f'socket = "{socket}"\ncni_conf_dir = "{socket.parent / "cni"}"\n'


def program() -> list[str]:
    """The installed script beside this interpreter, else the module."""
    script = Path(sys.executable).with_name("ring")
    return [os.fspath(script)] if script.exists() else [sys.executable, "-m", "ring"]
