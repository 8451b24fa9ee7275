"""The engine whole: its parts wired together, and what the API may ask of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.keeping import Policy
from ring.core.model.observed import State
from ring.core.plan.planner import plan
from ring.engine.autoscaling import Autoscaler
from ring.engine.delivering.deliveries import Deliveries
from ring.engine.delivering.posting import Poster
from ring.engine.discovering import Discovering
from ring.engine.entering import Entering
from ring.engine.inputs import Inputs
from ring.engine.journal import Journal
from ring.engine.keeping.claims import Claims
from ring.engine.keeping.images import Images
from ring.engine.keeping.orphans import Orphans
from ring.engine.observing.introducing import introduce
from ring.engine.observing.latecomers import Latecomers
from ring.engine.observing.lost_volumes import LostVolumes
from ring.engine.observing.observer import Observer
from ring.engine.operating.admission import Admission
from ring.engine.operating.executor import RuntimeExecutor
from ring.engine.operating.imaging import asks_host, host_login
from ring.engine.operating.operations import Operations
from ring.engine.operating.resolving import Resolver, Unresolved, has_files
from ring.engine.operating.starting import Starter
from ring.engine.operating.warnings import Warnings
from ring.engine.probing.prober import Prober
from ring.engine.probing.probes import Probes
from ring.engine.probing.results import Results
from ring.engine.probing.retention import Retention
from ring.engine.probing.showing import Showing
from ring.engine.reading.logs import Logs
from ring.engine.reconciler import Reconciler, random_suffix
from ring.engine.sampling.statistics import Statistics
from ring.engine.wakeups import Wakeups
from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from ring.clock import Clock
    from ring.core.model.capabilities import Capabilities
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId, GroupKey
    from ring.core.model.observed import Instance
    from ring.core.plan.explaining import Explained
    from ring.core.plan.view import Limits, NameSource, Now, Plan, View
    from ring.engine.operating.files import Files
    from ring.engine.probing.prober import Probe
    from ring.engine.reconciler import Passed
    from ring.engine.sampling.machine import Machine
    from ring.runtimes.base import Runtime
    from ring.runtimes.registry import Registry
    from ring.store.store import Store

log = logging.getLogger(__name__)

STOPS_WIDE = 32
REST_WIDE = 8
DRAIN_S = 6.0
REGISTRY_ANSWER_S = 5.0
RESTART_TASK_S = 1.0


def lane_widths() -> Mapping[str, int]:
    """Operations at once for each runtime: create and start keep every core busy twice."""
    return {"starts": 2 * (os.cpu_count() or 1), "stops": STOPS_WIDE, "rest": REST_WIDE}


def spread() -> float:
    """A factor around 1, so that waits of several servers do not fall together."""
    return random.uniform(0.8, 1.2)  # noqa: S311 - no secret


class Engine:
    """Makes the machine match the store until stopped. One for a server."""

    def __init__(
        self,
        store: Store,
        runtimes: Registry,
        clock: Clock,
        limits: Limits,
        *,
        files: Files,
        interval_s: float = 10.0,
        default_host_ip: str | None = None,
        admission: Admission | None = None,
        widths: Mapping[str, int] | None = None,
        names: NameSource = random_suffix,
        planner: Callable[[View, Now, NameSource], Plan] = plan,
        jitter: Callable[[], float] = spread,
        machine: Machine | None = None,
        passed: Passed | None = None,
        probe: Probe | None = None,
        late: Callable[[float], None] = lambda _: None,
        image_policy: Policy | None = None,
        introduced: Iterable[str] = (),
    ) -> None:
        """passed: is told of every pass that had something to do. probe: runs one health check, in
        place of the engine's own probes. late: is told by how many seconds each of them began late.

        introduced: the runtimes of which somebody has logged already what there is to say.
        """
        self._store = store
        self._runtimes = runtimes
        self._tasks: asyncio.TaskGroup | None = None
        self._spawned: set[asyncio.Task[None]] = set()
        self._wakeups = Wakeups(clock)
        self._inputs = Inputs()
        self._files = files
        store.listen(self._written)
        self._journal = Journal(store)
        self._poster = Poster()
        self._deliveries = Deliveries(store.webhooks, clock, self._poster, interval_s=interval_s)
        self._introduced = set(introduced)
        self._latecomers = Latecomers(store, self._spawn)
        self._lost_volumes = LostVolumes(store, self._spawn)
        self.observers: dict[str, Observer] = {
            name: Observer(
                runtime,
                store,
                clock,
                self._journal,
                interval_s=interval_s,
                changed=self._changed,
                resynced=self._listed,
                destroyed=self._lost_volumes.gone,
                jitter=jitter,
            )
            for name, runtime in runtimes.items()
        }
        self.logs = Logs(store, runtimes, self.observers)
        self.statistics = Statistics(
            store, runtimes, self.observers, clock, interval_s=interval_s, machine=machine
        )
        self.autoscaler = Autoscaler(
            store, clock, snapshot=lambda: self.statistics.snapshot, wake=self.wake
        )
        self.orphans = Orphans(store, runtimes, clock, files)
        self._resolver = Resolver(store, self._inputs)
        claims = Claims()
        self.images = Images(store, runtimes, clock, claims, image_policy or Policy())
        self._starter = Starter(
            store.server_id,
            clock,
            admission or Admission(),
            resolver=self._resolver,
            files=files,
            journal=self._journal,
            warnings=Warnings(self._journal, store.was_told),
            limits=limits,
            host_ip_of=lambda name: store.namespace_network(name).host_ip or default_host_ip,
            claims=claims,
            pulled=self.images.note_pull,
            made=self._lost_volumes.keep,
        )
        executor = RuntimeExecutor(store, runtimes, self.observers, self._starter)
        self.operations = Operations(
            clock,
            executor,
            spawn=self._spawn,
            ended=self.wake,
            widths=widths or lane_widths(),
        )
        self._probes = Probes(runtimes, self._resolver.mounted_secrets)
        self._results = Results(store)
        self._retention = Retention(store, clock)
        self.prober = Prober(
            store,
            clock,
            self.observers,
            probe=probe or self._probes.run,
            results=self._results,
            wake=self.wake,
            jitter=lambda: 1 + (jitter() - 1) / 4,  # ±5 %
            late=late,
        )
        self._discovering = Discovering(runtimes)
        self.entering = Entering(runtimes, self.observers, self.prober.states)
        self.reconciler = Reconciler(
            store,
            clock,
            wakeups=self._wakeups,
            operations=self.operations,
            observers=self.observers,
            inputs=self._inputs,
            prober=self.prober,
            showing=Showing(runtimes, self.observers, spawn=self._spawn),
            discovering=self._discovering,
            purged=self._purged,
            limits=limits,
            names=names,
            planner=planner,
            passed=passed,
        )

    # for the API
    def capabilities(self) -> Mapping[str, Capabilities]:
        """Of every runtime that this server drives."""
        return {name: runtime.capabilities() for name, runtime in self._runtimes.items()}

    def wake(self, key: GroupKey) -> None:
        """Something about the group changed: a pass as soon as possible."""
        self._wakeups.wake(key)

    def instances(self, deployment_id: DeploymentId) -> tuple[Instance, ...]:
        """The running instances of a row, oldest first; from memory."""
        row = self._store.deployment(deployment_id)
        observer = self.observers.get(row.spec.runtime) if row is not None else None
        if observer is None:
            return ()
        return tuple(i for i in observer.instances(deployment_id) if i.state is State.RUNNING)

    def explain(self, key: GroupKey) -> Explained | None:
        """Where a group stands, and why; None: it has no rows. From memory."""
        explained = self.reconciler.explain(key)
        return None if explained is None else self._starter.pull_news.beside(explained)

    async def image_moved(self, row: Deployment) -> bool:
        """The registry says another digest for the row's tag; False where it cannot be asked."""
        runtime = self._runtimes.get(row.spec.runtime)
        if runtime is None or row.image_digest is None:
            return False
        try:
            async with asyncio.timeout(REGISTRY_ANSWER_S):
                login = self._resolver.login(row)
                if asks_host(row):
                    login = await host_login(runtime, row.spec.image)
                now = await runtime.remote_digest(row.spec.image, login)
        except (TimeoutError, RuntimeFailure, Unresolved):
            return False
        return now is not None and now != row.image_digest

    # running
    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; then what is in flight gets DRAIN_S seconds. Workloads stay."""
        self._discovering.begin(self._store.deployments())
        for key in self._store.groups():
            self.wake(key)
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            passes = group.create_task(self._kept_up("reconciler", self.reconciler.run))
            others = [
                group.create_task(self._kept_up(f"observer of {name}", observer.run))
                for name, observer in self.observers.items()
            ]
            others.append(group.create_task(self._kept_up("journal", self._journal.run)))
            others.append(group.create_task(self._kept_up("prober", self.prober.run)))
            others.append(group.create_task(self._kept_up("results", self._results.run)))
            others.append(group.create_task(self._kept_up("retention", self._retention.run)))
            others.append(group.create_task(self._kept_up("statistics", self._measure)))
            others.append(group.create_task(self._kept_up("webhooks", self._deliveries.run)))
            others.append(group.create_task(self._kept_up("images", self.images.run)))
            others.append(group.create_task(_survived(self._sweep_files())))
            await stop.wait()
            passes.cancel()
            await asyncio.gather(self.operations.drain(DRAIN_S), self._deliveries.drain(DRAIN_S))
            for task in (*others, *self._spawned):
                task.cancel()
        self._tasks = None
        self.statistics.close()
        await self._poster.close()
        await self._journal.close()
        await self._probes.close()
        await self._results.close()

    async def _kept_up(self, what: str, run: Callable[[], Coroutine[None, None, None]]) -> None:
        """A part that breaks is logged and begun again: the others go on meanwhile."""
        while True:
            try:
                await run()
            except Exception:
                log.exception("the %s failed and is started again", what)
            await asyncio.sleep(RESTART_TASK_S)

    async def _measure(self) -> None:
        """The load is measured, and acted on while it is new."""
        await self.statistics.run(self.autoscaler.tick)

    def _spawn(self, work: Coroutine[None, None, object]) -> object:
        guarded = _survived(work)
        try:
            if self._tasks is None:
                raise RuntimeError("the engine is not running")
            task = self._tasks.create_task(guarded)
        except RuntimeError:  # on the way down nothing new is begun
            guarded.close()
            work.close()
            raise
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
        task.add_done_callback(lambda _: work.close())  # given up before it had begun
        return task

    def _written(self, key: GroupKey) -> None:
        """What a user wants of the group has changed, or what it refers to."""
        self._inputs.note(key)
        self.wake(key)

    def _purged(self, row: Deployment) -> None:
        self._starter.gone(row.id)
        with contextlib.suppress(RuntimeError):  # on the way down: the next start does it
            if has_files(row):
                self._spawn(self._drop_files(row.id))
            self._spawn(self.images.released(row))

    async def _drop_files(self, deployment_id: DeploymentId) -> None:
        try:
            await self._files.drop(deployment_id)
        except HostError as error:
            log.warning("%s", error.message)

    async def _sweep_files(self) -> None:
        """What a server that was killed has left of rows that are gone, or only begun.

        What belongs to no row that this store knows of may be another server's, and stays.
        """
        try:
            for owner in await self._files.owners():
                if self._store.is_tombstone(owner):
                    await self._files.drop(owner)
                elif self._store.deployment(owner) is not None:
                    await self._files.tidy(owner)
        except HostError as error:
            log.warning("%s", error.message)

    def _listed(self, runtime: Runtime, listed: Iterable[Instance]) -> None:
        """All that a runtime holds, whoever made it."""
        found = tuple(listed)
        self._introduce(runtime)
        self._latecomers.look(runtime, found)
        self._lost_volumes.look(runtime, found)

    def _introduce(self, runtime: Runtime) -> None:
        """It was away at the start, or too busy to say much, and answers now."""
        if runtime.name not in self._introduced:
            self._introduced.add(runtime.name)
            with contextlib.suppress(RuntimeError):  # on the way down
                self._spawn(introduce(runtime))

    def _changed(self, deployment_id: DeploymentId) -> None:
        row = self._store.deployment(deployment_id)
        if row is not None:
            self.wake(row.key)


async def _survived(work: Coroutine[None, None, object]) -> None:
    """A defect in one piece of work is logged; the engine goes on."""
    try:
        await work
    except Exception:
        log.exception("a piece of the engine's work failed")
