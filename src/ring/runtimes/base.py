"""The runtime interface. Mechanical: an adapter never decides status, counts or retries.

Every call runs under its caller's deadline (`asyncio.timeout`), is cancellable and idempotent by
name. Errors are classified here, once, into the classes of core.model.failures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ring.core.errors import EngineError
from ring.core.model.failures import Failure, FailureClass

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from ring.core.model.capabilities import Capabilities
    from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
    from ring.core.model.logs import LogLine, LogQuery
    from ring.core.model.observed import Instance
    from ring.core.model.spec import DeploymentSpec


class RuntimeFailure(EngineError):
    """The engine refused or failed."""

    def __init__(self, kind: FailureClass, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(kind, message)


class Unavailable(RuntimeFailure):
    """The engine cannot be reached, or does not answer in time."""

    def __init__(self, message: str) -> None:
        super().__init__(FailureClass.UNAVAILABLE, message)


class Gone(EngineError):
    """There is no such instance."""


class NameTaken(EngineError):
    """An instance of this name exists already: `find` tells which."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is present locally."""

    ref: str
    """What `create` is given: a reference by digest or id, or the tag where there is no digest."""
    digest: str | None
    """`sha256:…`: the repository digest of the image; its local id where the engine gives none."""


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials for one registry. Nothing of them shows in a repr."""

    server: str
    username: str = field(repr=False)
    password: str = field(repr=False)
    source: str
    """Where they were found, for messages: `config.username and config.password`."""
    identity_token: str = field(default="", repr=False)
    """Stands in for username and password where it is set."""


@dataclass(frozen=True, slots=True)
class File:
    """One file to be seen in an instance, read-only."""

    destination: str
    content: bytes = field(repr=False)
    path: str | None
    """Where it is on the engine's host, to be mounted; None: not there, so it is to be copied."""


@dataclass(frozen=True, slots=True)
class Order:
    """One instance to create, fully resolved. `name` is the idempotence key."""

    name: InstanceName
    deployment_id: DeploymentId
    server_id: str
    spec: DeploymentSpec
    image: Image
    environment: Mapping[str, str] = field(repr=False)
    default_host_ip: str | None = None
    files: tuple[File, ...] = ()
    """What the spec's volumes of the types `config` and `secret` are."""


@dataclass(frozen=True, slots=True)
class Died:
    instance_id: InstanceId
    name: InstanceName
    deployment_id: DeploymentId
    at: datetime
    code: int | None
    certain: bool = True
    """False: anybody may have written `code`; only `inspect` tells how it ended."""


@dataclass(frozen=True, slots=True)
class CameUp:
    """Started by anyone, also after a pause."""

    instance_id: InstanceId
    name: InstanceName
    deployment_id: DeploymentId
    at: datetime


@dataclass(frozen=True, slots=True)
class Paused:
    """Frozen by somebody; it comes up again with a CameUp."""

    instance_id: InstanceId
    name: InstanceName
    deployment_id: DeploymentId
    at: datetime


@dataclass(frozen=True, slots=True)
class Signalled:
    instance_id: InstanceId
    name: InstanceName
    deployment_id: DeploymentId
    at: datetime
    signal: str


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    instance_id: InstanceId
    name: InstanceName
    deployment_id: DeploymentId
    at: datetime


@dataclass(frozen=True, slots=True)
class Destroyed:
    instance_id: InstanceId
    name: InstanceName
    deployment_id: DeploymentId
    at: datetime


@dataclass(frozen=True, slots=True)
class Detached:
    """It was taken off a network; every end of an instance brings one, too."""

    instance_id: InstanceId
    at: datetime


@dataclass(frozen=True, slots=True)
class Resync:
    """Events may have been missed: list again."""

    why: str


InstanceEvent = Died | CameUp | Paused | Signalled | OutOfMemory | Destroyed
"""What happened to one instance, with its name and owner."""

