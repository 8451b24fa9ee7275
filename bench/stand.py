"""What a bench stands on: a running server, asked by a raw client, and the engine below it."""

from __future__ import annotations

import abc
import contextlib
import http.client
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from scripts.lib.engine_http import Event

NAMESPACE = "bench"
NETWORK = f"ring_{NAMESPACE}"
READY_WITHIN_S = 30.0
WORKLOAD = ["sh", "-c", "trap 'exit 0' TERM; sleep 2147483647 & wait"]


class BenchProblem(Exception):
    """The measurement cannot be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand(abc.ABC):
    """A running server and an engine; both measured by the engine's own times."""

    port: int
    token: str
    image: str
    runtime: str
    """What the server drives the engine with."""

    @abc.abstractmethod
    def ping(self) -> None:
        """The connection to the engine is there afterwards."""

    @abc.abstractmethod
    def events(self, label: str | None = None) -> AbstractContextManager[Iterator[Event]]:
        """Deaths and starts from now on."""

    @abc.abstractmethod
    def started_at(self, container: str) -> float:
        """When the engine had it running, in Unix seconds."""

    @abc.abstractmethod
    def twin(self, container: str) -> Any:
        """What makes containers with the very settings of this one of Ring's.

        Without Ring's labels, so that the server does not take them for its own.
        """

    @abc.abstractmethod
    def create_and_start(self, body: Any) -> str:
        """What the floor consists of."""

    @abc.abstractmethod
    def remove(self, container: str) -> None: ...

    @abc.abstractmethod
    def crash(self, container: str) -> float:
        """SIGKILL to the workload's process; when it was sent."""

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
