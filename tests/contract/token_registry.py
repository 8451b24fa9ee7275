"""A registry that gives access tokens for logins, and has no image: it writes down who asks."""

from __future__ import annotations

import base64
import json
import threading
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

ACCESS = "access-canary"


class TokenRegistry:
    """On a port of 127.0.0.1 until it is closed."""

    def __init__(self) -> None:
        self.logins: list[str] = []
        """`user:password`, or the identity token, of everybody who got an access token."""
        self.is_asked_with_access = False
        """For a manifest."""
        self.refusal = (HTTPStatus.NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown")
        """Of manifests, to those who have access: status, code and message."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, registry: TokenRegistry, *connection: Any) -> None:
        self._registry = registry
        super().__init__(*connection)

    def do_GET(self) -> None:
        if self.path.startswith("/token"):
            self._note(self.headers.get("Authorization", ""))
        elif self.headers.get("Authorization") != f"Bearer {ACCESS}":
            realm = f'Bearer realm="http://{self._registry.address}/token",service="tests"'
            self._refuse(HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", "who", realm)
        elif self.path == "/v2/":
            self._say(HTTPStatus.OK, {})
        else:
            self._registry.is_asked_with_access = True
            self._refuse(*self._registry.refusal)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        asked = parse_qs(self._content().decode())
        self._registry.logins += asked.get("refresh_token", [])
        self._say(HTTPStatus.OK, {"access_token": ACCESS})

    def _content(self) -> bytes:
        """Of a request, which Docker sends whole and Podman in chunks."""
        if told := self.headers["Content-Length"]:
            return self.rfile.read(int(told))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        return content

    def _note(self, basic: str) -> None:
        if basic:
            self._registry.logins.append(base64.b64decode(basic.removeprefix("Basic ")).decode())
        self._say(HTTPStatus.OK, {"token": ACCESS, "access_token": ACCESS})

    def _refuse(self, status: HTTPStatus, code: str, message: str, realm: str = "") -> None:
        self._say(status, {"errors": [{"code": code, "message": message}]}, realm)

    def _say(self, status: HTTPStatus, body: object, realm: str = "") -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        if realm:
            self.send_header("WWW-Authenticate", realm)
        if status is HTTPStatus.TOO_MANY_REQUESTS:
            self.send_header("Retry-After", "7")  # the answer to a HEAD has no words
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""
