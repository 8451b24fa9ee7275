"""Containers: looked up, created, started, stopped, removed."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.model import labels
from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.runtimes.base import Gone, RuntimeFailure, Unavailable
from ring.runtimes.docker import failures, files, mapping, payload, volumes
from ring.runtimes.docker.connection import CALL_TIMEOUT_S

if TYPE_CHECKING:
    from ring.core.model.ids import InstanceName
    from ring.core.model.observed import Instance
    from ring.runtimes.base import Order, Process
    from ring.runtimes.docker.connection import Answer, Connection
    from ring.runtimes.docker.networks import Networks

_LABELLED = json.dumps({"label": [labels.DEPLOYMENT]})


class Instances:
    """Ring's containers on one engine."""

    def __init__(self, connection: Connection, networks: Networks) -> None:
        self._connection = connection
        self._networks = networks

    async def list(self) -> tuple[Instance, ...]:
        """Every labelled container in one call, whatever its state: never filtered by the engine.

        A job that has ended must be seen, and some engines refuse filters for some states.
        """
        answer = await self._connection.call(
            "GET", "/containers/json", query={"all": "1", "filters": _LABELLED}
        )
        if answer.status != HTTPStatus.OK:
            raise Unavailable(f"the engine does not list its containers: {answer.message}")
        return tuple(mapping.listed(entry) for entry in payload.as_payloads(answer.json()))

    async def inspect(self, instance_id: InstanceId) -> Instance:
        """See Runtime.inspect."""
        answer = await self._told(instance_id)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise Gone(answer.message)
        return mapping.inspected(payload.as_payload(answer.json()))

    async def process(self, instance_id: InstanceId) -> Process | None:
        """See Samples.process."""
        answer = await self._told(instance_id)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise Gone(answer.message)
        return mapping.process(payload.as_payload(answer.json()))

    async def find(self, name: InstanceName) -> Instance | None:
        """See Runtime.find. The engine would also take a prefix of an id for a name."""
        answer = await self._told(name)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        found = mapping.inspected(payload.as_payload(answer.json()))
        return found if found.name == name else None

    async def create(self, order: Order) -> Instance:
        """See Runtime.create. Volumes made for it stay: they are kept for the next attempt."""
        try:
            return await self._created(order)
        except Gone as error:
            raise RuntimeFailure(
                FailureClass.OTHER,
                f"instance '{order.name}' was removed from outside while it came up",
            ) from error

    async def start(self, instance_id: InstanceId) -> None:
        """See Runtime.start. A network that somebody removed is made again, once."""
        answer = await self._start(instance_id)
        if (network := failures.missing_network(answer)) and await self._networks.ensure_again(
            network
        ):
            answer = await self._start(instance_id)
        if answer.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            raise failures.of_start(answer)

    async def stop(self, instance_id: InstanceId, grace_s: float) -> None:
        """See Runtime.stop. The engine counts whole seconds."""
        seconds = math.ceil(grace_s)
        answer = await self._connection.call(
            "POST",
            f"/containers/{instance_id}/stop",
            query={"t": str(seconds)},
            timeout_s=seconds + CALL_TIMEOUT_S,
        )
        done = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED, HTTPStatus.NOT_FOUND}
        if answer.status not in done:
            raise failures.refused(f"stop instance {instance_id[:12]}", answer)

    async def remove(self, instance_id: InstanceId) -> None:
        """See Runtime.remove. A refusal is answered once with force."""
        answer = await self._remove(instance_id, {"v": "1"})
        if not _is_removed(answer):
            answer = await self._remove(instance_id, {"v": "1", "force": "1"})
        if not _is_removed(answer):
            raise failures.refused(f"remove instance {instance_id[:12]}", answer)

    async def _told(self, key: str) -> Answer:
        answer = await self._connection.call("GET", f"/containers/{key}/json")
        if answer.status not in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}:
            raise failures.refused(f"inspect instance {key}", answer)
        return answer

    async def _created(self, order: Order) -> Instance:
        await volumes.ensure(self._connection, order.spec)
        answer = await self._create(order)
        if (network := failures.missing_network(answer)) and await self._networks.ensure_again(
            network
        ):
            answer = await self._create(order)
        if answer.status != HTTPStatus.CREATED:
            raise failures.of_create(answer, order.image.ref, order.name)
        created = InstanceId(payload.text(payload.as_payload(answer.json()), "Id"))
        try:
            await files.copy(self._connection, created, order.files)
            return await self.inspect(created)
        except Unavailable:
            raise
        except RuntimeFailure:
            await self.remove(created)
            raise

    async def _create(self, order: Order) -> Answer:
        return await self._connection.call(
            "POST",
            "/containers/create",
            query={"name": order.name},
            body=mapping.create_body(order),
        )

    async def _start(self, instance_id: InstanceId) -> Answer:
        return await self._connection.call("POST", f"/containers/{instance_id}/start")

    async def _remove(self, instance_id: InstanceId, query: dict[str, str]) -> Answer:
        return await self._connection.call("DELETE", f"/containers/{instance_id}", query=query)


def _is_removed(answer: Answer) -> bool:
    if answer.status == HTTPStatus.CONFLICT:
        return "already in progress" in answer.message
    return answer.status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND}
