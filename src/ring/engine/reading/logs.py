"""A deployment's instances read as one: whose logs there are, in which order, and until when.

Which instances exist is the observers' knowledge; what they wrote is read from the runtime when
somebody asks; of those that are gone the store has the last lines. How many are read at once is
bounded (see places).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ring.core.errors import NotFound
from ring.core.logs import records
from ring.core.model.logs import LogQuery
from ring.core.model.observed import State, Unknown
from ring.core.model.status import FINAL
from ring.engine.reading.backlog import Backlog
from ring.engine.reading.instances import LOOK_S, Reading, Turn
from ring.engine.reading.places import Places, Room
from ring.runtimes import base
from ring.runtimes.base import Gone, RuntimeFailure, Unavailable

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        Callable,
        Collection,
        Iterable,
        Mapping,
        Sequence,
    )
    from datetime import datetime
    from types import TracebackType

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId, GroupKey, InstanceId
    from ring.core.model.logs import Ended, LogGap, LogLine, LogRecord
    from ring.core.model.observed import Instance, Listing
    from ring.runtimes.registry import Registry
    from ring.store.last_words import Words
    from ring.store.store import Store

log = logging.getLogger(__name__)

SAID_EVERY_S = 60.0
"""How often the log has the same reason why nothing could be read."""
SETTLE_S = 2.0
"""For the last lines of instances whose deployment is gone."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines of which instances."""

    tail: int | None = None
    """Of each instance at most so many, the last ones."""
    since: datetime | None = None
    container: str = ""
    """Only of instances whose id begins with this, or whose name has it."""

    def takes(self, instance: Instance | Ended) -> bool:
        return instance.id.startswith(self.container) or self.container in instance.name

    def of(self, lines: Sequence[LogLine]) -> Sequence[LogLine]:
        """Those that are new enough, out of the last lines of one instance."""
        since = self.since
        if since is None:
            return lines
        return [line for line in lines if line.at is not None and line.at >= since]


