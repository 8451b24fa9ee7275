"""Leases: what a pull has brought so far is kept from being collected, also after it broke off,
unless it was the disk that had no room for more."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import secrets
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ring.clock import SystemClock, rfc3339
from ring.core.errors import EngineError
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd import failures, methods
from ring.runtimes.containerd.api import leases_pb2, namespaces_pb2
from ring.runtimes.containerd.client import Already, NotThere

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ring.clock import Clock
    from ring.runtimes.containerd.client import Client

_log = logging.getLogger(__name__)

_EXPIRE: Final = "containerd.io/gc.expire"
_KEPT: Final = timedelta(hours=24)


class Leases:
    """Those of this server's pulls."""

    def __init__(self, client: Client, clock: Clock | None = None) -> None:
        self._client = client
        self._clock = clock or SystemClock()
        self._users: Counter[str] = Counter()
        self._has_namespace = False
        self._own = secrets.token_hex(4)
        """Another server may pull the same image, and be done with it before."""

    @contextlib.asynccontextmanager
    async def held(self, purpose: str) -> AsyncIterator[str]:
        """The id of a lease that ends with success, or with a full disk, when what it has kept is
        collected; after anything else it is kept for a day.

        One for a purpose and an hour, so that what fails again and again leaves few of them.
        """
        await self._ensure_namespace()
        now = self._clock.wall()
        of = hashlib.sha256(purpose.encode()).hexdigest()[:16]
        name = f"ring-{self._own}-{of}-{now:%Y%m%d%H}"
        labels = {_EXPIRE: rfc3339(now + _KEPT)}
        with contextlib.suppress(Already):
            await self._client.call(
                methods.LEASES_CREATE, leases_pb2.CreateRequest(id=name, labels=labels)
            )
        self._users[name] += 1
        try:
            yield name
        except BaseException as error:
            if self._is_left(name) and failures.is_of_full_disk(error):
                await self._given_back(name)
            raise
        if self._is_left(name):
            await self._end(name)

    def _is_left(self, name: str) -> bool:
        """One fewer has it now; True: nobody has."""
        self._users[name] -= 1
        if self._users[name]:
            return False
        del self._users[name]
        return True

    async def _given_back(self, name: str) -> None:
        """Returns once there is the room that it took."""
        try:
            await self._end(name, sync=True)
        except (EngineError, RuntimeFailure) as error:
            _log.warning("what a pull has brought stays on the full disk for a day: %s", error)

    async def _end(self, name: str, *, sync: bool = False) -> None:
        """sync: returns after the collection."""
        request = leases_pb2.DeleteRequest(id=name, sync=sync)
        with contextlib.suppress(NotThere):
            await self._client.call(methods.LEASES_DELETE, request)

    async def add_snapshot(self, lease: str, snapshotter: str, key: str) -> None:
        """Keeps a snapshot that was there before, and those below it. Raises NotThere."""
        resource = leases_pb2.Resource(id=key, type=f"snapshots/{snapshotter}")
        request = leases_pb2.AddResourceRequest(id=lease, resource=resource)
        await self._client.call(methods.LEASES_ADD_RESOURCE, request)

    async def _ensure_namespace(self) -> None:
        """containerd's own partition is there; what is first written to it may not make it."""
        if self._has_namespace:
            return
        namespace = namespaces_pb2.Namespace(name=self._client.namespace)
        with contextlib.suppress(Already):
            await self._client.call(
                methods.NAMESPACES_CREATE,
                namespaces_pb2.CreateNamespaceRequest(namespace=namespace),
            )
        self._has_namespace = True
