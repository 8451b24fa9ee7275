"""One HTTP request to the server: an answer, or one human sentence about why there is none."""

from __future__ import annotations

import functools
import http.client
import io
import json
import socket
import ssl
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote, urlencode

from ring import __version__
from ring.cli.failures import GENERAL, CommandFailed, Unreachable
from ring.cli.proxies import Proxy, proxy_for
from ring.cli.rows import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from _typeshed import WriteableBuffer

    from ring.settings import Context
    from ring.settings.sources import Environ

CONNECT_TIMEOUT_S = 5.0
TOTAL_TIMEOUT_S = 30.0
STREAM_IDLE_S = 45.0  # three of the server's signs of life
_PIECE_BYTES = 1 << 16
LARGEST_ANSWER = 64 << 20  # bytes; of a stream: of one of its messages

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - dialled, not bound
_CONNECTIONS: Mapping[str, type[http.client.HTTPConnection]] = {
    "http": http.client.HTTPConnection,
    "https": http.client.HTTPSConnection,
}


class Response(NamedTuple):
    status: int
    reason: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the server says about an accepted request."""
        entries = self.headers.get("x-ring-warnings", "").split("; ")
        return tuple(unquote(entry.strip()) for entry in entries if entry.strip())


class _Request(NamedTuple):
    method: str
    target: str
    body: bytes | None


class _Budget:
    """How long the reads of one answer may take: all together, or each by itself."""

    def __init__(self, total_s: float) -> None:
        self._until: float | None = time.monotonic() + total_s
        self._idle_s = total_s

    def idle(self, seconds: float) -> None:
        """From now on only silence counts."""
        self._until = None
        self._idle_s = seconds

    def left(self) -> float:
        """Seconds that the next read may take. Raises TimeoutError when there are none."""
        if self._until is None:
            return self._idle_s
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class Client:
    """The API of one server. Raises Unreachable when no answer comes."""

    def __init__(
        self,
        context: Context,
        token: str | None,
        environ: Environ,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
    ) -> None:
        self.base = context.base_url
        self._scheme = context.scheme
        self._host = _ANY_ADDRESS.get(context.host, context.host)
        self._port = context.port
        self._token = token
        self._environ = environ
        self._connect_timeout_s = connect_timeout_s
        self._total_timeout_s = total_timeout_s

    def get(self, *segments: str, query: Iterable[tuple[str, str]] = ()) -> Response:
        return self.request("GET", segments, query=query)

    def post(
        self, *segments: str, body: object = None, query: Iterable[tuple[str, str]] = ()
    ) -> Response:
        return self.request("POST", segments, query=query, body=body)

    def put(self, *segments: str, body: object) -> Response:
        return self.request("PUT", segments, body=body)

    def delete(self, *segments: str, query: Iterable[tuple[str, str]] = ()) -> Response:
        return self.request("DELETE", segments, query=query)

    def request(
        self,
        method: str,
        segments: Iterable[str],
        *,
        query: Iterable[tuple[str, str]] = (),
        body: object = None,
    ) -> Response:
        """Send one request; path segments and query values are encoded here."""
        budget = _Budget(self._total_timeout_s)
        with self._answer(method, segments, query=query, body=body, budget=budget) as answer:
            return _response(answer, self._body(answer))

    @contextmanager
    def stream(
        self, *segments: str, query: Iterable[tuple[str, str]] = ()
    ) -> Iterator[tuple[Response, Iterator[Sequence[bytes]]]]:
        """GET an answer that has no end: its head, and its lines as many as come together."""
        budget = _Budget(self._total_timeout_s)
        with self._answer("GET", segments, query=query, body=None, budget=budget) as answer:
            budget.idle(STREAM_IDLE_S)
            yield _response(answer, b""), self._lines(answer)

    @contextmanager
    def _answer(
        self,
        method: str,
        segments: Iterable[str],
        *,
        query: Iterable[tuple[str, str]],
        body: object,
        budget: _Budget,
    ) -> Iterator[http.client.HTTPResponse]:
        """An answer whose body is still to be read. Raises Unreachable, also for what reads it."""
        try:
            proxy = proxy_for(self._scheme, self._host, self._environ)
            with self._held(proxy) as connection:
                request = _Request(method, _target(segments, query), _encode(body))
                # The connection may have left its socket to the answer already.
                with closing(self._ask(connection, request, proxy, budget)) as answer:
                    yield answer
        except TimeoutError as error:
            raise Unreachable(
                f"error: the server at {self.base} did not respond in time (timeout)"
            ) from error
        except (http.client.InvalidURL, http.client.CannotSendRequest) as error:
            raise self._unsendable() from error
        except (http.client.HTTPException, OSError) as error:
            raise Unreachable(f"error: request to {self.base} failed") from error
        except ValueError as error:
            raise self._unsendable() from error

    @contextmanager
    def _held(self, proxy: Proxy | None) -> Iterator[http.client.HTTPConnection]:
        """A connection for one request."""
        with closing(self._connection(proxy)) as connection:
            yield connection

    def _body(self, answer: http.client.HTTPResponse) -> bytes:
        """All of an answer. Raises CommandFailed when it is larger than any should be."""
        if answer.length is not None and answer.length <= LARGEST_ANSWER:
            return answer.read()  # without a size: only so is one that is cut short noticed
        body = b"" if answer.length else answer.read(LARGEST_ANSWER + 1)
        if answer.length or len(body) > LARGEST_ANSWER:
            raise self._too_large()
        return body

    def _lines(self, answer: http.client.HTTPResponse) -> Iterator[Sequence[bytes]]:
        """Raises CommandFailed when a message of a stream, or all of a page, is too large."""
        streams = answer.headers.get_content_type() == "text/event-stream"
        left = LARGEST_ANSWER
        begun: list[bytes] = []
        while piece := answer.read1(_PIECE_BYTES):
            left -= len(piece)
            if left < 0:
                raise self._too_large()
            *lines, rest = piece.split(b"\n")
            if lines:
                lines[0] = b"".join([*begun, lines[0]])
                begun.clear()
                if streams and not all(line.strip() for line in lines):
                    left = LARGEST_ANSWER - len(rest)
                yield lines
            begun.append(rest)
        if last := b"".join(begun):
            yield [last]

    def _too_large(self) -> CommandFailed:
        return CommandFailed(
            f"error: the server at {self.base} answered with more than "
            f"{LARGEST_ANSWER >> 20} MiB: ask for less, or check that it is a Ring server",
            GENERAL,
        )

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        request: _Request,
        proxy: Proxy | None,
        budget: _Budget,
    ) -> http.client.HTTPResponse:
        headers = self._headers()
        target = request.target
        if proxy is not None and self._scheme == "http":
            host = f"[{self._host}]" if ":" in self._host else self._host
            target = f"http://{host}:{self._port}{target}"
            headers |= {"Host": f"{host}:{self._port}", **proxy.headers}
        if connection.sock is None:
            self._connect(connection)
        connection.sock.settimeout(budget.left())
        connection.response_class = functools.partial(_Response, budget=budget)  # type: ignore[assignment] # any callable that makes a response will do
        connection.request(request.method, target, request.body, headers)
        return connection.getresponse()

    def _headers(self) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": f"ring/{__version__}",
        }
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def _connection(self, proxy: Proxy | None) -> http.client.HTTPConnection:
        kind = _CONNECTIONS[self._scheme]
        if proxy is None:
            return kind(self._host, self._port, timeout=self._connect_timeout_s)
        connection = kind(proxy.host, proxy.port, timeout=self._connect_timeout_s)
        if self._scheme == "https":
            connection.set_tunnel(self._host, self._port, proxy.headers)
        return connection

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        """Connect, and tell apart what only this phase can: no name, nobody there."""
        try:
            connection.connect()
        except socket.gaierror as error:
            raise self._nobody_there("name not resolved") from error
        except (TimeoutError, ssl.SSLError, http.client.HTTPException):
            raise
        except OSError as error:
            raise self._nobody_there("connection refused") from error

    def _nobody_there(self, why: str) -> Unreachable:
        return Unreachable(
            f"error: cannot reach the server at {self.base} — is it running? ({why})"
        )

    def _unsendable(self) -> Unreachable:
        return Unreachable(f"error: could not send the request to {self.base} (malformed request)")

    def decode(self, response: Response) -> object:
        """The JSON of a response. Raises CommandFailed when it is none."""
        try:
            return parse(response.body)
        except ValueError as error:
            raise self.not_json() from error

    def not_json(self) -> CommandFailed:
        """The failure of an answer that should have been JSON."""
        return CommandFailed(
            f"error: the server at {self.base} answered with something that is not JSON", GENERAL
        )


def _response(answer: http.client.HTTPResponse, body: bytes) -> Response:
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return Response(answer.status, answer.reason, headers, body)


def _target(segments: Iterable[str], query: Iterable[tuple[str, str]]) -> str:
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    encoded = urlencode(list(query), quote_via=quote)
    return f"{path}?{encoded}" if encoded else path


def _encode(body: object) -> bytes | None:
    if body is None:
        return None
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class _Response(http.client.HTTPResponse):
    """A response whose every read keeps to a budget."""

    def __init__(
        self, sock: socket.socket, *args: object, budget: _Budget, **kwargs: object
    ) -> None:
        super().__init__(sock, *args, **kwargs)  # type: ignore[arg-type] # passed through as http.client gave them
        self.fp = io.BufferedReader(_Timed(self.fp.detach(), sock, budget), _PIECE_BYTES)


class _Timed(io.RawIOBase):
    """The raw side of a socket's file; it keeps the socket open as that file does."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, budget: _Budget) -> None:
        self._raw = raw
        self._sock = sock
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._sock.settimeout(self._budget.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
