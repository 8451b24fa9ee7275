"""All instances of one run directory, read until nothing is left to read and nobody is connected.

The requests (see control): `hello` is answered with the version and the process's number;
`settings <bytes> <files> <directory>` holds for all logs; `open <id>` is answered once both FIFOs
are read, `drained <id>` once all that an instance wrote is in its log; `forget <id>` lets go of it;
`end` makes room for another keeper.
"""

# pathlib and contextlib are half of what this process would weigh.
# ruff: noqa: PTH110, PTH118

from __future__ import annotations

import os
import time

from ring.runtimes.containerd.logkeeper import fifos
from ring.runtimes.containerd.logkeeper.control import Control, Request
from ring.runtimes.containerd.logkeeper.hub import Hub
from ring.runtimes.containerd.logkeeper.instances import Instance

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from ring.runtimes.containerd.logkeeper.files import Limits

_LONG_S = 3600.0


class Keeper:
    def __init__(
        self,
        directory: str,
        limits: Limits,
        listener: socket.socket,
        *,
        version: str,
        idle_s: float,
    ) -> None:
        self.is_over = False
        self._directory = directory
        self._limits = limits
        self._version = version
        self._idle_s = idle_s
        self._hub = Hub()
        self._instances: dict[str, Instance] = {}
        self._draining: list[tuple[Instance, Request]] = []
        self._control = Control(listener, self._hub, self._told)
        self._busy_at = time.monotonic()
        self._acts = {
            "hello": self._hello,
            "settings": self._settings,
            "open": self._open,
            "drained": self._drained,
            "forget": self._forget,
            "end": self._end,
        }

    def open_all(self) -> None:
        """Every instance that has FIFOs: their writers may have been waiting."""
        for entry in os.scandir(self._directory):
            if os.path.exists(os.path.join(entry.path, "stdout")):
                try:
                    self._instance(entry.name).open()
                except OSError:  # it is being removed
                    self._let_go(entry.name)

    def run(self, wake_fd: int) -> None:
        """Until `end`, a byte from `wake_fd`, or idleness."""
        self._hub.watch(wake_fd, self._stop)
        while not self.is_over:
            if self._hub.wait(self._patience()):
                self._busy_at = time.monotonic()
            self._retry()
            self._answer_drained()
            self._rest()

    def close(self) -> None:
        """What writers left behind that are gone is read first: nothing else holds it."""
        for instance in self._instances.values():
            instance.settle()
            instance.close()

    def _patience(self) -> float:
        """How long nothing but reading is to be done, in seconds."""
        due = [one.retry_at for one in self._instances.values() if one.retry_at]
        if not self._control.clients:
            due.append(self._busy_at + self._idle_s)
        return max(0.0, min(due) - time.monotonic()) if due else _LONG_S

    def _retry(self) -> None:
        now = time.monotonic()
        for instance in list(self._instances.values()):
            if instance.retry_at and instance.retry_at <= now:
                instance.retry()

    def _answer_drained(self) -> None:
        waiting, self._draining = self._draining, []
        for instance, request in waiting:
            if instance.is_drained():
                request.done()
            else:
                self._draining.append((instance, request))

    def _rest(self) -> None:
        if self._control.clients or time.monotonic() < self._busy_at + self._idle_s:
            return
        if any(instance.has_writer() for instance in self._instances.values()):
            self._busy_at = time.monotonic()
        else:
            self._stop()

    def _stop(self) -> None:
        self.is_over = True

    def _instance(self, instance_id: str) -> Instance:
        """Raises OSError for what is no id."""
        if not instance_id or instance_id.startswith(".") or "/" in instance_id:
            raise OSError(f"{instance_id!r} is no id")
        known = self._instances.get(instance_id)
        if known is None:
            path = os.path.join(self._directory, instance_id)
            known = self._instances[instance_id] = Instance(
                path, self._limits, self._hub, self._fifo_bytes
            )
        return known

    def _fifo_bytes(self) -> int:
        return fifos.size_bytes(len(self._instances))

    def _let_go(self, instance_id: str) -> None:
        instance = self._instances.pop(instance_id, None)
        if instance is not None:
            instance.close()

    def _told(self, request: Request) -> None:
        act = self._acts.get(request.word)
        if act is None:
            request.refuse("unknown request")
            return
        try:
            act(request)
        except (OSError, ValueError) as error:
            request.refuse(error)

    def _hello(self, request: Request) -> None:
        request.done(f"{self._version} {os.getpid()}")

    def _settings(self, request: Request) -> None:
        max_bytes, max_files, directory = request.argument.split(" ", 2)
        self._limits.max_bytes, self._limits.max_files = int(max_bytes), int(max_files)
        if directory != self._limits.directory:
            self._limits.directory = directory
            for instance in self._instances.values():
                instance.reopen_log()
        request.done()

    def _open(self, request: Request) -> None:
        self._instance(request.argument).open()
        request.done()

    def _drained(self, request: Request) -> None:
        instance = self._instances.get(request.argument)
        if instance is None:
            request.done()
        else:
            self._draining.append((instance, request))

    def _forget(self, request: Request) -> None:
        self._let_go(request.argument)
        request.done()

    def _end(self, request: Request) -> None:
        self._stop()
        request.done()
