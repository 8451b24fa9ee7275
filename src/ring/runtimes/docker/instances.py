"""Containers: looked up, created, started, stopped, removed."""

from __future__ import annotations

import contextlib
import functools
import json
import math
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.errors import EngineError
from ring.core.model import labels
from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.core.model.stopping import LONGEST_GRACE_S
from ring.runtimes import ownership, profiles
from ring.runtimes.base import Gone, RuntimeFailure, Unavailable
from ring.runtimes.docker import (
    failures,
    files,
    mapping,
    mounts,
    options,
    payload,
    volumes,
)
from ring.runtimes.docker.connection import CALL_TIMEOUT_S
from ring.runtimes.docker.dialect import DOCKER
from ring.runtimes.docker.gateways import gateway
from ring.runtimes.docker.options import Found

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ring.core.model.ids import InstanceName
    from ring.core.model.observed import Instance
    from ring.core.model.spec import DeploymentSpec
    from ring.runtimes.base import Order, Process
    from ring.runtimes.docker.connection import Answer, Connection
    from ring.runtimes.docker.dialect import Dialect
    from ring.runtimes.docker.networks import Networks

_LABELLED = json.dumps({"label": [labels.DEPLOYMENT]})


class Instances:
    """Ring's containers on one engine."""

    def __init__(
        self,
        connection: Connection,
        networks: Networks,
        dialect: Dialect = DOCKER,
        *,
        is_labelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """is_labelled: whether SELinux confines what the engine runs."""
        self._connection = connection
        self._dialect = dialect
        self._networks = networks
        self._is_labelled = is_labelled
        self._publishing: set[InstanceId] = set()
        """Those that were made here, publish ports, and have not been started yet."""

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

    async def environment(self, instance_id: InstanceId) -> Mapping[str, str]:
        """See Execs.environment."""
        answer = await self._told(instance_id)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise Gone(answer.message)
        config = payload.section(payload.as_payload(answer.json()), "Config")
        pairs = (entry.partition("=") for entry in payload.texts(config, "Env"))
        return {name: value for name, _, value in pairs}

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
        if instance_id in self._publishing:
            await self._dialect.await_ports(self._connection, instance_id)
        answer = await self._start(instance_id)
        if (network := failures.missing_network(answer)) and await self._networks.ensure_again(
            network
        ):
            answer = await self._start(instance_id)
        if answer.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            raise await self._refusal(instance_id, answer)
        self._publishing.discard(instance_id)
        await self._networks.keep_bridges()

    async def stop(self, instance_id: InstanceId, grace_s: float | None) -> None:
        """See Runtime.stop. The engine counts whole seconds."""
        query = {} if grace_s is None else {"t": str(math.ceil(grace_s))}
        longest_s = LONGEST_GRACE_S if grace_s is None else grace_s
        stop = functools.partial(
            self._connection.call,
            "POST",
            f"/containers/{instance_id}/stop",
            query=query,
            timeout_s=longest_s + CALL_TIMEOUT_S,
        )
        answer = await stop()
        if failures.is_paused(answer):
            await self._connection.call("POST", f"/containers/{instance_id}/unpause")
            answer = await stop()
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
        self._publishing.discard(instance_id)

    async def _told(self, key: str) -> Answer:
        answer = await self._connection.call("GET", f"/containers/{key}/json")
        if answer.status not in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}:
            raise failures.refused(f"inspect instance {key}", answer)
        return answer

    async def _created(self, order: Order) -> Instance:
        is_here = self._connection.endpoint.socket is not None
        await mounts.require_sources(order.spec, is_here=is_here)
        if self._dialect.makes_sources:
            await mounts.require_made(order.spec, is_here=is_here)
        await self._dialect.require_served(self._connection, order)
        await volumes.ensure(self._connection, order.spec, order.server_id)
        answer = await self._create(order)
        if (network := failures.missing_network(answer)) and await self._networks.ensure_again(
            network
        ):
            answer = await self._create(order)
        if answer.status != HTTPStatus.CREATED:
            raise failures.of_create(answer, order.image.ref, order.name)
        created = InstanceId(payload.text(payload.as_payload(answer.json()), "Id"))
        if order.spec.ports:
            self._publishing.add(created)
        try:
            await files.copy(self._connection, created, order.files)
            return await self.inspect(created)
        except Unavailable:
            raise
        except RuntimeFailure:
            await self.remove(created)
            raise

    async def _create(self, order: Order) -> Answer:
        body = mapping.create_body(order, await self._found(order))
        return await self._connection.call(
            "POST", "/containers/create", query={"name": order.name}, body=body
        )

    async def _found(self, order: Order) -> Found:
        """What the order refers to beside its image. Raises RuntimeFailure, Unavailable."""
        spec = order.spec
        return Found(
            seccomp=await self._seccomp(spec),
            gateway=await gateway(self._connection, spec, ownership.network_mode(spec)),
            is_labelled=self._is_labelled(),
        )

    async def _seccomp(self, spec: DeploymentSpec) -> str | None:
        content = await profiles.seccomp(spec)
        path = spec.security.seccomp if spec.security else None
        if content is None or path is None:
            return None
        told = self._dialect.seccomp(path, content)
        if told == path and self._connection.endpoint.socket is None:
            # It would open whatever its own host has at this path.
            raise RuntimeFailure(
                FailureClass.INSTANCE_REJECTED,
                f"the seccomp profile '{path}' is on the server's host, and {self._dialect.name} "
                "on another one takes only its own",
            )
        return told

    async def _refusal(self, instance_id: InstanceId, answer: Answer) -> EngineError:
        """Why it does not start, with the names that the engine's text leaves out."""
        error = failures.of_start(answer)
        if not isinstance(error, RuntimeFailure) or not failures.is_of_a_module(answer):
            return error
        with contextlib.suppress(EngineError):
            told = payload.as_payload((await self._told(instance_id)).json())
            names = options.confined_by(payload.section(told, "HostConfig"))
            return RuntimeFailure(error.failure.kind, f"{', '.join(names)}: {error.message}")
        return error

    async def _start(self, instance_id: InstanceId) -> Answer:
        return await self._connection.call("POST", f"/containers/{instance_id}/start")

    async def _remove(self, instance_id: InstanceId, query: dict[str, str]) -> Answer:
        return await self._connection.call("DELETE", f"/containers/{instance_id}", query=query)


def _is_removed(answer: Answer) -> bool:
    if answer.status == HTTPStatus.CONFLICT:
        return "already in progress" in answer.message
    return answer.status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND}
