"""The namespace networks: one bridge `ring_<namespace>` each, made on first use."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import defaultdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.network.bridges import Bridges
from ring.network.taken import BRIDGES
from ring.runtimes import ownership
from ring.runtimes.base import Gone, RuntimeFailure
from ring.runtimes.docker import failures, payload
from ring.runtimes.docker.dialect import DOCKER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.core.model.ids import InstanceId
    from ring.runtimes.docker.connection import Answer, Connection
    from ring.runtimes.docker.dialect import Completed, Dialect
    from ring.runtimes.docker.payload import Payload
    from ring.runtimes.docker.subnets import Subnets
    from ring.runtimes.shortcomings import Shortcoming


_ATTEMPTS = 3
_INTERFACE: Final = "com.docker.network.bridge.name"
_INTERFACE_DIGITS: Final = 11
"""What the kernel's limit of an interface's name leaves."""


class Networks:
    """Ensures networks, and remembers those that it has seen."""

    def __init__(
        self,
        connection: Connection,
        subnets: Subnets,
        server_id: str = "",
        dialect: Dialect = DOCKER,
        bridges: Bridges | None = None,
    ) -> None:
        """server_id: of whoever makes them; without one they carry none."""
        self._connection = connection
        self._subnets = subnets
        self._server_id = server_id
        self._dialect = dialect
        self._known: dict[str, Completed] = {}
        """By namespace: those that were seen."""
        self._bridges = bridges or Bridges()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def ensure(self, namespace: str) -> None:
        """The network exists afterwards. Raises RuntimeFailure(NETWORK_FAILED), Unavailable."""
        if namespace in self._known:
            return
        async with self._locks[namespace]:
            if namespace not in self._known:
                await self._ensure(namespace)
                name = ownership.network_name(namespace)
                self._known[namespace] = await self._dialect.completed(self._connection, name)

    def shortcomings(self, namespace: str) -> tuple[Shortcoming, ...]:
        """See ring.runtimes.shortcomings.Shortcomings."""
        known = self._known.get(namespace)
        return known.shortcomings if known is not None else ()

    async def ensure_again(self, network: str) -> bool:
        """What was remembered of this network is wrong. False: it is not a namespace's."""
        namespace = network.removeprefix(ownership.NETWORK_PREFIX)
        if namespace == network:
            return False
        self._known.pop(namespace, None)
        await self.ensure(namespace)
        return True

    async def keep_bridges(self) -> None:
        """After an instance was plugged in: the bridge came with it where it was the first."""
        await self._bridges.keep([one.bridge for one in self._known.values() if one.bridge])

    def forget(self) -> None:
        """One was removed: each is looked for again when it is needed next."""
        self._known.clear()

    async def attach(self, instance_id: InstanceId, namespace: str, aliases: Sequence[str]) -> None:
        """See Runtime.attach."""
        await self.ensure(namespace)
        answer = await self._connect(instance_id, namespace, aliases)
        if network := failures.missing_network(answer):
            await self.ensure_again(network)
            answer = await self._connect(instance_id, namespace, aliases)
        if _is_attached(answer):
            return
        if answer.status == HTTPStatus.NOT_FOUND and "no such container" in answer.message.lower():
            raise Gone(answer.message)
        if answer.status != HTTPStatus.OK:
            raise _failed(f"cannot connect instance {instance_id[:12]}", answer)
        await self.keep_bridges()

    async def _connect(
        self, instance_id: InstanceId, namespace: str, aliases: Sequence[str]
    ) -> Answer:
        return await self._connection.call(
            "POST",
            f"/networks/{ownership.network_name(namespace)}/connect",
            body={"Container": instance_id, "EndpointConfig": {"Aliases": list(aliases)}},
        )

    async def _ensure(self, namespace: str, attempts: int = _ATTEMPTS) -> None:
        name = ownership.network_name(namespace)
        if await self._one_of(name):
            return
        answer = await self._subnets.create(
            {
                "Name": name,
                "Driver": "bridge",
                "CheckDuplicate": True,
                "Labels": ownership.network_labels(namespace, self._server_id),
                "Options": {**self._dialect.network_options, _INTERFACE: _fresh_interface()},
            }
        )
        if failures.is_of_the_moment(answer) and attempts > 1:
            await self._ensure(namespace, attempts - 1)
            return
        is_there = answer.status == HTTPStatus.CONFLICT or "already exists" in answer.message
        if answer.status not in {HTTPStatus.CREATED, HTTPStatus.OK} and not is_there:
            raise _failed(f"cannot create network '{name}'", answer)
        # Somebody else may have made one in between, and the engine's check has a gap.
        if not await self._one_of(name):
            raise RuntimeFailure(
                FailureClass.NETWORK_FAILED,
                f"cannot create network '{name}': the engine has made it and does not list it; "
                "plugins of its network backend may be missing",
            )

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


def _fresh_interface() -> str:
    """By how it begins, the rules know it that keep networks of different engines apart.

    By chance, and not of the network's name: an engine takes an interface over that has this name
    already, which may be that of another engine's network.
    """
    return f"{BRIDGES}{secrets.token_hex(_INTERFACE_DIGITS)[:_INTERFACE_DIGITS]}"


def _is_attached(answer: Answer) -> bool:
    """It refuses what is so already: Docker in the first words, Podman in the second."""
    return any(
        said in answer.message
        for said in ("already exists in network", "is already connected to network")
    )


def _failed(what: str, answer: Answer) -> RuntimeFailure:
    return failures.unless_away(answer) or RuntimeFailure(
        FailureClass.NETWORK_FAILED, f"{what}: {answer.message}"
    )
