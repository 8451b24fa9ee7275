"""containerd's gRPC API over its socket, with refusals sorted into the classes its callers act on.

What it answers with is turned into the classes of `ring.runtimes.base` by whoever asked: only they
know whether a thing that is not there is an instance or an image.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from typing import TYPE_CHECKING, Final, Generic, TypeVar

# gRPC reads these once, when it is imported. Else it writes to stderr whenever a process is begun,
# and about what it does otherwise: what matters of that comes as an error.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
import grpc.aio

from ring.core.errors import EngineError
from ring.runtimes.base import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from pathlib import Path

    from ring.runtimes.containerd.methods import Method

Q = TypeVar("Q")
A = TypeVar("A")

CALL_TIMEOUT_S: Final = 60.0
"""Of a call that no other time is given for. A stream may be silent for ever."""
_MOST_BYTES: Final = 16 * 1024 * 1024
"""Of one message, either way: containerd's own limit."""
_NAMESPACE: Final = "containerd-namespace"
_LEASE: Final = "containerd-lease"
_LOCKED: Final = "locked"
_CONNECT: Final = re.compile(r"failed to connect to all addresses.* error: (.+)", re.DOTALL)
"""What gRPC says of a socket that nobody is behind; the system's own words are at its end."""
_OPTIONS: Final = (
    ("grpc.max_send_message_length", _MOST_BYTES),
    ("grpc.max_receive_message_length", _MOST_BYTES),
    # A daemon that is back is to be found at once, not after the two minutes that are usual.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 10_000),  # how long one attempt may take
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    # Otherwise made of the socket's path, which a newer server does not take for a name.
    ("grpc.default_authority", "localhost"),
)
_AWAY: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})


class NotThere(EngineError):
    """containerd knows no such thing."""


class Already(EngineError):
    """containerd has such a thing already."""


class Locked(EngineError):
    """Somebody else writes this just now."""


class Refused(EngineError):
    """containerd refused, or failed."""

    def __init__(self, message: str, code: str) -> None:
        """code: the name of gRPC's status, `FAILED_PRECONDITION`."""
        super().__init__(message)
        self.code = code


