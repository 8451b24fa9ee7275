"""A way to a registry on which everything that is asked of it is written down."""

from __future__ import annotations

import http.client
import threading
from contextlib import closing
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_TOLD = ("Content-Type", "Content-Length", "Docker-Content-Digest", "Etag")


class WatchedRegistry:
    """On a port of 127.0.0.1 until it is closed."""

    def __init__(self, registry: str) -> None:
        self.registry = registry
        self.asked: list[tuple[str, str]] = []
        """Method and path, without the greetings: `("HEAD", "/v2/app/manifests/1")`."""
        self.challenge = ""
        """What whoever comes without `authorization` is told to bring; empty: nothing."""
        self.authorization = ""
        self.gate = threading.Event()
        """While it is not set, what is asked for is written down and waits."""
        self.gate.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, watched: WatchedRegistry, *connection: Any) -> None:
        self._watched = watched
        super().__init__(*connection)

    def do_GET(self) -> None:
        if self.path != "/v2/":
            self._watched.asked.append((self.command, self.path))
            self._watched.gate.wait(30)
        if (
            self._watched.challenge
            and self.headers.get("Authorization") != self._watched.authorization
        ):
            self.send_response(401)
            self.send_header("WWW-Authenticate", self._watched.challenge)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        accepted = {"Accept": ", ".join(self.headers.get_all("Accept", []))}
        with closing(http.client.HTTPConnection(self._watched.registry)) as far:
            far.request(self.command, self.path, headers=accepted)
            answer = far.getresponse()
            content = answer.read()
        self.send_response(answer.status)
        for name in _TOLD:
            if (value := answer.headers[name]) is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing."""