RuntimeEvent = InstanceEvent | Detached | Resync


class Runtime(Protocol):
    """One engine."""

    @property
    def name(self) -> str: ...

    @property
    def location(self) -> str:
        """Where the engine is, for messages: `unix:///var/run/docker.sock`."""
        ...

    @property
    def is_remote(self) -> bool:
        """True: host figures (memory) are not the engine's."""
        ...

    def capabilities(self) -> Capabilities: ...

    async def ping(self) -> None:
        """One real round trip. Raises Unavailable, whose message says why."""
        ...

    async def close(self) -> None: ...

    async def list(self) -> tuple[Instance, ...]:
        """Every instance that carries a deployment label, in every state, in one call.

        Includes those of other servers (see Instance.server_id). Raises Unavailable; never an
        empty answer for a failure.
        """
        ...

    def events(self, since: datetime | None) -> AsyncIterator[RuntimeEvent]:
        """What happens to labelled instances, from `since` on. Ends by raising Unavailable."""
        ...

    async def ensure_network(self, namespace: str) -> None:
        """The namespace's network exists afterwards. Raises RuntimeFailure(NETWORK_FAILED)."""
        ...

    async def resolve_image(
        self, ref: str, policy: str, pin: str | None, login: Login | None = None
    ) -> Image:
        """The image, present locally; pulls by policy, or by `pin` (the row's recorded digest).

        Raises RuntimeFailure(IMAGE_NOT_FOUND | IMAGE_PULL_FAILED).
        """
        ...

    async def remote_digest(self, ref: str, login: Login | None = None) -> str | None:
        """The registry's digest of a movable tag now; None when it cannot be told."""
        ...

    async def create(self, order: Order) -> Instance:
        """Creates, without starting. Raises NameTaken, RuntimeFailure.

        Leaves nothing behind on RuntimeFailure other than Unavailable.
        """
        ...

    async def start(self, instance_id: InstanceId) -> None:
        """Raises Gone, RuntimeFailure(INSTANCE_REJECTED | PORT_IN_USE | …). Started is success."""
        ...

    async def inspect(self, instance_id: InstanceId) -> Instance:
        """With its exit, when it ended. Raises Gone."""
        ...

    async def attach(self, instance_id: InstanceId, namespace: str, aliases: Sequence[str]) -> None:
        """Puts a live instance on its namespace's network, made again where it is missing.

        It is found there by these names. Attached already is success. Raises Gone, RuntimeFailure.
        """
        ...

    async def stop(self, instance_id: InstanceId, grace_s: float) -> None:
        """Signal, wait at most `grace_s`, kill. Stopped or gone already is success."""
        ...

    async def remove(self, instance_id: InstanceId) -> None:
        """With its anonymous volumes. Gone already is success."""
        ...

    async def find(self, name: InstanceName) -> Instance | None:
        """The instance of exactly this name."""
        ...


@runtime_checkable
class Logs(Protocol):
    """A runtime that also tells what its instances write."""

    def logs(self, instance_id: InstanceId, query: LogQuery) -> AsyncGenerator[LogLine, None]:
        """Lines in the order they were written, of instances in any state.

        Following ends when the instance does. Whoever closes the generator ends the reading at
        once. Raises Gone, Unavailable, RuntimeFailure.
        """
        ...


@dataclass(frozen=True, slots=True)
class Process:
    """What an instance is to this machine."""

    pid: int
    """Its first process, as this machine numbers it."""
    restarts: int = 0
    """How often the engine itself has started it again."""


@runtime_checkable
class Samples(Protocol):
    """A runtime whose instances can be processes of this machine, where everybody may look at them.

    `Capabilities.cpu_stats` says whether they are.
    """

    async def process(self, instance_id: InstanceId) -> Process | None:
        """None: it does not run. The same until the instance is started again.

        Raises Gone, Unavailable, RuntimeFailure.
        """
        ...