class Watched(Protocol):
    """What an observer knows of instances."""

    def seen(self, rows: Iterable[DeploymentId]) -> Listing | Unknown: ...

    def instances(self, row: DeploymentId) -> tuple[Instance, ...]: ...

    def watch(self, row: DeploymentId, told: Callable[[], None]) -> None: ...

    def unwatch(self, row: DeploymentId, told: Callable[[], None]) -> None: ...


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the logs of one deployment come from."""

    runtime: base.Logs
    observer: Watched
    row: DeploymentId
    key: GroupKey
    wanted: Wanted
    words: Words

    async def gone(
        self, present: Collection[InstanceId]
    ) -> AsyncGenerator[Sequence[LogRecord], None]:
        """What instances that ended wrote last, those that are still there left out.

        Also of the deployment's other rows: the version before is asked why it went.
        """
        turn = Turn()
        for ended in self.words.ended(self.key):
            if ended.id in present or not self.wanted.takes(ended):
                continue
            lines = self._last_lines(ended)
            if lines:
                yield records(ended.name, lines)
            await turn.take(lines)

    def left_by(self, instance: Instance) -> Sequence[LogLine]:
        """What it wrote last, if it has gone by now."""
        for ended in self.words.ended(self.key):
            if ended.id == instance.id:
                return self._last_lines(ended)
        return ()

    def present(self) -> frozenset[InstanceId]:
        """Those that are there, wanted or not."""
        return frozenset(one.id for one in self.observer.instances(self.row))

    def instances(self) -> list[Instance]:
        """Those that are wanted, oldest first."""
        return [one for one in self.observer.instances(self.row) if self.wanted.takes(one)]

    def _last_lines(self, ended: Ended) -> Sequence[LogLine]:
        return self.wanted.of(self.words.lines(ended, self.wanted.tail))


class Logs:
    """Reads and follows."""

    def __init__(self, store: Store, runtimes: Registry, observers: Mapping[str, Watched]) -> None:
        self._store = store
        self._runtimes = runtimes
        self._observers = observers
        self._room = Room()
        self._said: dict[str, float] = {}
        """Why nothing could be read, and when that was logged."""

    def read(
        self, row: Deployment, wanted: Wanted, *, holder: str = ""
    ) -> AsyncGenerator[Sequence[LogRecord], None]:
        """What there is, instance after instance, ended ones too.

        Raises NotFound and, where the holder may have no more readings, Crowded, both at once;
        Unavailable and RuntimeFailure while it is read, which are logged.
        """
        source = self._source(row, wanted)
        self._room.expect(holder, 1)
        return self._told(_read(source), Places(self._room, holder, 1))

    def follow(self, row: Deployment, wanted: Wanted, *, holder: str = "") -> Follower:
        """What there is and what comes, of all instances at once.

        Whoever cannot have them all is refused before anything is opened: a stream that lacks some
        looks like one of instances that are silent. Those that turn up later are not refused; they
        wait until a reading ends, of this reader or of another one, and then are read whole.

        Raises NotFound, and Crowded where the live instances are more than may be read now.
        """
        source = self._source(row, wanted)
        kept = max(1, sum(one.is_live for one in source.instances()))
        self._room.expect(holder, kept)
        return Follower(self._store, source, Places(self._room, holder, kept))

    async def _told(
        self, batches: AsyncGenerator[Sequence[LogRecord], None], places: Places
    ) -> AsyncGenerator[Sequence[LogRecord], None]:
        with places:
            try:
                async with contextlib.aclosing(batches):
                    async for each in batches:
                        yield each
            except RuntimeFailure as error:
                self._tell(error.message)
                raise

    def _tell(self, why: str) -> None:
        """Now and then: whoever polls meets the same again and again."""
        now = asyncio.get_running_loop().time()
        self._said = {each: at for each, at in self._said.items() if now - at < SAID_EVERY_S}
        if why not in self._said:
            self._said[why] = now
            log.warning("cannot read logs: %s", why)

    def _source(self, row: Deployment, wanted: Wanted) -> _Source:
        name = row.spec.runtime
        runtime = self._runtimes.get(name)
        if runtime is None:
            raise NotFound(f"this server drives no runtime '{name}'")
        if not isinstance(runtime, base.Logs):
            raise NotFound(f"the runtime '{name}' keeps no logs")
        return _Source(
            runtime, self._observers[name], row.id, row.key, wanted, words=self._store.words
        )


async def _read(source: _Source) -> AsyncGenerator[Sequence[LogRecord], None]:
    seen = source.observer.seen((source.row,))
    if isinstance(seen, Unknown):
        raise Unavailable(f"the runtime cannot be asked for logs: {seen.detail}")
    query = LogQuery(source.wanted.tail, source.wanted.since)
    instances = source.instances()
    async with contextlib.aclosing(source.gone(source.present())) as ended:
        async for gone in ended:
            yield gone
    turn = Turn()
    for instance in instances:
        has_told = False
        with contextlib.suppress(Gone):
            async with contextlib.aclosing(source.runtime.logs(instance.id, query)) as batches:
                async for lines in batches:
                    has_told = True
                    yield records(instance.name, lines)
                    await turn.take(lines)
        if not has_told and (left := source.left_by(instance)):
            yield records(instance.name, left)


class Follower:
    """One reader of a deployment's logs, from entering to leaving; leaving ends every reading.

    A reader that is slow delays the reading of its own streams, and nobody else's.
    """

    def __init__(self, store: Store, source: _Source, places: Places) -> None:
        self.places = places
        """Entered before the follower, they are sure; left after it."""
        self._store = store
        self._source = source
        self._backlog = Backlog()
        self._readings: dict[InstanceId, Reading] = {}
        self._news = asyncio.Event()
        self._has_looked = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Follower:
        self._source.observer.watch(self._source.row, self._news.set)
        self._task = asyncio.create_task(self._attend())
        self._task.add_done_callback(lambda _: self._backlog.close())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._source.observer.unwatch(self._source.row, self._news.set)
        tasks = [task for task in (self._task, *self._tasks()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def batch(self) -> Sequence[LogRecord | LogGap]:
        """The next records, as soon as there are any; none: it is over. May be cancelled."""
        records = await self._backlog.take()
        if not records and self._task is not None and self._task.done():
            self._task.result()
        return records

    async def _attend(self) -> None:
        """Until the row is purged, or final with every instance ended."""
        async with contextlib.aclosing(self._source.gone(self._source.present())) as ended:
            async for gone in ended:
                await self._backlog.put(gone)
        while (row := self._store.deployment(self._source.row)) is not None:
            self._news.clear()
            instances = self._source.instances()
            self._look(instances)
            is_read = all(reading.is_done for reading in self._readings.values())
            if row.status in FINAL and is_read and not any(one.is_live for one in instances):
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._news.wait()
        if tasks := self._tasks():
            await asyncio.wait(tasks, timeout=SETTLE_S)

    def _look(self, instances: Iterable[Instance]) -> None:
        """Begins to read what is not being read; whatever turns up later is read whole."""
        for task in self._tasks():
            if task.done():
                task.result()
        for instance in instances:
            if instance.state is State.CREATED:  # it has written nothing, and following would end
                continue
            reading = self._readings.get(instance.id)
            if reading is None:
                wanted = Wanted() if self._has_looked else self._source.wanted
                reading = Reading(self._source.runtime, instance, wanted, self._backlog)
                self._readings[instance.id] = reading
            if reading.may_begin(is_live=instance.is_live) and self.places.take():
                reading.begin(self._ended)
        if not isinstance(self._source.observer.seen((self._source.row,)), Unknown):
            self._has_looked = True
        present = {instance.id for instance in instances}
        self._readings = {
            key: reading
            for key, reading in self._readings.items()
            if key in present or reading.is_under_way
        }

    def _ended(self) -> None:
        self.places.give()
        self._news.set()

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [reading.task for reading in self._readings.values() if reading.task is not None]
