"""What the engine's parts stand on in tests: virtual time, a store in memory, a fake engine."""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ring.core.model.ids import GroupKey, InstanceName
from ring.core.model.ledger import Entry, Phase
from ring.core.model.logs import USUAL, Allowance
from ring.core.model.spec import DeploymentSpec
from ring.core.plan.view import Plan, RowChange
from ring.engine.operating.files import Files
from ring.runtimes.base import Image, Order
from ring.runtimes.fake import FakeEngine, FakeRuntime
from ring.security.vault import KEY_BYTES, Vault
from ring.store.store import Author, Store
from tests.virtual_time import VirtualClock, VirtualLoop, run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ring.core.model.deployment import Deployment
    from ring.core.model.observed import Instance
    from ring.runtimes.base import RuntimeEvent
    from ring.runtimes.fake import Request

T = TypeVar("T")

AUTHOR = Author("user-mira", may_create_namespace=True)
WEB = GroupKey("media", "web")
DIGEST = "sha256:" + "1" * 64


def spec(**members: object) -> DeploymentSpec:
    base = {"name": "web", "namespace": "media", "runtime": "docker", "image": "nginx:1.25"}
    return DeploymentSpec.model_validate_json(json.dumps({**base, **members}))


class Held:
    """Traffic that a test lets through piece by piece."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.events: list[tuple[RuntimeEvent, Callable[[RuntimeEvent], None]]] = []
        self.holds = frozenset[str]()
        """Requests of these names wait; everything else happens at once."""
        self.holds_events = False

    def requested(self, request: Request) -> None:
        if request.what in self.holds:
            self.requests.append(request)
        else:
            request.perform()

    def happened(self, event: RuntimeEvent, deliver: Callable[[RuntimeEvent], None]) -> None:
        if self.holds_events:
            self.events.append((event, deliver))
        else:
            deliver(event)

    def hold(self, *names: str) -> None:
        self.holds = frozenset(names)

    def release(self) -> None:
        """Everything held is carried out, and nothing is held any more."""
        self.holds = frozenset()
        waiting, self.requests = self.requests, []
        for request in waiting:
            request.perform()


async def at_once(work: Callable[[], T]) -> T:
    """Instead of a thread, for which virtual time does not wait."""
    return work()


class Bench:
    """One loop; what runs on it is given up when the test's coroutine is done."""

    def __init__(
        self, files: Path = Path("/dev/null/nowhere"), *, allowance: Allowance = USUAL
    ) -> None:
        """files: where configs and secrets are kept to be mounted."""
        self.files = Files(files, run=at_once)
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        numbers = itertools.count(1)
        self.store = Store.open(
            None,
            self.clock,
            vault=Vault(b"k" * KEY_BYTES),
            inline=True,
            new_id=lambda: f"row-{next(numbers)}",
            allowance=allowance,
        )
        self.held = Held()
        images = {"nginx:1.25": DIGEST}
        self.engine = FakeEngine(
            images=dict(images), registry=images, wall=self.clock.wall, traffic=self.held
        )
        self.runtime = FakeRuntime(self.engine)
        self._tasks: list[asyncio.Task[None]] = []
        self._names = itertools.count(1)

    def run(self, main: Coroutine[None, None, T]) -> T:
        async def whole() -> T:
            try:
                return await main
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                # As asyncio.run does: what is left was given up, and still waits for its engine.
                left = asyncio.all_tasks() - {asyncio.current_task()}
                for task in left:
                    task.cancel()
                await asyncio.gather(*left, return_exceptions=True)
                await self.store.close()

        return run(self.loop, whole())

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self.loop.create_task(work)
        self._tasks.append(task)
        return task

    async def idle(self) -> None:
        """Until nothing more happens without time."""
        await self.loop.idle()

    async def wait(self, seconds: float) -> None:
        """Time goes by, and what is due happens."""
        await asyncio.sleep(seconds)
        await self.loop.idle()

    # rows and their ledger
    async def accept(self, *, if_changed: bool = False, **members: object) -> Deployment:
        accepted = await self.store.accept(spec(**members), AUTHOR, if_changed=if_changed)
        return accepted.deployment

    def now(self, row: Deployment) -> Deployment:
        found = self.store.deployment(row.id)
        assert found is not None
        return found

    async def change(self, row: Deployment, **fields: object) -> Deployment:
        before = self.now(row)
        after = replace(before, **fields)  # type: ignore[arg-type]  # named by the tests
        assert await self.store.commit(Plan(rows=(RowChange(before, after),)))
        return self.now(row)

    async def entry(self, row: Deployment, phase: Phase) -> Entry:
        made = Entry(self.name(), row.id, None, phase, self.clock.wall())
        await self.put(made)
        return made

    async def put(self, entry: Entry) -> None:
        assert await self.store.commit(Plan(put_entries=(entry,)))

    def name(self) -> InstanceName:
        return InstanceName(f"media_web_{next(self._names):08x}")

    def reasons(self, row: Deployment) -> list[str | None]:
        """Of all its events, oldest first."""
        found = self.store.events(row.id, level=None, limit=100)
        return [event.reason for event in reversed(found)]

    def messages(self, row: Deployment, reason: str) -> list[str]:
        found = self.store.events(row.id, level=None, limit=100)
        return [event.message for event in reversed(found) if event.reason == reason]

    # the outside
    def order(self, row: Deployment, name: InstanceName, *, server_id: str | None = None) -> Order:
        return Order(
            name,
            row.id,
            server_id or self.store.server_id,
            row.spec,
            Image(row.spec.image, DIGEST),
            {},
        )

    def made(self, order: Order) -> Instance:
        """Created on the engine behind everybody's back."""
        self.engine.ensure_network(order.spec.namespace)
        return self.engine.create(order)

    def running(self, order: Order) -> Instance:
        instance = self.made(order)
        self.engine.start(instance.id)
        return self.engine.inspect(instance.id)

    def live(self) -> list[Instance]:
        return [c.instance for c in self.engine.containers.values() if c.instance.is_live]
