"""A stand-in for the server's side of HTTP: scripted answers, recorded requests."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def json(self) -> object:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: object = None
    """Sent as compact JSON; bytes are sent as they are, a tuple of bytes piece by piece."""
    headers: Mapping[str, str] = field(default_factory=dict)


def problem(status: int, title: str, detail: str = "", *violations: tuple[str, str]) -> Answer:
    """An error as the API words it."""
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "violations": [
            {"property_path": path, "message": message, "code": "x"} for path, message in violations
        ],
        "error": detail,
    }
    return Answer(status, body, {"Content-Type": "application/problem+json"})


class Stub:
    """Answers by `METHOD /path`; what is not scripted is a 404 problem, if not told otherwise."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[Request] = []
        self.routes: dict[str, Answer | Callable[[Request], Answer]] = {}
        self.otherwise: Answer | Callable[[Request], Answer]
        self.otherwise = problem(404, "Not Found", "Not found")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on(self, route: str, answer: Answer | Callable[[Request], Answer]) -> None:
        self.routes[route] = answer

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        found = self.routes.get(f"{request.method} {request.path}", self.otherwise)
        return found if isinstance(found, Answer) else found(request)

    def seen(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]


@contextmanager
def serving() -> Iterator[Stub]:
    """A stub on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            answer = stub.answer(
                Request(self.command, self.path, dict(self.headers), self.rfile.read(length))
            )
            self.close_connection = True
            self.send_response(answer.status)
            self.send_header("Connection", "close")
            headers = {"Content-Type": "application/json", **answer.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            if isinstance(answer.body, tuple):
                self._stream(answer.body)
                return
            body = answer.body if isinstance(answer.body, bytes) else _compact(answer.body)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, pieces: tuple[bytes, ...]) -> None:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with suppress(ConnectionError):  # a client may have read enough
                for piece in (*pieces, b""):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

        do_GET = do_POST = do_PUT = do_DELETE = do_CONNECT = _serve

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Nothing on stderr: tests read it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub = Stub(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _compact(body: object) -> bytes:
    if body is None:
        return b""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
