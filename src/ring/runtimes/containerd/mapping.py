"""A container object and its task, as an Instance."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ring.core.model import labels
from ring.core.model.health import Health
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.core.model.observed import LIVE, Exit, Instance, State
from ring.runtimes import ownership
from ring.runtimes.containerd.api import task_pb2 as task_types
from ring.runtimes.containerd.names import container_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.timestamp_pb2 import Timestamp

    from ring.runtimes.containerd.api import containers_pb2 as containers
    from ring.runtimes.containerd.networking.networks import Joined

STATES: Final[Mapping[int, State]] = {
    task_types.CREATED: State.CREATED,
    task_types.RUNNING: State.RUNNING,
    task_types.STOPPED: State.EXITED,
    task_types.PAUSED: State.PAUSED,
    task_types.PAUSING: State.PAUSED,
}
"""Of a task; any other word says neither that it lives nor how it ended."""


def instance(
    container: containers.Container,
    task: task_types.Process | None,
    joined: Joined | None,
    *,
    was_started: bool,
) -> Instance:
    """joined: its network, as far as it is on one. was_started: what does not run, has ended."""
    written = dict(container.labels)
    made_as = written.get(labels.INSTANCE)
    is_named = made_as is not None and container_id(InstanceName(made_as)) == container.id
    return Instance(
        id=InstanceId(container.id),
        name=InstanceName(made_as if is_named and made_as else container.id),
        deployment_id=DeploymentId(written.get(labels.DEPLOYMENT, "")),
        server_id=written.get(labels.SERVER, ""),
        state=state(task, was_started=was_started),
        created_at=moment(container.created_at),
        address=next(iter(joined.addresses), None) if joined and joined.is_attached else None,
        is_attached=_is_attached(written, joined, state(task, was_started=was_started)),
        image_digest=written.get(labels.IMAGE) or None,
        made_as=InstanceName(made_as) if made_as else None,
        health=next((one for one in Health if one == written.get(labels.HEALTH)), None),
    )


def _is_attached(written: Mapping[str, str], joined: Joined | None, now: State) -> bool:
    """What has not run yet, or no longer does, misses no network, even while it is leaving one."""
    if now not in LIVE:
        return True
    if joined is not None:
        return joined.is_attached
    return not written.get(labels.NETWORK, "").startswith(ownership.NETWORK_PREFIX)


def with_inspection(seen: Instance, volumes: tuple[str, ...], end: Exit | None) -> Instance:
    """What a listing does not tell."""
    return replace(seen, anonymous_volumes=volumes, exit=end)


def state(task: task_types.Process | None, *, was_started: bool) -> State:
    """A task that was made and is taken away again has ended for containerd, and never ran: so does
    one that a killed server has left, while the next one starts its instance."""
    now = State.EXITED if task is None else STATES.get(task.status, State.UNKNOWN)
    return State.CREATED if now is State.EXITED and not was_started else now


def end(task: task_types.Process | None, *, ran_out: bool) -> Exit:
    """How it ended; a task that was lost with its shim does not tell.

    ran_out: the kernel killed something of it for want of memory.
    """
    if task is None:
        return Exit(code=None, finished_at=None)
    return Exit(
        code=task.exit_status,
        finished_at=moment(task.exited_at) if task.HasField("exited_at") else None,
        oom=ran_out,
    )


def moment(stamp: Timestamp) -> datetime:
    return datetime.fromtimestamp(stamp.seconds, UTC).replace(microsecond=stamp.nanos // 1000)
