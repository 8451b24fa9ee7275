"""The server process of a bench: what it costs, and how it is killed and started again."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench import rig

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
HEALTH_POLL_S = 0.003
ORDERLY_S = 15.0


class Server:
    """First the one that the rig started, later its successors on the same database and port."""

    def __init__(self, port: int) -> None:
        """Takes over the rig's server, which is the only child of this process."""
        self._port = port
        own = os.getpid()
        self.pid = int(Path(f"/proc/{own}/task/{own}/children").read_text().split()[0])
        proc = Path(f"/proc/{self.pid}")
        self.argv: Sequence[str] = _words(proc / "cmdline")
        pairs = (word.partition("=") for word in _words(proc / "environ"))
        self.environment = {key: value for key, _, value in pairs}
        self.folder = Path(self.environment["RING_CONFIG_DIR"])
        self._successor: subprocess.Popen[bytes] | None = None

    @property
    def database(self) -> Path:
        return self.folder / "ring.db"

    def cpu_s(self) -> float:
        """Processor seconds of all its threads so far."""
        return cpu_s(self.pid)

    def end(self, number: int = signal.SIGKILL) -> None:
        """Returns when the process is gone, its database lock with it. May be repeated."""
        if self._successor is not None:
            self._successor.send_signal(number)
            self._successor.wait(timeout=ORDERLY_S)
            return
        os.kill(self.pid, number)
        # Not reaped, so that its id is not given away: the rig does that itself.
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    def start(self, argv: Sequence[str] | None = None) -> float:
        """Starts it again, where given by another command line; seconds to its first 200."""
        with (self.folder / "server-again.log").open("ab") as log:
            began = time.perf_counter()
            self._successor = subprocess.Popen(
                argv or self.argv,
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.pid = self._successor.pid
        self._await_health()
        return time.perf_counter() - began

    def _await_health(self) -> None:
        deadline = time.monotonic() + rig.READY_WITHIN_S
        while time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
            with contextlib.closing(connection), contextlib.suppress(OSError):
                connection.request("GET", "/healthz")
                if connection.getresponse().status == 200:
                    return
            time.sleep(HEALTH_POLL_S)
        raise rig.BenchProblem("the server does not come up again")

    def close(self) -> None:
        """Ends a successor; the rig's own server is the rig's."""
        if self._successor is not None and self._successor.poll() is None:
            self._successor.terminate()
            try:
                self._successor.wait(timeout=ORDERLY_S)
            except subprocess.TimeoutExpired:
                self._successor.kill()
                self._successor.wait()


@contextlib.contextmanager
def taken_over(stand: rig.Bench) -> Iterator[Server]:
    server = Server(stand.port)
    try:
        yield server
    finally:
        server.close()


def engine_pid(stand: rig.Bench) -> int:
    """The dockerd behind this engine's socket: its own process, without containerd and shims."""
    socket = Path(stand.engine.host.removeprefix("unix://"))
    return int((socket.parent / "docker.pid").read_text())


def engine_pids(stand: rig.Bench) -> list[int]:
    """All that this engine is: dockerd, its containerd and the shims, or Podman's service."""
    folder = Path(stand.engine.host.removeprefix("unix://")).parent
    parts = ("podman",) if stand.runtime == "podman" else ("dockerd", "containerd")
    pids = [int((folder / f"{part}.process").read_text()) for part in parts]
    return [*pids, *_shims(folder / "containerd.sock")] if stand.runtime == "docker" else pids


def _shims(containerd: Path) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            words = _words(process / "cmdline")
            if words[0].endswith("containerd-shim-runc-v2") and f"{containerd}" in words:
                found.append(int(process.name))
    return found


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(kib) / 1024


def cpu_s(pid: int) -> float:
    """User and system time of a process, its ended threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _words(file: Path) -> list[str]:
    return file.read_text().rstrip("\0").split("\0")
