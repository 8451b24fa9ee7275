"""Reading what a client sends: bounded, typed by its header, and on time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.api.problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request

LIMIT_BYTES = 2 * 1024 * 1024
_DISCARDED_BYTES = 8 * 1024 * 1024
"""What is read past the limit so that a client that sends first and reads then gets its answer."""


async def read(request: Request, *, limit_bytes: int = LIMIT_BYTES) -> bytes:
    """The whole body. Raises 415 and 413."""
    _require_json(request)
    _refuse_announced(request, limit_bytes)
    size = 0
    chunks: list[bytes] = []
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes + _DISCARDED_BYTES:
            raise _too_large(limit_bytes, {"Connection": "close"})
        if size <= limit_bytes:
            chunks.append(chunk)
    if size > limit_bytes:
        raise _too_large(limit_bytes)
    return b"".join(chunks)


def _require_json(request: Request) -> None:
    given = request.headers.get("content-type", "")
    kind = given.partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise Problem(415, "send JSON, with Content-Type: application/json")


def _refuse_announced(request: Request, limit_bytes: int) -> None:
    """A client that asks first (`Expect: 100-continue`) is told before it sends."""
    announced = request.headers.get("content-length", "")
    if "expect" in request.headers and announced.isdecimal() and int(announced) > limit_bytes:
        raise _too_large(limit_bytes)


def _too_large(limit_bytes: int, headers: dict[str, str] | None = None) -> Problem:
    return Problem(413, f"the body is larger than {limit_bytes} bytes", headers=headers)
