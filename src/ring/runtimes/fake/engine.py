"""The fake engine itself: the outside, which outlives its clients."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ring.core.logs import text_of
from ring.core.model.failures import FailureClass
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.core.model.logs import LogLine
from ring.core.model.observed import Exit, Instance, State
from ring.runtimes.base import (
    CameUp,
    Destroyed,
    Detached,
    Died,
    Executed,
    File,
    Gone,
    Image,
    NameTaken,
    OutOfMemory,
    Paused,
    Process,
    Resync,
    RuntimeEvent,
    RuntimeFailure,
    Signalled,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ring.core.model.commands import Command
    from ring.core.model.logs import Stream
    from ring.core.model.spec import DeploymentSpec, PullPolicy
    from ring.runtimes.base import Login, Order, PullProgress

from ring.runtimes.fake.sessions import FakeSession
from ring.runtimes.fake.traffic import AtOnce, Request, Traffic

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_PID = 2**22
"""Beyond what a kernel gives: no process of this machine is taken for one of the fake's."""


@dataclass(slots=True, eq=False)
class Container:
    instance: Instance
    spec: DeploymentSpec
    environment: Mapping[str, str]
    files: tuple[File, ...] = ()
    up_since: datetime | None = None
    pid: int = 0
    """Of its first process, while it lives; not one of this machine's."""
    lines: list[LogLine] = field(default_factory=list)
    """Everything it wrote."""


