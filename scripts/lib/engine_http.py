"""The Docker Engine API with nothing between: what the demo and the benches ask it themselves.

One connection per Engine, kept open; standard library only.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
import time
import urllib.parse
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DEFAULT_HOST = "unix:///var/run/docker.sock"
TIMEOUT_S = 60.0


class EngineProblem(Exception):
    """The engine is away, or answered with an error."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the engine's event stream."""

    action: str
    container: str
    attributes: Mapping[str, str]
    at: float
    """Unix seconds by the engine's clock."""


class Engine:
    """A client of one engine. Not for use by several threads."""

    def __init__(self, host: str, timeout_s: float = TIMEOUT_S) -> None:
        self.host = host
        self._timeout_s = timeout_s
        self._connection = self._open()

    def _open(self) -> http.client.HTTPConnection:
        scheme, _, rest = self.host.partition("://")
        if scheme == "unix":
            return _UnixConnection(rest, self._timeout_s)
        if scheme == "tcp":
            return http.client.HTTPConnection(rest.rstrip("/"), timeout=self._timeout_s)
        raise EngineProblem(f"{self.host}: only unix:// and tcp:// are understood")

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer's JSON, or its text. Raises EngineProblem for a status of 400 and above."""
        payload = b"" if body is None else json.dumps(body).encode()
        try:
            self._connection.request(method, path, payload, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as problem:
            self._connection.close()
            raise EngineProblem(f"{self.host} does not answer: {problem}") from problem
        if response.status >= 400:
            raise EngineProblem(f"{method} {path}: {response.status} {_message(content)}")
        is_json = response.getheader("Content-Type", "").startswith("application/json")
        return json.loads(content) if is_json and content else content

    def ping(self) -> None:
        self.ask("GET", "/_ping")

    def inspect(self, container: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/containers/{container}/json")
        return found

    def containers(self, label: str) -> list[dict[str, Any]]:
        """Those that carry the label (`key` or `key=value`), in every state."""
        filters = urllib.parse.quote(json.dumps({"label": [label]}))
        found: list[dict[str, Any]] = self.ask("GET", f"/containers/json?all=1&filters={filters}")
        return found

    def execute(self, container: str, argv: list[str]) -> str:
        """Standard output and error of a program run inside the container, once it has ended."""
        order = {"AttachStdout": True, "AttachStderr": True, "Cmd": argv}
        made = self.ask("POST", f"/containers/{container}/exec", order)
        frames = self.ask("POST", f"/exec/{made['Id']}/start", {"Detach": False, "Tty": False})
        # The stream ends by closing the connection.
        self._connection.close()
        return b"".join(_payloads(frames)).decode(errors="replace")

    @contextmanager
    def events(
        self,
        *,
        label: str | None = None,
        actions: Sequence[str] = ("die", "start"),
        timeout_s: float,
    ) -> Iterator[Iterator[Event]]:
        """What happens to containers from now on; subscribed when the block is entered.

        Raises EngineProblem where the next one takes longer than timeout_s.
        """
        filters: dict[str, list[str]] = {"type": ["container"], "event": [*actions]}
        if label is not None:
            filters["label"] = [label]
        connection = self._open()
        connection.timeout = timeout_s
        since = f"{time.time():.9f}"
        query = urllib.parse.urlencode({"filters": json.dumps(filters), "since": since})
        connection.request("GET", f"/events?{query}")
        try:
            yield self._read_events(connection.getresponse(), timeout_s)
        finally:
            connection.close()

    def _read_events(self, stream: http.client.HTTPResponse, timeout_s: float) -> Iterator[Event]:
        try:
            while line := stream.readline():
                told = json.loads(line)
                actor, at = told["Actor"], told["timeNano"] / 1e9
                yield Event(told["Action"], actor["ID"], actor["Attributes"], at)
        except TimeoutError as problem:
            raise EngineProblem(f"{self.host}: no event within {timeout_s:.0f} s") from problem


def host_from_environment() -> str:
    """The engine the user's own tools would talk to."""
    return os.environ.get("DOCKER_HOST") or DEFAULT_HOST


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace").strip()


def _payloads(frames: bytes) -> Iterator[bytes]:
    """Each frame: one byte of stream, three unused, four of length, the payload."""
    while len(frames) >= 8:
        (length,) = struct.unpack_from(">I", frames, 4)
        yield frames[8 : 8 + length]
        frames = frames[8 + length :]
