"""The world of the simulation: an engine whose traffic the driver holds in its hands, and one
server process on it that can be killed between any two of its steps."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ring.core.errors import NotFound, RingError
from ring.core.model.ids import DeploymentId, InstanceName
from ring.core.model.spec import DeploymentSpec
from ring.core.plan.planner import plan
from ring.core.plan.view import Limits
from ring.engine.engine import Engine
from ring.engine.operating.admission import Admission
from ring.engine.operating.files import Files
from ring.runtimes.base import Image, Order
from ring.runtimes.fake import FakeEngine, FakeRuntime, Request
from ring.security.vault import KEY_BYTES, Vault
from ring.store.configs import Draft
from ring.store.records import Wanted
from ring.store.store import Author, Store
from ring.store.trouble import StoreError
from tests.engine.bench import at_once
from tests.properties.sim import invariants
from tests.virtual_time import VirtualClock, VirtualLoop

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from ring.core.model.events import EventDraft
    from ring.core.model.ids import InstanceId
    from ring.core.model.ledger import Entry
    from ring.core.plan.view import NameSource, Now, Plan, View
    from ring.runtimes.base import RuntimeEvent

    Planner = Callable[[View, Now, NameSource], Plan]

IMAGES = {
    image: f"sha256:{number:064x}"
    for number, image in enumerate(("web:1", "web:2", "crash:1", "once:1", "absent:1"))
}
LIMITS = Limits(crash_loop_retry_s=120.0, apply_timeout_s=60.0)
INTERVAL_S = 10.0
SECRET, CONFIG = "key", "settings"
SHUTDOWN_S = 10.0


@dataclass(slots=True)
class Held:
    """Requests not yet carried out and events not yet delivered."""

    requests: list[Request] = field(default_factory=list)
    answers: list[Request] = field(default_factory=list)
    """Carried out; the answer is on its way."""
    events: list[tuple[RuntimeEvent, Callable[[RuntimeEvent], None]]] = field(default_factory=list)
    flowing: bool = False
    """True: everything happens at once (faults have stopped)."""
    stuck: Callable[[Request], bool] = lambda _: False
    """Requests that hang although everything else flows."""
    noticed: Callable[[RuntimeEvent], None] = lambda _: None
    """Told of everything that happens, when it happens."""

    def requested(self, request: Request) -> None:
        if self.flowing and not self.stuck(request):
            request.perform()
        else:
            self.requests.append(request)

    def happened(self, event: RuntimeEvent, deliver: Callable[[RuntimeEvent], None]) -> None:
        self.noticed(event)
        if self.flowing:
            deliver(event)
        else:
            self.events.append((event, deliver))


class SimStore(Store):
    """The real Store; its commits stop where the driver may kill, and die with their server."""

    world: World
    alive: bool = True

    async def commit(self, made: Plan) -> bool:
        await self.world.hold(self)
        done = await super().commit(made)
        if done:
            self.world.watch.committed(made)
        await self.world.hold(self)
        return done

    async def record(self, events: Sequence[EventDraft]) -> None:
        if self.alive:
            await super().record(events)
            self.world.watch.recorded(events)

    async def _write(self, work, applied=None):  # type: ignore[no-untyped-def]  # as its base
        if self.world.is_disk_full:
            raise StoreError("cannot write the database: database or disk is full")
        self.world.writes += 1
        return await super()._write(work, applied)


class SimRuntime(FakeRuntime):
    """A client that falls silent when its server is killed."""

    alive = True

    async def _ask(self, what, about, effect):  # type: ignore[no-untyped-def]  # as its base
        if not self.alive:
            await asyncio.Future()
        return await super()._ask(what, about, effect)


class World:
    """Engine, database and at most one server process."""

    def __init__(self, loop: VirtualLoop, rng: random.Random, *, planner: Planner = plan) -> None:
        self.loop = loop
        self.rng = rng
        self.clock = VirtualClock(loop)
        self.held = Held()
        self.engine = FakeEngine(
            images=dict(IMAGES), registry=dict(IMAGES), wall=self.clock.wall, traffic=self.held
        )
        self.planner = planner
        self.is_disk_full = False
        self.writes = 0
        self.holds: list[asyncio.Future[None]] = []
        self.watch = invariants.Watch(self)
        vault = Vault(b"k" * KEY_BYTES)
        first = Store.open(None, self.clock, vault=vault, inline=True, new_id=self._uuid)
        self.store = self._process_store(first)
        self.runtime = SimRuntime(self.engine)
        self.server: Engine | None = None
        self._running: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self.foreign = self._foreign("another server") | self._foreign(self.store.server_id)
        self.held.noticed = self.watch.happened
        self.author = Author(user_id="sim", may_create_namespace=True)
        self._folder = tempfile.TemporaryDirectory()

    def close(self) -> None:
        self._folder.cleanup()

    def _foreign(self, server_id: str) -> set[InstanceId]:
        """A container of a deployment that nobody here knows."""
        self.engine.networks.add("ring_other")
        number = f"{len(self.engine.containers):08x}"
        order = Order(
            InstanceName(f"other_web_{number}"),
            DeploymentId(f"{number}-0000-4000-a000-000000000000"),
            server_id,
            spec("web", 1, "web:1").model_copy(update={"namespace": "other"}),
            Image("web:1", None),
            {},
        )
        instance = self.engine.create(order)
        self.engine.start(instance.id)
        self.held.events.clear()
        return {instance.id}

    def _uuid(self) -> str:
        digits = f"{self.rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def _process_store(self, before: Store) -> SimStore:
        store = before.reopen()
        store.__class__ = SimStore
        assert isinstance(store, SimStore)
        store.world = self
        return store

    # the server process
    def start(self) -> None:
        """A new process on the database as it is."""
        self.store = self._process_store(self.store)
        self.runtime = SimRuntime(self.engine)
        self._stop = asyncio.Event()
        self.server = Engine(
            self.store,
            {"docker": self.runtime},
            self.clock,
            LIMITS,
            files=Files(Path(self._folder.name) / "configs", run=at_once),
            interval_s=INTERVAL_S,
            admission=Admission(lambda: 1 << 40),
            widths={"starts": 4, "stops": 32, "rest": 8},
            names=lambda: f"{self.rng.getrandbits(32):08x}",
            planner=self._planner,
            jitter=lambda: self.rng.uniform(0.8, 1.2),
        )
        self._running = asyncio.ensure_future(self.server.run(self._stop))

    def _planner(self, view: View, now: Now, names: NameSource) -> Plan:
        made = self.planner(view, now, names)
        self.watch.planned(view, now, made)
        return made

    async def kill(self) -> None:
        """SIGKILL: no code of the process runs on; what it asked of the engine may still happen."""
        self.store.alive = False
        self.runtime.alive = False
        assert self._running is not None
        everything = {t for t in asyncio.all_tasks() if t is not asyncio.current_task()}
        for _ in range(20):
            for task in everything:
                task.cancel()
            await asyncio.sleep(0)
            everything = {t for t in everything if not t.done()}
            if not everything:
                break
        assert not everything, everything
        await asyncio.gather(self._running, return_exceptions=True)
        self.server = None
        self.holds.clear()

    async def stop(self) -> None:
        """SIGTERM: what is in flight may finish for a while; workloads stay."""
        assert self._running is not None
        self._stop.set()
        end = self.loop.time() + SHUTDOWN_S
        while not self._running.done():
            await self.loop.idle()
            invariants.require(self.loop.time() < end, "14: no end within ten seconds")
            self.loop.advance(0.1)
        await self._running
        self.store.alive = self.runtime.alive = False
        self.server = None
        self.holds.clear()

    async def hold(self, store: SimStore) -> None:
        """A point at which the process may be killed. The dead stay in it for ever."""
        if not store.alive:
            await asyncio.Future()
        if not self.held.flowing:
            hold: asyncio.Future[None] = asyncio.Future()
            self.holds.append(hold)
            await hold

    def release(self) -> bool:
        """Lets the oldest held commit go on."""
        while self.holds:
            hold = self.holds.pop(0)
            if not hold.done():
                hold.set_result(None)
                return True
        return False

    # the users
    async def apply(self, spec: DeploymentSpec, *, force: bool, if_changed: bool) -> None:
        with contextlib.suppress(RingError):
            await self.store.accept(spec, self.author, force=force, if_changed=if_changed)

    async def delete(self, deployment_id: DeploymentId) -> None:
        with contextlib.suppress(RingError):
            await self.store.delete(deployment_id, self.author)

    async def write_secret(self) -> str:
        """Somebody writes it, whether it was there or not."""
        with contextlib.suppress(NotFound):  # before there is anything at all
            for known in self.store.secrets.listed(Wanted()):
                await self.store.secrets.replace(known.id, "y", self.author)
                return "written"
            await self.store.secrets.create("sim", SECRET, "x", self.author)
        return "made"

    async def delete_secret(self) -> str:
        for known in self.store.secrets.listed(Wanted()):
            await self.store.secrets.delete(known.id, self.author, even_if_referenced=True)
        return "gone"

    async def write_config(self, data: str) -> str:
        with contextlib.suppress(RingError):
            for known in self.store.configs.ids(Wanted()):
                await self.store.configs.delete(known, self.author)
            await self.store.configs.create("sim", Draft(CONFIG, data, ""), self.author)
        return data

    def entries(self) -> list[Entry]:
        """The whole ledger."""
        return [e for key in self.store.groups() for e in self.store.ledger(key).values()]

    def live_ids(self) -> list[InstanceId]:
        return [i for i, c in self.engine.containers.items() if c.instance.is_live]


def spec(
    name: str,
    replicas: int,
    image: str,
    port: int | None = None,
    *,
    secret: bool = False,
    config: bool = False,
) -> DeploymentSpec:
    """secret, config: it refers to the only one there may be."""
    body: dict[str, object] = {
        "name": name,
        "namespace": "sim",
        "runtime": "docker",
        "image": image,
        "replicas": replicas,
    }
    if port is not None:
        body["ports"] = [{"published": port, "target": 80}]
    if secret:
        body["environment"] = {"KEY": {"secretRef": SECRET}}
    if config:
        mount = {"type": "config", "source": CONFIG, "key": "main", "destination": "/etc/main"}
        body["volumes"] = [{**mount, "permission": "ro"}]
    return DeploymentSpec.model_validate_json(json.dumps(body))