@dataclass(slots=True, eq=False)
class FakeEngine:
    """The engine process and its store."""

    images: dict[str, str] = field(default_factory=dict)
    """Local images: reference to digest."""
    registry: dict[str, str] = field(default_factory=dict)
    """What can be pulled: reference to digest."""
    guarded: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Who alone may pull a reference: username and password."""
    host_logins: dict[str, Login] = field(default_factory=dict)
    """Of the server's host, by image."""
    pulling: dict[str, PullProgress] = field(default_factory=dict)
    """What is told of pulls in flight, by reference."""
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    traffic: Traffic = field(default_factory=AtOnce)
    containers: dict[InstanceId, Container] = field(default_factory=dict)
    networks: set[str] = field(default_factory=set)
    image_volumes: int = 0
    """How many volumes images ask for."""
    volumes: set[str] = field(default_factory=set)
    used_volumes: set[str] = field(default_factory=set)
    """By what Ring has not made."""
    """Those made for instances."""
    network_creations: int = 0
    away: bool = False
    refusals: dict[str, RuntimeFailure] = field(default_factory=dict)
    """What the next calls of this name are answered with, until taken out."""
    forged_code: int | None = None
    """The code that events tell of deaths, as a label may have it; None: the true one."""
    on_exec: Callable[[InstanceId, Sequence[str]], Executed | None] = lambda _id, _argv: Executed(0)
    """How a command ends inside an instance; None: it goes on until it is ended."""
    executing: dict[InstanceId, set[asyncio.Future[Executed]]] = field(default_factory=dict)
    """Commands that go on."""
    sessions: list[FakeSession] = field(default_factory=list)
    """Commands with somebody at their other end, those that have ended included."""
    log: list[RuntimeEvent] = field(default_factory=list)
    streams: list[asyncio.Queue[RuntimeEvent | None]] = field(default_factory=list)
    readers: set[asyncio.Event] = field(default_factory=set)
    """Of logs being followed: set whenever there may be something new."""
    requests: int = 0
    """How many have been carried out."""
    _count: int = 0
    _processes: int = 0
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
        for command in self.executing.pop(instance_id, ()):
            if not command.done():
                command.set_result(Executed(137))
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
        """Somebody else removes it by force, and leaves its volumes."""
        self.exit(instance_id, 137)
        container = self.containers.pop(instance_id)
        self._emit(Destroyed(*_who(container.instance), self._tick()))

    def pause_by_hand(self, instance_id: InstanceId) -> None:
        """Somebody freezes it."""
        container = self.containers[instance_id]
        if container.instance.state is State.RUNNING:
            container.instance = replace(container.instance, state=State.PAUSED)
            self._emit(Paused(*_who(container.instance), self._tick()))

    def unpause_by_hand(self, instance_id: InstanceId) -> None:
        container = self.containers[instance_id]
        if container.instance.state is State.PAUSED:
            container.instance = replace(container.instance, state=State.RUNNING)
            self._emit(CameUp(*_who(container.instance), self._tick()))

    def copy_by_hand(self, instance_id: InstanceId, name: str) -> InstanceId:
        """Somebody makes an image of it, and runs another one of that: with its labels."""
        container = self.containers[instance_id]
        self._count += 1
        copy = replace(
            container.instance,
            id=InstanceId(f"{self._count:012x}{self._count:052x}"),
            name=InstanceName(name),
            state=State.CREATED,
            created_at=self._tick(),
            anonymous_volumes=(),
            exit=None,
        )
        self.containers[copy.id] = replace(container, instance=copy, lines=[])
        self.start(copy.id)
        return copy.id

    def rename_by_hand(self, instance_id: InstanceId, name: str) -> None:
        """Somebody gives it another name. Engines that tell this say too little to act on."""
        container = self.containers[instance_id]
        container.instance = replace(container.instance, name=InstanceName(name))
        self._emit(Resync(f"{instance_id[:12]} was renamed"))

    def remove_network_by_hand(self, name: str) -> None:
        """Somebody disconnects everything from a network and removes it."""
        self.networks.discard(name)
        for container in self.containers.values():
            if f"ring_{container.spec.namespace}" == name:
                self.detach_by_hand(container.instance.id)

    def detach_by_hand(self, instance_id: InstanceId) -> None:
        """Somebody takes one instance off its network."""
        container = self.containers[instance_id]
        if container.instance.is_attached:
            container.instance = replace(container.instance, is_attached=False, address=None)
            self._emit(Detached(instance_id, self._tick()))

    def go_away(self) -> None:
        """The engine stops answering; its streams break."""
        self.away = True
        self.cut_streams()
        self._wake_readers()

    def cut_streams(self) -> None:
        """Its event streams break; it goes on answering."""
        for stream in self.streams:
            stream.put_nowait(None)

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
            self.requests += 1
            if what in self.refusals:
                raise self.refusals[what]
            return effect()

        return carry_out

    # effects
    def by_name(self, name: InstanceName) -> Container | None:
        return next((c for c in self.containers.values() if c.instance.name == name), None)

    def create(self, order: Order) -> Instance:
        has_own_network = order.spec.network_mode == "bridge"
        if has_own_network and f"ring_{order.spec.namespace}" not in self.networks:
            raise RuntimeFailure(FailureClass.NETWORK_FAILED, "no such network")
        if self.by_name(order.name) is not None:
            raise NameTaken(f"the name {order.name} is in use")
        self._count += 1
        instance = Instance(
            InstanceId(f"{self._count:012x}{self._count:052x}"),
            order.name,
            order.deployment_id,
            order.server_id,
            State.CREATED,
            self._tick(),
            anonymous_volumes=tuple(
                f"{self._count:060x}{number:04x}" for number in range(self.image_volumes)
            ),
            image_digest=order.image.digest,
            made_as=order.name,
        )
        self.volumes.update(instance.anonymous_volumes)
        self.containers[instance.id] = Container(
            instance, order.spec, order.environment, order.files
        )
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
        self._processes += 1
        container.pid = FIRST_PID + self._processes
        address = None
        if container.spec.network_mode == "bridge":
            address = f"10.0.{self._count // 250 % 250}.{self._count % 250 + 2}"
        container.instance = replace(
            container.instance, state=State.RUNNING, exit=None, address=address
        )
        self._emit(CameUp(*_who(container.instance), container.up_since))

    def attach(self, instance_id: InstanceId, namespace: str) -> None:
        container = self.container(instance_id)
        self.ensure_network(namespace)
        if not container.instance.is_attached:
            address = f"10.1.{self._count // 250 % 250}.{self._count % 250 + 2}"
            container.instance = replace(container.instance, is_attached=True, address=address)

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
        self.volumes.difference_update(container.instance.anonymous_volumes)
        self._emit(Destroyed(*_who(container.instance), self._tick()))

    def remove_volume(self, name: str) -> bool:
        held = (one.instance.anonymous_volumes for one in self.containers.values())
        if name in self.used_volumes or any(name in names for names in held):
            return False
        self.volumes.discard(name)
        return True

    def inspect(self, instance_id: InstanceId) -> Instance:
        return self.container(instance_id).instance

    def process(self, instance_id: InstanceId) -> Process | None:
        container = self.container(instance_id)
        return Process(container.pid) if container.instance.is_live else None

    def exec(self, instance_id: InstanceId, argv: Sequence[str]) -> Executed | None:
        state = self.container(instance_id).instance.state
        if state is not State.RUNNING:
            raise RuntimeFailure(FailureClass.OTHER, f"instance {instance_id[:12]} is {state}")
        return self.on_exec(instance_id, argv)

    def begin(self, instance_id: InstanceId, command: Command) -> FakeSession:
        """One that echoes its input until that ends, where on_exec does not say how it ends."""
        begun = FakeSession(command, self.exec(instance_id, command.argv))
        self.sessions.append(begun)
        if begun.goes_on:
            self.executing.setdefault(instance_id, set()).add(begun.ended)
        return begun

    def end(self, instance_id: InstanceId, session: FakeSession) -> None:
        """Whoever had it has left."""
        session.give_up()
        self.executing.get(instance_id, set()).discard(session.ended)

    def ensure_network(self, namespace: str) -> None:
        name = f"ring_{namespace}"
        if name not in self.networks:
            self.networks.add(name)
            self.network_creations += 1

    def remote_digest(self, ref: str, login: Login | None) -> str | None:
        return self.registry.get(ref) if self._lets_in(ref, login) else None

    def _lets_in(self, ref: str, login: Login | None) -> bool:
        wanted = self.guarded.get(ref)
        return wanted is None or (login is not None and wanted == (login.username, login.password))

    def resolve_image(
        self, ref: str, policy: PullPolicy, pin: str | None, login: Login | None
    ) -> Image:
        if pin is not None:
            if pin in self.images.values() or (policy != "Never" and pin in self.registry.values()):
                return Image(pin, pin)
            raise RuntimeFailure(
                FailureClass.IMAGE_NOT_FOUND, f"Image '{ref}' not found: {pin} is gone"
            )
        if (policy == "Always" and ref in self.registry) or (
            ref not in self.images and policy != "Never" and ref in self.registry
        ):
            if not self._lets_in(ref, login):
                raise RuntimeFailure(
                    FailureClass.IMAGE_PULL_FAILED,
                    f"Failed to pull image '{ref}': registry authentication failed for '{ref}'",
                )
            self.images[ref] = self.registry[ref]
        if ref not in self.images or (policy == "Always" and ref not in self.registry):
            why = "image_pull_policy=Never" if policy == "Never" else "manifest unknown"
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
