"""One client's connection to the fake engine: what dies with the server."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, cast

from ring.core.model.capabilities import Capabilities
from ring.core.model.failures import FailureClass
from ring.core.rules.security import OPTIONS
from ring.runtimes.base import (
    Image,
    Resync,
    RuntimeEvent,
    RuntimeFailure,
    Unavailable,
    kept_output,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
    from datetime import datetime

    from ring.core.model.commands import Command
    from ring.core.model.ids import InstanceId, InstanceName
    from ring.core.model.logs import LogLine, LogQuery
    from ring.core.model.observed import Instance
    from ring.core.model.spec import PullPolicy
    from ring.runtimes.base import Executed, Login, Order, Process, PullProgress
    from ring.runtimes.fake.sessions import FakeSession
    from ring.runtimes.shortcomings import Shortcoming

from ring.runtimes.fake.engine import EPOCH, FakeEngine

T = TypeVar("T")

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
    options=frozenset(OPTIONS),
)


class FakeRuntime:
    """One client of the engine: what dies with the server."""

    def __init__(self, engine: FakeEngine, name: str = "docker") -> None:
        self.engine = engine
        self.name = name
        self.location = "fake://"
        self.is_remote = False
        self.able = CAPABILITIES
        """What it says of itself; a test may have it say something else."""
        self.lacks: tuple[Shortcoming, ...] = ()
        """What its networks do, of every namespace."""

    def capabilities(self) -> Capabilities:
        return self.able

    async def ping(self) -> None:
        await self.engine.request("ping", "", lambda: None)

    async def close(self) -> None:
        return None

    async def list(self) -> tuple[Instance, ...]:
        def effect() -> tuple[Instance, ...]:
            instances = (c.instance for c in self.engine.containers.values())
            return tuple(
                replace(one, exit=None, created_at=one.created_at.replace(microsecond=0))
                for one in instances
            )

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

    def shortcomings(self, namespace: str) -> tuple[Shortcoming, ...]:
        return self.lacks if f"ring_{namespace}" in self.engine.networks else ()

    async def resolve_image(
        self, ref: str, policy: PullPolicy, pin: str | None, login: Login | None = None
    ) -> Image:
        return await self._ask(
            "resolve_image", ref, lambda: self.engine.resolve_image(ref, policy, pin, login)
        )

    async def remote_digest(self, ref: str, login: Login | None = None) -> str | None:
        return await self._ask("remote_digest", ref, lambda: self.engine.remote_digest(ref, login))

    def pull_progress(self, ref: str) -> PullProgress | None:
        return self.engine.pulling.get(ref)

    async def host_login(self, image: str) -> Login:
        """Of `FakeEngine.host_logins`; it is this host that is asked, not the engine."""
        if image not in self.engine.host_logins:
            raise RuntimeFailure(
                FailureClass.IMAGE_PULL_FAILED,
                f"Failed to pull image '{image}': use_host_auth is not authorized",
            )
        return self.engine.host_logins[image]

    async def create(self, order: Order) -> Instance:
        return await self._ask("create", order.name, lambda: self.engine.create(order))

    async def start(self, instance_id: InstanceId) -> None:
        await self._ask("start", instance_id, lambda: self.engine.start(instance_id))

    async def inspect(self, instance_id: InstanceId) -> Instance:
        return await self._ask("inspect", instance_id, lambda: self.engine.inspect(instance_id))

    async def attach(self, instance_id: InstanceId, namespace: str, aliases: Sequence[str]) -> None:
        await self._ask("attach", instance_id, lambda: self.engine.attach(instance_id, namespace))

    async def stop(self, instance_id: InstanceId, grace_s: float | None) -> None:
        await self._ask("stop", instance_id, lambda: self.engine.stop(instance_id))

    async def remove(self, instance_id: InstanceId) -> None:
        await self._ask("remove", instance_id, lambda: self.engine.remove(instance_id))

    async def remove_volume(self, name: str) -> bool:
        return await self._ask("remove_volume", name, lambda: self.engine.remove_volume(name))

    async def find(self, name: InstanceName) -> Instance | None:
        def effect() -> Instance | None:
            container = self.engine.by_name(name)
            return container.instance if container else None

        return await self._ask("find", name, effect)

    async def process(self, instance_id: InstanceId) -> Process | None:
        return await self._ask("process", instance_id, lambda: self.engine.process(instance_id))

    async def environment(self, instance_id: InstanceId) -> Mapping[str, str]:
        def effect() -> Mapping[str, str]:
            return self.engine.container(instance_id).environment

        return await self._ask("environment", instance_id, effect)

    async def exec(
        self, instance_id: InstanceId, argv: Sequence[str], timeout_s: float
    ) -> Executed:
        async with asyncio.timeout(timeout_s):
            done = await self._ask("exec", instance_id, lambda: self.engine.exec(instance_id, argv))
            if done is None:
                done = await self._executed(instance_id)
        return replace(done, output=kept_output(done.output.encode()))

    @contextlib.asynccontextmanager
    async def session(
        self, instance_id: InstanceId, command: Command
    ) -> AsyncIterator[FakeSession]:
        begun = await self._ask(
            "exec", instance_id, lambda: self.engine.begin(instance_id, command)
        )
        try:
            yield begun
        finally:
            self.engine.end(instance_id, begun)

    async def _executed(self, instance_id: InstanceId) -> Executed:
        """A command that ends with its instance, unless it is given up before."""
        ended: asyncio.Future[Executed] = asyncio.get_running_loop().create_future()
        commands = self.engine.executing.setdefault(instance_id, set())
        commands.add(ended)
        try:
            return await ended
        finally:
            commands.discard(ended)

    async def logs(
        self, instance_id: InstanceId, query: LogQuery
    ) -> AsyncGenerator[Sequence[LogLine], None]:
        container = await self._ask("logs", instance_id, lambda: self.engine.container(instance_id))
        lines = container.lines
        position = len(lines)
        for line in _asked_for(lines, query):
            yield (line,)
        news = asyncio.Event()
        self.engine.readers.add(news)
        try:
            while query.follow:
                while position < len(lines) and not self.engine.away:
                    position += 1
                    yield (lines[position - 1],)
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
