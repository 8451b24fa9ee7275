"""A runtime in memory, for simulation and tests: an engine that outlives its clients.

FakeEngine is the outside: containers, images, networks, an event log, and requests that are
carried out whether or not whoever sent them still waits. FakeRuntime is one client's connection.
By default every request is carried out at once; a `Traffic` takes requests and events into its
own hands, to delay, lose, double or refuse them. It passes the contract suite of the real ones.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from ring.core.logs import text_of
from ring.core.model.capabilities import Capabilities
from ring.core.model.failures import FailureClass
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.core.model.logs import LogLine
from ring.core.model.observed import Exit, Instance, State
from ring.runtimes.base import (
    CameUp,
    Destroyed,
    Died,
    Gone,
    Image,
    NameTaken,
    OutOfMemory,
    Resync,
    RuntimeEvent,
    RuntimeFailure,
    Signalled,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from ring.core.model.logs import LogQuery, Stream
    from ring.core.model.spec import DeploymentSpec
    from ring.runtimes.base import Order

T = TypeVar("T")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CAPABILITIES = Capabilities(
    events=True,
    exit_codes=True,
    host_network=True,
    labels=True,
    cpu_stats=True,
    pull=True,
    ports=True,
    resources=True,
    command=True,
    exec=True,
    discovery=True,
    user=True,
)


@dataclass(slots=True, eq=False)
class Request:
    """A call that has reached the engine: carried out once, whoever waits for the answer."""

    what: str
    about: str
    """What it is for: a namespace, an image, an instance."""
    effect: Callable[[], object]
    answer: asyncio.Future[object]
    carried_out: bool = False
    _result: object = None
    _error: Exception | None = None

    def perform(self) -> None:
        """Carries it out and answers."""
        self.carry_out()
        self.reply()

    def carry_out(self) -> None:
        """What it asks for happens, once; the answer is on its way."""
        if self.carried_out:
            return
        self.carried_out = True
        try:
            self._result = self.effect()
        except Exception as error:  # noqa: BLE001 - handed to the caller, as an answer
            self._error = error

    def reply(self) -> None:
        """The answer arrives, if anybody still waits."""
        if self.answer.done():
            return
        if self._error is not None:
            self.answer.set_exception(self._error)
        else:
            self.answer.set_result(self._result)

    def fail(self, error: Exception) -> None:
        """The caller is told that it failed, whether or not it was carried out."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Traffic(Protocol):
    """Decides when requests are carried out and events delivered."""

    def requested(self, request: Request) -> None: ...

    def happened(self, event: RuntimeEvent, deliver: Callable[[RuntimeEvent], None]) -> None: ...


class AtOnce:
    """Everything happens immediately and in order."""

    def requested(self, request: Request) -> None:
        request.perform()

    def happened(self, event: RuntimeEvent, deliver: Callable[[RuntimeEvent], None]) -> None:
        deliver(event)


@dataclass(slots=True, eq=False)
class Container:
    instance: Instance
    spec: DeploymentSpec
    environment: Mapping[str, str]
    up_since: datetime | None = None
    lines: list[LogLine] = field(default_factory=list)
    """Everything it wrote."""


