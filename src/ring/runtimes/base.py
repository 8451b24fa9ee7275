"""The runtime interface. Mechanical: an adapter never decides status, counts or retries.

Every call runs under its caller's deadline (`asyncio.timeout`), is cancellable and idempotent by
name. Errors are classified here, once, into the classes of core.model.failures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ring.core.errors import EngineError
from ring.core.model.failures import Failure, FailureClass
from ring.core.model.stock import Origin

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from socket import AddressFamily
    from socket import socket as Socket

    from ring.core.model.capabilities import Capabilities
    from ring.core.model.commands import Command, Piece, Size
    from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
    from ring.core.model.logs import LogLine, LogQuery
    from ring.core.model.observed import Instance
    from ring.core.model.spec import DeploymentSpec, PullPolicy


class RuntimeFailure(EngineError):
    """The engine refused or failed."""

    def __init__(self, kind: FailureClass, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.failure = Failure(kind, message, retry_after_s)


class Unavailable(RuntimeFailure):
    """The engine cannot be reached, or does not answer in time."""

    def __init__(self, message: str) -> None:
        super().__init__(FailureClass.UNAVAILABLE, message)


class FellBehind(Unavailable):
    """What is followed may skip lines from here on: ask again for what came since the last one."""


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
    id: str | None = None
    """The engine's own id of it, where there is one."""
    origin: Origin = field(default=Origin.HERE, compare=False)
    """Of the same image it may be another the next time."""


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
        self, ref: str, policy: PullPolicy, pin: str | None, login: Login | None = None
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

    async def stop(self, instance_id: InstanceId, grace_s: float | None) -> None:
        """Its signal, wait at most `grace_s`, kill. Stopped or gone already is success.

        None: the grace that its order's spec had, else the engine's own.
        """
        ...

    async def remove(self, instance_id: InstanceId) -> None:
        """With its anonymous volumes. Gone already is success."""
        ...

    async def find(self, name: InstanceName) -> Instance | None:
        """The instance of exactly this name."""
        ...


@runtime_checkable
class HostLogins(Protocol):
    """A runtime that may use the registry logins of the server's host."""

    async def host_login(self, image: str) -> Login:
        """The host's login for the image's registry, looked up anew.

        Raises RuntimeFailure(IMAGE_PULL_FAILED), also where the operator does not allow it.
        """
        ...


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull has come; all 0 before its registry has answered."""

    layers: int = 0
    layers_done: int = 0
    """Unpacked, or here already."""
    size_bytes: int = 0
    """To be downloaded, as far as it is known: layers whose turn has not come do not tell."""
    done_bytes: int = 0


@runtime_checkable
class Pulls(Protocol):
    """A runtime that tells how its pulls get on."""

    def pull_progress(self, ref: str) -> PullProgress | None:
        """Of the image of this reference, from memory. None: it is not being pulled."""
        ...


@runtime_checkable
class Notices(Protocol):
    """A runtime that knows what is amiss with an engine that answers."""

    async def notices(self) -> tuple[str, ...]:
        """What its administrator should be told when a server begins to use it; never raises."""
        ...


@runtime_checkable
class Logs(Protocol):
    """A runtime that also tells what its instances write."""

    def logs(
        self, instance_id: InstanceId, query: LogQuery
    ) -> AsyncGenerator[Sequence[LogLine], None]:
        """Lines in the order they were written, of instances in any state.

        In batches as they come, none of them empty, and none so large that the handling of it
        keeps others waiting. What is not taken stays with the engine.
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
    may_lack_groups: bool = False
    """Its engine may have no control groups to give, so that only its processes can be measured."""


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


@runtime_checkable
class Inside(Protocol):
    """A runtime whose instances may be on networks that are none of this machine's own: those of a
    rootless engine are not, whatever their addresses look like."""

    async def socket(self, instance_id: InstanceId, family: AddressFamily) -> Socket | None:
        """For TCP, not connected, not blocking, in the instance's own network; the caller closes
        it. None: this machine's own network leads there, as far as any does.

        Raises Gone, Unavailable, RuntimeFailure (also: it does not run, and: no way leads there).
        """
        ...


@dataclass(frozen=True, slots=True)
class Executed:
    """A command that ran to its end inside an instance."""

    code: int
    output: str = field(default="", repr=False)
    """The last KEPT_OUTPUT_BYTES of what it wrote, as it wrote it: it may quote a secret."""


KEPT_OUTPUT_BYTES = 1024
_LONGEST_CHARACTER = 3  # bytes that may be left of one


def kept_output(written: bytes) -> str:
    """The end of it, as Executed has it; without what is left of a character that was cut."""
    text = written[-KEPT_OUTPUT_BYTES:].decode(errors="replace")
    if len(written) < KEPT_OUTPUT_BYTES:
        return text
    return text[:_LONGEST_CHARACTER].lstrip("\ufffd") + text[_LONGEST_CHARACTER:]


@runtime_checkable
class Execs(Protocol):
    """A runtime that runs commands inside its instances.

    `Capabilities.exec` says whether it does.
    """

    async def exec(
        self, instance_id: InstanceId, argv: Sequence[str], timeout_s: float
    ) -> Executed:
        """Runs it to its end, as the instance's own user, without a shell.

        What it started is ended when it takes longer, and when whoever waits gives up. Raises
        TimeoutError once it is, Gone, Unavailable, RuntimeFailure (also: it does not run).
        """
        ...

    async def environment(self, instance_id: InstanceId) -> Mapping[str, str]:
        """What its commands find, as far as it was made with it; secrets are among it.

        Raises Gone, Unavailable, RuntimeFailure.
        """
        ...


class Session(Protocol):
    """A command under way, with somebody at its other end."""

    async def read(self) -> Piece | None:
        """What it writes next; None: it will write no more. It is read no faster than this."""
        ...

    async def write(self, content: bytes) -> None:
        """Returns once there is room for more. Dropped where nobody reads it any more."""
        ...

    async def end_input(self) -> None:
        """It reads the end of its input once it has read what was written before."""
        ...

    async def resize(self, size: Size) -> None:
        """Of its terminal; does nothing where it has none, or has ended."""
        ...

    async def code(self) -> int:
        """Waits for its end. Raises Gone, Unavailable, RuntimeFailure."""
        ...


@runtime_checkable
class Sessions(Protocol):
    """A runtime that lets somebody work inside its instances.

    `Capabilities.exec` says whether it does.
    """

    def session(
        self, instance_id: InstanceId, command: Command
    ) -> AbstractAsyncContextManager[Session]:
        """Begins it on entering; ends what it is and has started, if it goes on, on leaving.

        What cannot be run ends with the code 126 or 127. Entering raises Gone, Unavailable,
        RuntimeFailure (also: it does not run).
        """
        ...
