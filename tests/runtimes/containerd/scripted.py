"""A gRPC server on a socket of this process, that answers as a test has it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import grpc.aio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from ring.runtimes.containerd.methods import Method

Context: TypeAlias = grpc.aio.ServicerContext


@dataclass(slots=True)
class Server:
    """Of a method that it has no answer to it says that it is not implemented."""

    socket: Path
    handlers: dict[str, grpc.RpcMethodHandler] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """Paths, with the metadata that came along."""

    def answers(
        self, method: Method[Any, Any], behaviour: Callable[[Any, Context], Awaitable[Any]]
    ) -> None:
        self._add(method, grpc.unary_unary_rpc_method_handler, behaviour)

    def streams(
        self, method: Method[Any, Any], behaviour: Callable[[Any, Context], AsyncIterator[Any]]
    ) -> None:
        self._add(method, grpc.unary_stream_rpc_method_handler, behaviour)

    def converses(
        self,
        method: Method[Any, Any],
        behaviour: Callable[[AsyncIterator[Any], Context], AsyncIterator[Any]],
    ) -> None:
        self._add(method, grpc.stream_stream_rpc_method_handler, behaviour)

    def _add(self, method: Method[Any, Any], kind: Any, behaviour: Any) -> None:
        self.handlers[method.path] = kind(
            behaviour,
            request_deserializer=method.request_type.FromString,
            response_serializer=method.answer_type.SerializeToString,
        )


class _Router(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    def __init__(self, server: Server) -> None:
        self._server = server

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        self._server.asked.append((details.method, dict(details.invocation_metadata)))
        return self._server.handlers.get(details.method)


@asynccontextmanager
async def serving(socket: Path) -> AsyncIterator[Server]:
    server = Server(socket)
    running = grpc.aio.server()
    running.add_generic_rpc_handlers((_Router(server),))
    running.add_insecure_port(f"unix:{socket}")
    await running.start()
    try:
        yield server
    finally:
        await running.stop(None)