@dataclass(slots=True, eq=False)
class FakeEngine:
    """The engine process and its store."""

    images: dict[str, str] = field(default_factory=dict)
    """Local images: reference to digest."""
    registry: dict[str, str] = field(default_factory=dict)
    """What can be pulled: reference to digest."""
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    traffic: Traffic = field(default_factory=AtOnce)
    containers: dict[InstanceId, Container] = field(default_factory=dict)
    networks: set[str] = field(default_factory=set)
    network_creations: int = 0
    away: bool = False
    refusals: dict[str, RuntimeFailure] = field(default_factory=dict)
    """What the next calls of this name are answered with, until taken out."""
    forged_code: int | None = None
    """The code that events tell of deaths, as a label may have it; None: the true one."""
    log: list[RuntimeEvent] = field(default_factory=list)
    streams: list[asyncio.Queue[RuntimeEvent | None]] = field(default_factory=list)
    readers: set[asyncio.Event] = field(default_factory=set)
    """Of logs being followed: set whenever there may be something new."""
    _count: int = 0
    _last_at: datetime = EPOCH

    # what happens by itself
    def write(self, instance_id: InstanceId, text: str, stream: Stream = "stdout") -> None:
        """The program writes this at once."""
        lines = self.containers[instance_id].lines
        for raw in text.encode(errors="surrogateescape").splitlines():
            message = text_of(raw)
            if message is not None:
                lines.append(LogLine(stream, message, self._tick()))
        self._wake_readers()

    def _wake_readers(self) -> None:
        for reader in self.readers:
            reader.set()

    def exit(self, instance_id: InstanceId, code: int, *, oom: bool = False) -> None:
        """The program ends."""
        container = self.containers[instance_id]
        if not container.instance.is_live:
            return
        at = self._tick()
        end = Exit(code, at, oom=oom)
        container.instance = replace(container.instance, state=State.EXITED, exit=end)
        who = _who(container.instance)
        if oom:
            self._emit(OutOfMemory(*who, at))
            at = self._tick()
        told = code if self.forged_code is None else self.forged_code
        self._emit(Died(*who, at, told, certain=self.forged_code is None))

    def stop_by_hand(self, instance_id: InstanceId, code: int = 0) -> None:
        """Somebody else stops it through the engine."""
        container = self.containers[instance_id]
        if container.instance.is_live:
            self._emit(Signalled(*_who(container.instance), self._tick(), "SIGTERM"))
            self.exit(instance_id, code)

    def remove_by_hand(self, instance_id: InstanceId) -> None:
        """Somebody else removes it by force."""
        self.exit(instance_id, 137)
        container = self.containers.pop(instance_id)
        self._emit(Destroyed(*_who(container.instance), self._tick()))

    def go_away(self) -> None:
        """The engine stops answering; its streams break."""
        self.away = True
        for stream in self.streams:
            stream.put_nowait(None)
        self._wake_readers()

    def come_back(self) -> None:
        self.away = False

    # requests
    async def request(self, what: str, about: str, effect: Callable[[], object]) -> object:
        """One round trip. Raises Unavailable."""
        if self.away:
            raise Unavailable("the fake engine is away")
        request = Request(what, about, self._guarded(what, effect), asyncio.Future())
        self.traffic.requested(request)
        return await request.answer

    def _guarded(self, what: str, effect: Callable[[], object]) -> Callable[[], object]:
        def carry_out() -> object:
            if what in self.refusals:
                raise self.refusals[what]
            return effect()

        return carry_out

    # effects
    def by_name(self, name: InstanceName) -> Container | None:
        return next((c for c in self.containers.values() if c.instance.name == name), None)

    def create(self, order: Order) -> Instance:
        if f"ring_{order.spec.namespace}" not in self.networks:
            raise RuntimeFailure(FailureClass.NETWORK_FAILED, "no such network")
        if self.by_name(order.name) is not None:
            raise NameTaken(f"the name {order.name} is in use")
        self._count += 1
        instance = Instance(
            InstanceId(f"{self._count:064x}"),
            order.name,
            order.deployment_id,
            order.server_id,
            State.CREATED,
            self._tick(),
            image_digest=order.image.digest,
        )
        self.containers[instance.id] = Container(instance, order.spec, order.environment)
        return instance

    def start(self, instance_id: InstanceId) -> None:
        container = self.container(instance_id)
        if container.instance.is_live:
            return
        wanted = {(p.published, p.protocol) for p in container.spec.ports}
        for other in self.containers.values():
            for port in other.spec.ports:
                if other.instance.is_live and (port.published, port.protocol) in wanted:
                    raise RuntimeFailure(
                        FailureClass.PORT_IN_USE, f"port {port.published} is already allocated"
                    )
        container.up_since = self._tick()
        container.instance = replace(
            container.instance,
            state=State.RUNNING,
            exit=None,
            address=f"10.0.{self._count // 250 % 250}.{self._count % 250 + 2}",
        )
        self._emit(CameUp(*_who(container.instance), container.up_since))

    def stop(self, instance_id: InstanceId) -> None:
        container = self.containers.get(instance_id)
        if container is not None and container.instance.is_live:
            self._emit(Signalled(*_who(container.instance), self._tick(), "SIGTERM"))
            self.exit(instance_id, 143)

    def remove(self, instance_id: InstanceId) -> None:
        container = self.containers.get(instance_id)
        if container is None:
            return
        self.exit(instance_id, 137)
        del self.containers[instance_id]
        self._emit(Destroyed(*_who(container.instance), self._tick()))

    def inspect(self, instance_id: InstanceId) -> Instance:
        return self.container(instance_id).instance

    def ensure_network(self, namespace: str) -> None:
        name = f"ring_{namespace}"
        if name not in self.networks:
            self.networks.add(name)
            self.network_creations += 1

    def resolve_image(self, ref: str, policy: str, pin: str | None) -> Image:
        policy = policy.lower()
        if pin is not None:
            if pin in self.images.values() or (policy != "never" and pin in self.registry.values()):
                return Image(pin, pin)
            raise RuntimeFailure(
                FailureClass.IMAGE_NOT_FOUND, f"Image '{ref}' not found: {pin} is gone"
            )
        if (policy == "always" and ref in self.registry) or (
            ref not in self.images and policy != "never" and ref in self.registry
        ):
            self.images[ref] = self.registry[ref]
        if ref not in self.images or (policy == "always" and ref not in self.registry):
            why = "image_pull_policy=Never" if policy == "never" else "manifest unknown"
            raise RuntimeFailure(FailureClass.IMAGE_NOT_FOUND, f"Image '{ref}' not found: {why}")
        return Image(ref, self.images[ref])

    def container(self, instance_id: InstanceId) -> Container:
        """Raises Gone."""
        if instance_id not in self.containers:
            raise Gone(f"no container {instance_id[:12]}")
        return self.containers[instance_id]

    def _tick(self) -> datetime:
        """The engine's clock; no two events share a time."""
        self._last_at = max(self.wall(), self._last_at + timedelta(microseconds=1))
        return self._last_at

    def _emit(self, event: RuntimeEvent) -> None:
        self.log.append(event)
        self._wake_readers()

        def deliver(one: RuntimeEvent) -> None:
            for stream in self.streams:
                stream.put_nowait(one)

        self.traffic.happened(event, deliver)


