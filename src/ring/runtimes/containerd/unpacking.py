"""Layers, unpacked one on the other into snapshots that instances are made of."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from ring.core.errors import EngineError
from ring.runtimes.containerd import methods
from ring.runtimes.containerd.api import diff_pb2, types_pb2
from ring.runtimes.containerd.api import snapshots_pb2 as api
from ring.runtimes.containerd.client import Already, NotThere, Refused
from ring.runtimes.containerd.content import Damaged
from ring.runtimes.containerd.image_config import chain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.runtimes.containerd.client import Client
    from ring.runtimes.distribution.descriptors import Descriptor

_log = logging.getLogger(__name__)

APPLY_TIMEOUT_S: Final = 1800.0
"""Of one layer: containerd tells nothing of it until it is done."""


class Unpacking:
    """Snapshots of one snapshotter."""

    def __init__(self, client: Client, snapshotter: str) -> None:
        self._client = client
        self.snapshotter = snapshotter
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Images have layers in common: each is unpacked once."""

    async def is_unpacked(self, chain_id: str) -> bool:
        request = api.StatSnapshotRequest(snapshotter=self.snapshotter, key=chain_id)
        try:
            told = await self._client.call(methods.SNAPSHOTS_STAT, request)
        except NotThere:
            return False
        return bool(told.info.kind == api.Kind.COMMITTED)

    async def unpacked(self, diff_ids: Sequence[str]) -> int:
        """How many layers are there, from the lowest on: each stands on the one below."""
        chained = chain(diff_ids)
        for count in range(len(chained), 0, -1):
            if await self.is_unpacked(chained[count - 1]):
                return count
        return 0

    async def unpack(self, layer: Descriptor, diff_ids: Sequence[str], *, lease: str) -> None:
        """The layer, on those below it, which are there. It may be there already.

        diff_ids: of the layers up to this one. Raises Damaged where its content is not what its
        diff id says, or nothing that can be unpacked.
        """
        below, own = ("", *chain(diff_ids))[-2:]
        lock = self._locks.setdefault(own, asyncio.Lock())
        async with lock:
            if not await self.is_unpacked(own):
                await self._apply(layer, diff_ids[-1], below, own, lease)

    async def _apply(
        self, layer: Descriptor, diff_id: str, below: str, own: str, lease: str
    ) -> None:
        key = f"ring-unpack-{secrets.token_hex(8)} {own}"
        prepare = api.PrepareSnapshotRequest(snapshotter=self.snapshotter, key=key, parent=below)
        prepared = await self._client.call(methods.SNAPSHOTS_PREPARE, prepare, lease=lease)
        try:
            await self._fill(layer, diff_id, prepared.mounts, lease)
            commit = api.CommitSnapshotRequest(snapshotter=self.snapshotter, name=own, key=key)
            await self._client.call(methods.SNAPSHOTS_COMMIT, commit, lease=lease)
        except BaseException as error:
            # Also where somebody else was quicker; what cannot be removed goes with the lease.
            await asyncio.shield(self._remove(key))
            if not isinstance(error, Already):
                raise

    async def _fill(
        self, layer: Descriptor, diff_id: str, mounts: Sequence[types_pb2.Mount], lease: str
    ) -> None:
        described = types_pb2.Descriptor(
            media_type=layer.media_type, digest=layer.digest, size=layer.size
        )
        try:
            applied = await self._client.call(
                methods.DIFF_APPLY,
                diff_pb2.ApplyRequest(diff=described, mounts=mounts),
                timeout_s=APPLY_TIMEOUT_S,
                lease=lease,
            )
        except Refused as error:
            raise Damaged(f"layer {layer.digest} cannot be unpacked: {error}") from error
        if applied.applied.digest != diff_id:
            raise Damaged(
                f"layer {layer.digest} is {applied.applied.digest} unpacked, not {diff_id}"
            )

    async def _remove(self, key: str) -> None:
        request = api.RemoveSnapshotRequest(snapshotter=self.snapshotter, key=key)
        try:
            with contextlib.suppress(NotThere):
                await self._client.call(methods.SNAPSHOTS_REMOVE, request)
        except EngineError as error:
            _log.info("the unfinished snapshot %r stays for a day: %s", key, error)