class Client:
    """One containerd, in one of its namespaces. Connects with the first call.

    Everything raises NotThere, Already, Locked, Refused, and base.Unavailable: not reached, no
    answer in time, closed.
    """

    def __init__(self, socket: Path, namespace: str) -> None:
        self.socket = socket
        self.namespace = namespace
        self._opened: grpc.aio.Channel | None = None
        self._closed = False

    async def call(
        self,
        method: Method[Q, A],
        request: Q,
        *,
        timeout_s: float = CALL_TIMEOUT_S,
        lease: str = "",
    ) -> A:
        """One request, one answer.

        lease: what comes of it is kept from being collected for as long as that lease is there.
        """
        ask = self._channel().unary_unary(
            method.path,
            request_serializer=method.request_type.SerializeToString,  # type: ignore[attr-defined]  # of every message
            response_deserializer=method.answer_type.FromString,  # type: ignore[attr-defined]  # of every message
        )
        with self._classified(timeout_s):
            answer: A = await ask(request, timeout=timeout_s, metadata=self._metadata(lease))
            return answer

    async def stream(
        self,
        method: Method[Q, A],
        request: Q,
        *,
        timeout_s: float | None = None,
        lease: str = "",
    ) -> AsyncGenerator[A, None]:
        """What comes of one request, as it comes. Closing the generator ends the call.

        timeout_s: of all of it; None: it may go on for ever.
        """
        ask = self._channel().unary_stream(
            method.path,
            request_serializer=method.request_type.SerializeToString,  # type: ignore[attr-defined]  # of every message
            response_deserializer=method.answer_type.FromString,  # type: ignore[attr-defined]  # of every message
        )
        with self._classified(timeout_s):
            call = ask(request, timeout=timeout_s, metadata=self._metadata(lease))
        try:
            while True:
                with self._classified(timeout_s):
                    answer = await call.read()
                if answer is grpc.aio.EOF:
                    return
                yield answer
        finally:
            call.cancel()

    @contextlib.asynccontextmanager
    async def duplex(
        self, method: Method[Q, A], *, lease: str = ""
    ) -> AsyncIterator[Conversation[Q, A]]:
        """Requests and answers in turn, until it is left."""
        ask = self._channel().stream_stream(
            method.path,
            request_serializer=method.request_type.SerializeToString,  # type: ignore[attr-defined]  # of every message
            response_deserializer=method.answer_type.FromString,  # type: ignore[attr-defined]  # of every message
        )
        with self._classified(None):
            call = ask(metadata=self._metadata(lease))
        try:
            yield Conversation(self, call)
        finally:
            call.cancel()

    def unavailable(self, why: str) -> Unavailable:
        return Unavailable(f"the engine at unix://{self.socket} is not available: {why}")

    async def close(self) -> None:
        """Ends everything under way, with Unavailable for whoever waits."""
        self._closed = True
        if self._opened is not None:
            await self._opened.close()

    def _channel(self) -> grpc.aio.Channel:
        """Made where it is first used: it belongs to the loop that runs then."""
        if self._closed:
            raise self._shut()
        if self._opened is None:
            self._opened = grpc.aio.insecure_channel(f"unix:{self.socket}", options=_OPTIONS)
        return self._opened

    def _metadata(self, lease: str) -> tuple[tuple[str, str], ...]:
        namespace = ((_NAMESPACE, self.namespace),)
        return (*namespace, (_LEASE, lease)) if lease else namespace

    @contextlib.contextmanager
    def _classified(self, timeout_s: float | None) -> Iterator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            raise self.sorted(error.code(), error.details(), timeout_s) from error
        except grpc.aio.UsageError as error:
            raise self._shut() from error
        except asyncio.CancelledError as error:
            # Closing the channel looks to whoever waits like being cancelled.
            task = asyncio.current_task()
            if self._closed and not (task and task.cancelling()):
                raise self._shut() from error
            raise

    def sorted(
        self, code: grpc.StatusCode, details: str | None, timeout_s: float | None
    ) -> EngineError:
        """The class of an answer that is none."""
        text = (details or "").strip() or code.name
        if unreached := _CONNECT.match(text):
            text = f"cannot connect: {unreached[1]}"
        if code is grpc.StatusCode.NOT_FOUND:
            return NotThere(text)
        if code is grpc.StatusCode.ALREADY_EXISTS:
            return Already(text)
        if code is grpc.StatusCode.UNAVAILABLE and _LOCKED in text:
            return Locked(text)
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            waited = "no answer in time" if timeout_s is None else f"no answer in {timeout_s:g} s"
            return self.unavailable(waited)
        return self.unavailable(text) if code in _AWAY else Refused(text, code.name)

    def _shut(self) -> Unavailable:
        return self.unavailable("the connection is closed")


class Conversation(Generic[Q, A]):
    """A call that goes both ways."""

    def __init__(self, client: Client, call: grpc.aio.StreamStreamCall) -> None:
        self._client = client
        self._call = call

    async def ask(self, request: Q, *, timeout_s: float = CALL_TIMEOUT_S) -> A:
        """Says one thing and waits for one answer. Raises what Client raises."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._asked(request)
        except TimeoutError as error:
            raise self._client.unavailable(f"no answer in {timeout_s:g} s") from error

    async def _asked(self, request: Q) -> A:
        try:
            await self._call.write(request)
            answer = await self._call.read()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            # What ended the call is told by its status, not by what failed for it.
            raise await self._ended() from error
        if answer is grpc.aio.EOF:
            raise await self._ended()
        said: A = answer
        return said

    async def _ended(self) -> EngineError:
        code, details = await self._call.code(), await self._call.details()
        if code is grpc.StatusCode.OK:
            return self._client.unavailable("it ended the call without an answer")
        return self._client.sorted(code, details, None)
