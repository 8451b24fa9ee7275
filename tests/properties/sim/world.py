"""The world of the simulation: an engine whose traffic the driver holds in its hands, and one
server process on it that can be killed between any two of its steps."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ring.core.errors import NotFound, RingError
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.core.model.status import Status
from ring.core.model.usage import Snapshot, Taken, Usage
from ring.core.plan.planner import plan
from ring.core.plan.view import Limits
from ring.engine.engine import Engine
from ring.engine.operating.admission import Admission
from ring.engine.operating.files import Files
from ring.engine.sampling.statistics import Statistics
from ring.runtimes.base import Image, Order
from ring.runtimes.fake import FakeEngine, FakeRuntime
from ring.security.vault import KEY_BYTES, Vault
from ring.store.configs import Draft
from ring.store.door import Door
from ring.store.health_checks import HealthChecks
from ring.store.last_words import Words
from ring.store.records import Wanted
from ring.store.store import Author, Store
from ring.store.trouble import StoreError
from tests.engine.bench import at_once
from tests.properties.sim.held import Held
from tests.properties.sim.manifests import CONFIG, IMAGES, SECRET, SECRET_VALUES, spec
from tests.properties.sim.programs import Programs
from tests.properties.sim.rest import Rest
from tests.properties.sim.violation import require
from tests.properties.sim.watch import Watch
from tests.properties.sim.words import ALLOWANCE
from tests.virtual_time import VirtualClock, VirtualLoop

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from ring.core.model.events import EventDraft
    from ring.core.model.health import CheckState
    from ring.core.model.ledger import Entry
    from ring.core.model.spec import DeploymentSpec
    from ring.core.plan.view import NameSource, Now, Plan, View
    from ring.engine.probing.prober import Prober
    from ring.engine.probing.states import Pair
    from ring.runtimes.base import RuntimeEvent
    from ring.runtimes.fake import Request

    Planner = Callable[[View, Now, NameSource], Plan]

LIMITS = Limits(crash_loop_retry_s=120.0, apply_timeout_s=60.0, rollout_deadline_s=120.0)
INTERVAL_S = 10.0
SHUTDOWN_S = 10.0
START_S = 0.3
FAST = Path("/dev/shm")  # noqa: S108 - where writing a file through costs nothing


class SimStore(Store):
    """The real Store; its commits stop where the driver may kill, and die with their server."""

    world: World
    alive: bool = True

    async def commit(self, made: Plan) -> bool:
        is_of_a_pass = self.world.watch.is_of_a_pass(made)
        if is_of_a_pass:
            await self.world.hold(self)
        done = await super().commit(made)
        if done:
            self.world.watch.committed(made)
        if is_of_a_pass:
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


class SimDoor(Door):
    """Through which go results of probes, as what is quiet may still be probed, and last words."""

    world: World

    async def write(self, work, applied=None):  # type: ignore[no-untyped-def]  # as its base
        if self.world.is_disk_full:
            raise StoreError("cannot write the database: database or disk is full")
        return await super().write(work, applied)


class SimStatistics(Statistics):
    """What the programs take, without asking the machine."""

    world: World

    async def refresh(self) -> None:
        world = self.world
        taken = []
        for row in self._store.deployments():
            instances = len(self._instances(row))
            percent = world.programs.cpu_percent(row.spec.name)
            if row.status is Status.RUNNING and instances and percent is not None:
                usage = Usage(cpu_percent=percent * instances)
                spec = row.spec
                taken.append(
                    Taken(row.id, spec.name, spec.namespace, spec.runtime, instances, usage)
                )
        self._snapshot = Snapshot(self._clock.wall(), tuple(taken))


class SimRuntime(FakeRuntime):
    """A client that falls silent when its server is killed."""

    alive = True

    held: Held

    async def stop(self, instance_id: InstanceId, grace_s: float | None) -> None:
        self.held.graces[instance_id] = 10.0 if grace_s is None else grace_s
        await super().stop(instance_id, grace_s)

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
        self.held = Held(loop)
        self.engine = FakeEngine(
            images=dict(IMAGES), registry=dict(IMAGES), wall=self.clock.wall, traffic=self.held
        )
        self.planner = planner
        self.is_disk_full = False
        self.writes = 0
        self.holds: list[asyncio.Future[None]] = []
        self.watch = Watch(self)
        self.rest = Rest(self)
        self.programs = Programs(self)
        self.process = 0
        """Which server process this is: they are numbered."""
        vault = Vault(b"k" * KEY_BYTES)
        first = Store.open(
            None, self.clock, vault=vault, inline=True, new_id=self._uuid, allowance=ALLOWANCE
        )
        self.store = self._process_store(first)
        self.runtime = self._client()
        self.server: Engine | None = None
        self._running: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self.foreign = self._foreign("another server") | self._foreign(self.store.server_id)
        self.held.noticed = self._noticed
        self.held.asked = self._asked
        self.held.before = self._before
        self.held.stubborn = self.programs.is_stubborn
        self.author = Author(user_id="sim", may_create_namespace=True)
        self._folder = tempfile.TemporaryDirectory(dir=FAST if FAST.is_dir() else None)

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

    def _client(self) -> SimRuntime:
        runtime = SimRuntime(self.engine)
        runtime.held = self.held
        return runtime

    def _uuid(self) -> str:
        digits = f"{self.rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def _process_store(self, before: Store) -> SimStore:
        store = before.reopen()
        store.__class__ = SimStore
        assert isinstance(store, SimStore)
        store.world = self
        door = copy.copy(store._door)
        door.__class__ = SimDoor
        assert isinstance(door, SimDoor)
        door.world = self
        store.health_checks = HealthChecks(door)
        store.words = Words(door, ALLOWANCE)
        return store

    # the server process
    def start(self) -> None:
        """A new process on the database as it is; until it works, some time goes by."""
        self.process += 1
        self.loop.advance(START_S)
        self.store = self._process_store(self.store)
        self.runtime = self._client()
        self._stop = asyncio.Event()
        self.server = Engine(
            self.store,
            {"docker": self.runtime},
            self.clock,
            LIMITS,
            files=Files(Path(self._folder.name) / "configs", run=at_once),
            interval_s=INTERVAL_S,
            admission=Admission(lambda: self.programs.free_bytes),
            widths={"starts": 4, "stops": 32, "rest": 8},
            names=lambda: f"{self.rng.getrandbits(32):08x}",
            planner=self._planner,
            jitter=lambda: self.rng.uniform(0.8, 1.2),
            probe=self.programs.probe,
        )
        self._see_probes(self.server.prober)
        statistics = self.server.statistics
        statistics.__class__ = SimStatistics
        assert isinstance(statistics, SimStatistics)
        statistics.world = self
        self._running = asyncio.ensure_future(self.server.run(self._stop))

    def _noticed(self, event: RuntimeEvent) -> None:
        self.watch.happened(event)
        self.programs.happened(event)

    def _asked(self, request: Request) -> None:
        """What a server that is killed has sent is carried out, whatever the next one decides."""
        if request.what in {"stop", "remove"}:
            self.watch.before_end(request.what, InstanceId(request.about))

    def _before(self, request: Request) -> None:
        """Just before the engine carries it out."""
        if request.what == "create":
            name = InstanceName(request.about)
            if request.answer.done():
                self.watch.late.add(name)
            else:
                self.watch.before_create(name)
        else:
            self.watch.jobs.carried_out(request)

    def _planner(self, view: View, now: Now, names: NameSource) -> Plan:
        made = self.planner(view, now, names)
        self.watch.planned(view, now, made)
        return made

    def _see_probes(self, prober: Prober) -> None:
        """Every result that the prober takes in is told to the watch as well."""
        self.watch.started()
        states, watch = prober._states, self.watch
        take, fire = states.take, states.fire

        def taken(pair: Pair, status: str, *, counts: bool) -> tuple[CheckState | None, CheckState]:
            watch.probed(pair.instance_id, pair.index, status)
            return take(pair, status, counts=counts)

        def fired(pair: Pair, message: str) -> CheckState:
            watch.fired(pair.deployment_id, pair.instance_id, pair.index)
            return fire(pair, message)

        states.take = taken  # type: ignore[method-assign]  # what the prober takes in is seen
        states.fire = fired  # type: ignore[method-assign]  # the same

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
        self.watch.killed()
        self.holds.clear()

    async def stop(self) -> None:
        """SIGTERM: what is in flight may finish for a while; workloads stay."""
        assert self._running is not None
        self._stop.set()
        end = self.loop.time() + SHUTDOWN_S
        while not self._running.done():
            await self.loop.idle()
            require(self.loop.time() < end, "14: no end within ten seconds")
            self.loop.advance(0.1)
        await self._running
        self.store.alive = self.runtime.alive = False
        self.server = None
        self.watch.killed()
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
                await self.store.secrets.replace(known.id, SECRET_VALUES[0], self.author)
                return "written"
            await self.store.secrets.create("sim", SECRET, SECRET_VALUES[1], self.author)
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

    def told_statuses(self, query: str) -> list[tuple[str, str]]:
        """What the outbox holds of changed statuses: of which row, and the payload."""
        return [(row[0], row[1]) for row in self.store._database._reader.execute(query)]

    def live_ids(self) -> list[InstanceId]:
        return [i for i, c in self.engine.containers.items() if c.instance.is_live]
