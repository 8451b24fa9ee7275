"""The writable snapshot of an instance: its root file system."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from ring.runtimes.base import Gone
from ring.runtimes.containerd import failures, methods
from ring.runtimes.containerd.api import snapshots_pb2 as snapshots
from ring.runtimes.containerd.api import types_pb2 as types
from ring.runtimes.containerd.client import CALL_TIMEOUT_S, NotThere, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.core.model.ids import InstanceId
    from ring.runtimes.containerd.client import Client

Mounts: TypeAlias = Sequence[types.Mount]

_ROOT: Final = "containerd.io/gc.root"
"""Keeps a snapshot from being collected while no container object names it."""


class Snapshots:
    """Of one snapshotter. Every call raises Unavailable where containerd does not answer."""

    def __init__(self, client: Client, snapshotter: str) -> None:
        self._client = client
        self._snapshotter = snapshotter

    async def prepare(
        self, instance_id: InstanceId, chain_id: str, labels: Mapping[str, str]
    ) -> Mounts:
        """On top of an image's. Raises Already, RuntimeFailure."""
        request = snapshots.PrepareSnapshotRequest(
            snapshotter=self._snapshotter,
            key=instance_id,
            parent=chain_id,
            labels={**labels, _ROOT: "true"},
        )
        try:
            answer = await self._client.call(methods.SNAPSHOTS_PREPARE, request)
            mounts: Mounts = answer.mounts
        except (Refused, NotThere) as error:
            raise failures.of_call(f"prepare the files of {instance_id}", error) from error
        return mounts

    async def mounts(self, instance_id: InstanceId) -> Mounts:
        """Raises Gone, RuntimeFailure."""
        request = snapshots.MountsRequest(snapshotter=self._snapshotter, key=instance_id)
        try:
            answer = await self._client.call(methods.SNAPSHOTS_MOUNTS, request)
            mounts: Mounts = answer.mounts
        except NotThere as error:
            raise Gone(f"the files of instance '{instance_id}' are gone") from error
        except Refused as error:
            raise failures.of_call(f"mount the files of {instance_id}", error) from error
        return mounts

    async def prepared(self, label: str, value: str) -> frozenset[str]:
        """The keys of those that are written to, and that have this label. Raises
        RuntimeFailure."""
        request = snapshots.ListSnapshotsRequest(
            snapshotter=self._snapshotter,
            filters=[f"kind==active,labels.{json.dumps(label)}=={json.dumps(value)}"],
        )
        stream = self._client.stream(methods.SNAPSHOTS_LIST, request, timeout_s=CALL_TIMEOUT_S)
        try:
            async with aclosing(stream):
                return frozenset([info.name async for answer in stream for info in answer.info])
        except Refused as error:
            raise failures.of_call("list the files of instances", error) from error

    async def remove(self, instance_id: InstanceId) -> None:
        """Gone already is success. Raises RuntimeFailure."""
        request = snapshots.RemoveSnapshotRequest(snapshotter=self._snapshotter, key=instance_id)
        with suppress(NotThere):
            try:
                await self._client.call(methods.SNAPSHOTS_REMOVE, request)
            except Refused as error:
                raise failures.of_call(f"remove the files of {instance_id}", error) from error
