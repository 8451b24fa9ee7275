"""containerd's content store: blobs by their digest, and those that are being written."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from google.protobuf.field_mask_pb2 import FieldMask

from ring.core.errors import EngineError
from ring.runtimes.base import RuntimeFailure, Unavailable
from ring.runtimes.containerd import failures, methods
from ring.runtimes.containerd.api import content_pb2 as api
from ring.runtimes.containerd.client import Already, Locked, NotThere, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ring.runtimes.containerd.client import Client, Conversation

_log = logging.getLogger(__name__)

READ_TIMEOUT_S: Final = 60.0
LOCKED_IDLE_S: Final = 120.0
"""How long somebody else who writes a blob may make no progress."""
_LOCKED_PAUSE_S: Final = 0.2
_PIECE_BYTES: Final = 1024 * 1024
_REFUSED_CONTENT: Final = "FAILED_PRECONDITION"


class Damaged(EngineError):
    """What was read or written is not what its digest says."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A blob to be written."""

    ref: str
    """What it is called while it is unfinished, by everybody who writes it."""
    digest: str
    size: int


class Content:
    """One content store."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def is_here(self, digest: str) -> bool:
        try:
            await self._client.call(methods.CONTENT_INFO, api.InfoRequest(digest=digest))
        except NotThere:
            return False
        return True

    async def read(self, digest: str, most_bytes: int) -> bytes:
        """The whole blob, compared with its digest. Raises NotThere, Damaged."""
        request = api.ReadContentRequest(digest=digest)
        answers = self._client.stream(methods.CONTENT_READ, request, timeout_s=READ_TIMEOUT_S)
        whole = bytearray()
        async with contextlib.aclosing(answers):
            async for answer in answers:
                whole += answer.data
                if len(whole) > most_bytes:
                    raise Damaged(f"{digest} is longer than {most_bytes} bytes")
        found = f"sha256:{hashlib.sha256(whole).hexdigest()}"
        if found != digest:
            raise Damaged(f"the content kept as {digest} is {found}")
        return bytes(whole)

    async def put(
        self, wanted: Wanted, blob: bytes, labels: Mapping[str, str], *, lease: str
    ) -> None:
        """The blob is kept, with these labels and those that it had. Raises Damaged."""
        async with self.writing(wanted, lease=lease) as writing:
            if writing is not None:
                await writing.restart()
                await writing.write(blob)
                await writing.commit()
        await self.label(wanted.digest, labels)

    async def label(self, digest: str, labels: Mapping[str, str]) -> None:
        """Sets these, and leaves others as they are. Raises NotThere."""
        if not labels:
            return
        request = api.UpdateRequest(
            info=api.Info(digest=digest, labels=dict(labels)),
            update_mask=FieldMask(paths=[f"labels.{key}" for key in labels]),
        )
        await self._client.call(methods.CONTENT_UPDATE, request)

    @contextlib.asynccontextmanager
    async def writing(self, wanted: Wanted, *, lease: str) -> AsyncIterator[Writing | None]:
        """A blob to be written on from where it was left; None: it is here already.

        While somebody else writes it waits, as long as that makes progress. What is left unfinished
        is kept as long as the lease is, but not where the disk is full: it would stay so. Raises
        Unavailable.
        """
        try:
            async with contextlib.AsyncExitStack() as stack:
                yield await self._begun_after_others(stack, wanted, lease)
        except Refused as error:
            if failures.is_of_full_disk(error):
                await self._dropped(wanted.ref)
            raise

    async def _begun_after_others(
        self, stack: contextlib.AsyncExitStack, wanted: Wanted, lease: str
    ) -> Writing | None:
        watch = _Watch(self._client, wanted.ref)
        while True:
            try:
                return await self._begun(stack, wanted, lease)
            except Locked:
                await watch.waited()
            except Already:
                return None

    async def _begun(self, stack: contextlib.AsyncExitStack, wanted: Wanted, lease: str) -> Writing:
        """Left with the stack."""
        async with contextlib.AsyncExitStack() as attempt:
            call = self._client.duplex(methods.CONTENT_WRITE, lease=lease)
            both = await attempt.enter_async_context(call)
            begun = await both.ask(
                api.WriteContentRequest(
                    action=api.WriteAction.STAT,
                    ref=wanted.ref,
                    total=wanted.size,
                    expected=wanted.digest,
                )
            )
            stack.push_async_exit(attempt.pop_all())
        return Writing(self._client, both, begun.offset, wanted)

    async def _dropped(self, ref: str) -> None:
        try:
            await _abort(self._client, ref)
        except (EngineError, RuntimeFailure) as error:
            _log.warning("what has come of %s stays on the full disk: %s", ref, error)


class Writing:
    """A blob that is being written."""

    def __init__(
        self,
        client: Client,
        both: Conversation[api.WriteContentRequest, api.WriteContentResponse],
        offset: int,
        wanted: Wanted,
    ) -> None:
        self._client = client
        self._both = both
        self.offset = offset
        """How much of it there is, in bytes."""
        self._wanted = wanted

    async def restart(self) -> None:
        """Drops what there is of it."""
        if self.offset:
            await self._ask(api.WriteContentRequest(action=api.WriteAction.WRITE))
            self.offset = 0

    async def write(self, data: bytes | memoryview) -> None:
        """Appends; any number of bytes."""
        view = memoryview(data)
        for begin in range(0, len(view), _PIECE_BYTES):
            piece = bytes(view[begin : begin + _PIECE_BYTES])
            await self._ask(
                api.WriteContentRequest(
                    action=api.WriteAction.WRITE, offset=self.offset, data=piece
                )
            )
            self.offset += len(piece)

    async def commit(self, labels: Mapping[str, str] | None = None) -> None:
        """It is whole now. Raises Damaged, where nothing of it is kept."""
        try:
            await self._ask(
                api.WriteContentRequest(
                    action=api.WriteAction.COMMIT,
                    offset=self.offset,  # 0 would drop what is there
                    total=self._wanted.size,
                    expected=self._wanted.digest,
                    labels=dict(labels or {}),
                )
            )
        except Already:
            return
        except Refused as error:
            if error.code != _REFUSED_CONTENT:
                raise
            # containerd keeps it, and would go on from it for ever.
            await _abort(self._client, self._wanted.ref)
            raise Damaged(f"what came is not {self._wanted.digest}: {error}") from error

    async def _ask(self, request: api.WriteContentRequest) -> None:
        await self._both.ask(request)


async def _abort(client: Client, ref: str) -> None:
    """Nothing of it is kept."""
    with contextlib.suppress(NotThere):
        await client.call(methods.CONTENT_ABORT, api.AbortRequest(ref=ref))


class _Watch:
    """Of a blob that somebody else writes."""

    def __init__(self, client: Client, ref: str) -> None:
        self._client = client
        self._ref = ref
        self._seen = -1
        self._idle_s = 0.0

    async def waited(self) -> None:
        """A moment later. Raises Unavailable where nothing has come of it for long."""
        try:
            told = await self._client.call(methods.CONTENT_STATUS, api.StatusRequest(ref=self._ref))
            offset = told.status.offset
        except NotThere:
            offset = -1  # just done, or given up
        if offset != self._seen:
            self._seen, self._idle_s = offset, 0.0
        if self._idle_s >= LOCKED_IDLE_S:
            raise Unavailable(f"somebody else writes '{self._ref}' and does not get on")
        self._idle_s += _LOCKED_PAUSE_S
        await asyncio.sleep(_LOCKED_PAUSE_S)
