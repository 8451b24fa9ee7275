"""The namespace networks: one bridge `ring_<namespace>` each, made on first use."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.runtimes.base import Gone, RuntimeFailure
from ring.runtimes.docker import failures, mapping, payload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.core.model.ids import InstanceId
    from ring.runtimes.docker.connection import Answer, Connection
    from ring.runtimes.docker.payload import Payload


class Networks:
    """Ensures networks, and remembers those that it has seen."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: set[str] = set()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def ensure(self, namespace: str) -> None:
        """The network exists afterwards. Raises RuntimeFailure(NETWORK_FAILED), Unavailable."""
        if namespace in self._known:
            return
        async with self._locks[namespace]:
            if namespace not in self._known:
                await self._ensure(namespace)
                self._known.add(namespace)

    async def ensure_again(self, network: str) -> bool:
        """What was remembered of this network is wrong. False: it is not a namespace's."""
        namespace = network.removeprefix(mapping.NETWORK_PREFIX)
        if namespace == network:
            return False
        self._known.discard(namespace)
        await self.ensure(namespace)
        return True

    async def attach(self, instance_id: InstanceId, namespace: str, aliases: Sequence[str]) -> None:
        """See Runtime.attach."""
        await self.ensure(namespace)
        answer = await self._connect(instance_id, namespace, aliases)
        if network := failures.missing_network(answer):
            await self.ensure_again(network)
            answer = await self._connect(instance_id, namespace, aliases)
        if answer.status == HTTPStatus.FORBIDDEN and "already exists in network" in answer.message:
            return
        if answer.status == HTTPStatus.NOT_FOUND and "no such container" in answer.message.lower():
            raise Gone(answer.message)
        if answer.status != HTTPStatus.OK:
            raise _failed(f"cannot connect instance {instance_id[:12]}", answer)

    async def _connect(
        self, instance_id: InstanceId, namespace: str, aliases: Sequence[str]
    ) -> Answer:
        return await self._connection.call(
            "POST",
            f"/networks/{mapping.network_name(namespace)}/connect",
            body={"Container": instance_id, "EndpointConfig": {"Aliases": list(aliases)}},
        )

    async def _ensure(self, namespace: str) -> None:
        name = mapping.network_name(namespace)
        if await self._one_of(name):
            return
        answer = await self._connection.call(
            "POST",
            "/networks/create",
            body={
                "Name": name,
                "Driver": "bridge",
                "CheckDuplicate": True,
                "Labels": mapping.network_labels(namespace),
            },
        )
        if answer.status not in {HTTPStatus.CREATED, HTTPStatus.OK, HTTPStatus.CONFLICT}:
            raise _failed(f"cannot create network '{name}'", answer)
        # Somebody else may have made one in between, and the engine's check has a gap.
        if not await self._one_of(name):
            raise _failed(f"cannot create network '{name}'", answer)

    async def _one_of(self, name: str) -> bool:
        """Whether there is a network of exactly this name; of several, only one is left."""
        found = [
            network
            for network in await self._named_like(name)
            if payload.text(network, "Name") == name
        ]
        if len(found) > 1:
            await self._keep_one(found)
        return bool(found)

    async def _named_like(self, name: str) -> tuple[Payload, ...]:
        """The engine matches parts of names too."""
        answer = await self._connection.call(
            "GET", "/networks", query={"filters": json.dumps({"name": [name]})}
        )
        if answer.status != HTTPStatus.OK:
            raise _failed(f"cannot look up network '{name}'", answer)
        return payload.as_payloads(answer.json())

    async def _keep_one(self, found: list[Payload]) -> None:
        """Keeps the one that is in use, else the oldest; the engine keeps others in use too."""
        by_age = sorted(found, key=lambda network: payload.text(network, "Created"))
        ids = [payload.text(network, "Id") for network in by_age]
        used = [network_id for network_id in ids if await self._has_endpoints(network_id)]
        keeper = (used or ids)[0]
        for network_id in ids:
            if network_id != keeper and network_id not in used:
                await self._connection.call("DELETE", f"/networks/{network_id}")

    async def _has_endpoints(self, network_id: str) -> bool:
        answer = await self._connection.call("GET", f"/networks/{network_id}")
        if answer.status == HTTPStatus.NOT_FOUND:
            return False
        if answer.status != HTTPStatus.OK:
            raise _failed(f"cannot look up network '{network_id}'", answer)
        return bool(payload.section(payload.as_payload(answer.json()), "Containers"))


def _failed(what: str, answer: Answer) -> RuntimeFailure:
    return failures.unless_away(answer) or RuntimeFailure(
        FailureClass.NETWORK_FAILED, f"{what}: {answer.message}"
    )