def _who(instance: Instance) -> tuple[InstanceId, InstanceName, DeploymentId]:
    return instance.id, instance.name, instance.deployment_id


class FakeRuntime:
    """One client of the engine: what dies with the server."""

    def __init__(self, engine: FakeEngine, name: str = "docker") -> None:
        self.engine = engine
        self.name = name
        self.location = "fake://"
        self.is_remote = False

    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    async def ping(self) -> None:
        await self.engine.request("ping", "", lambda: None)

    async def close(self) -> None:
        return None

    async def list(self) -> tuple[Instance, ...]:
        def effect() -> tuple[Instance, ...]:
            return tuple(replace(c.instance, exit=None) for c in self.engine.containers.values())

        return await self._ask("list", "", effect)

    async def events(self, since: datetime | None) -> AsyncIterator[RuntimeEvent]:
        if self.engine.away:
            raise Unavailable("the fake engine is away")
        queue: asyncio.Queue[RuntimeEvent | None] = asyncio.Queue()
        for past in self.engine.log:
            if since is not None and _at(past) >= since:
                queue.put_nowait(past)
        self.engine.streams.append(queue)
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self.engine.streams.remove(queue)
        raise Unavailable("the event stream broke")

    async def ensure_network(self, namespace: str) -> None:
        await self._ask("ensure_network", namespace, lambda: self.engine.ensure_network(namespace))

    async def resolve_image(self, ref: str, policy: str, pin: str | None) -> Image:
        return await self._ask(
            "resolve_image", ref, lambda: self.engine.resolve_image(ref, policy, pin)
        )

    async def remote_digest(self, ref: str) -> str | None:
        return await self._ask("remote_digest", ref, lambda: self.engine.registry.get(ref))

    async def create(self, order: Order) -> Instance:
        return await self._ask("create", order.name, lambda: self.engine.create(order))

    async def start(self, instance_id: InstanceId) -> None:
        await self._ask("start", instance_id, lambda: self.engine.start(instance_id))

    async def inspect(self, instance_id: InstanceId) -> Instance:
        return await self._ask("inspect", instance_id, lambda: self.engine.inspect(instance_id))

    async def stop(self, instance_id: InstanceId, grace_s: float) -> None:
        await self._ask("stop", instance_id, lambda: self.engine.stop(instance_id))

    async def remove(self, instance_id: InstanceId) -> None:
        await self._ask("remove", instance_id, lambda: self.engine.remove(instance_id))

    async def find(self, name: InstanceName) -> Instance | None:
        def effect() -> Instance | None:
            container = self.engine.by_name(name)
            return container.instance if container else None

        return await self._ask("find", name, effect)

    async def logs(self, instance_id: InstanceId, query: LogQuery) -> AsyncGenerator[LogLine, None]:
        container = await self._ask("logs", instance_id, lambda: self.engine.container(instance_id))
        lines = container.lines
        position = len(lines)
        for line in _asked_for(lines, query):
            yield line
        news = asyncio.Event()
        self.engine.readers.add(news)
        try:
            while query.follow:
                while position < len(lines) and not self.engine.away:
                    position += 1
                    yield lines[position - 1]
                if self.engine.away:
                    raise Unavailable("the log stream broke")
                is_there = self.engine.containers.get(instance_id) is container
                if not (is_there and container.instance.is_live):
                    return
                news.clear()
                await news.wait()
        finally:
            self.engine.readers.discard(news)

    async def _ask(self, what: str, about: str, effect: Callable[[], T]) -> T:
        return cast(
            "T", await self.engine.request(what, about, effect)
        )  # the future is shared by all


def _asked_for(lines: list[LogLine], query: LogQuery) -> list[LogLine]:
    since = query.since or EPOCH
    found = [line for line in lines if (line.at or EPOCH) >= since]
    return found if query.tail is None else found[len(found) - min(query.tail, len(found)) :]


def _at(event: RuntimeEvent) -> datetime:
    return EPOCH if isinstance(event, Resync) else event.at
