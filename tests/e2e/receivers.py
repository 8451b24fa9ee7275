"""Receivers of webhooks, on an address of this machine that is not its loopback."""

from __future__ import annotations

import json
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.e2e.outside import Docker


@dataclass(frozen=True, slots=True)
class Delivery:
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        return self.headers["X-Ring-Delivery"]

    @property
    def told(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.body)
        return body


class Receiver:
    """One server; each hook has a path of its own, and the answer that the test gives it."""

    def __init__(self, address: str, port: int = 0) -> None:
        self.got: list[Delivery] = []
        self.statuses: dict[str, list[int]] = {}
        """Of the next answers by path; then 204."""
        self.hanging: set[str] = set()
        self._release = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer((address, port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._address = address
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def url(self, path: str) -> str:
        return f"http://{self._address}:{self.port}{path}"

    def at(self, path: str) -> list[Delivery]:
        return [one for one in list(self.got) if one.path == path]

    def close(self) -> None:
        self._release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.got.append(Delivery(request.path, dict(request.headers), body))
        if request.path in self.hanging:
            self._release.wait()
            return
        left = self.statuses.get(request.path, [])
        status = left.pop(0) if left else 204
        request.send_response(status)
        if status == 302:
            request.send_header("Location", self.url("/elsewhere"))
        request.end_headers()


@contextmanager
def address(docker: Docker) -> Iterator[str]:
    """This machine's own on a network of the engine that is there for this alone."""
    name = f"hooks-{uuid.uuid4().hex[:10]}"
    docker.told("POST", "/networks/create", body={"Name": name})
    try:
        network = docker.told("GET", f"/networks/{name}")
        yield network["IPAM"]["Config"][0]["Gateway"]
    finally:
        docker.told("DELETE", f"/networks/{name}")
