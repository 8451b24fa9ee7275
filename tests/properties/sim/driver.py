"""Chooses the steps: one seeded source of chance, so that a seed replays a run."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId, InstanceName
from ring.core.model.ledger import Phase
from ring.runtimes.base import RuntimeFailure, Unavailable
from tests.properties.sim.invariants import Violation, require
from tests.properties.sim.world import IMAGES, World, spec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ring.runtimes.fake import Request
    from tests.properties.sim.world import Planner
    from tests.virtual_time import VirtualLoop

    Step = Callable[[], Awaitable[str]]

NOTHING = "-"
NAMES = ("web", "db", "job")
CODES = (0, 0, 1, 1, 1, 2, 126, 127, 137, 143)
YOUNG_DEATHS = {"crash:1": 1, "once:1": 0, "absent:1": 127}
IMAGE_WEIGHTS = (5, 2, 4, 1, 0.3, 0.3)
SETTLE_EVERY = 800  # steps
SETTLE_WITHIN_S = 1200.0  # virtual seconds from any state to the fixed point
QUIET_S = 60.0
FAILURES = (
    RuntimeFailure(FailureClass.OTHER, "the fake engine is out of sorts"),
    RuntimeFailure(FailureClass.INSTANCE_REJECTED, "the fake engine refuses"),
    Unavailable("the fake engine hung up"),
)


@dataclass(slots=True)
class Report:
    seed: int
    steps: int = 0
    settled: int = 0
    kills: int = 0
    trace: list[str] = field(default_factory=list)
    violation: str | None = None


class Driver:
    """One run of one seed."""

    def __init__(self, loop: VirtualLoop, seed: int, *, planner: Planner | None = None) -> None:
        self.rng = random.Random(seed)
        self.report = Report(seed)
        self.world = (
            World(loop, self.rng) if planner is None else World(loop, self.rng, planner=planner)
        )
        self.steps: list[tuple[float, Callable[[], Awaitable[str]]]] = [
            (60, self.perform),
            (20, self.answer),
            (50, self.release),
            (3, self.refuse),
            (1, self.lose_request),
            (30, self.deliver),
            (1, self.lose_event),
            (1, self.double_event),
            (3, self.exit),
            (1, self.remove_by_hand),
            (1, self.stop_by_hand),
            (1, self.pause_by_hand),
            (1, self.rename_by_hand),
            (0.5, self.detach_by_hand),
            (0.5, self.remove_network),
            (self.rng.choice((0.5, 1.0, 4.0)), self.apply),
            (self.rng.choice((0.1, 0.3, 1.0)), self.delete),
            (0.3, self.change_minds),
            (0.5, self.write_secret),
            (0.5, self.delete_secret),
            (0.5, self.write_config),
            (20, self.next_timer),
            (2, self.long_time),
            (1, self.jump_clock),
            (self.rng.choice((0.2, 0.5, 2.0)), self.engine_outage),
            (0.5, self.cut_streams),
            (0.2, self.engine_restart),
            (0.2, self.engine_replaced),
            (0.2, self.reboot),
            (self.rng.choice((0.1, 0.5)), self.fill_disk),
            (self.rng.choice((0.1, 0.3, 1.0)), self.stop),
            (self.rng.choice((0.3, 0.5, 2.0, 5.0)), self.kill),
        ]

    async def run(self, steps: int) -> Report:
        self.world.start()
        weights = [weight for weight, _ in self.steps]
        choices = [step for _, step in self.steps]
        try:
            for number in range(1, steps + 1):
                await self.step(number, choices, weights)
                await self.world.loop.idle()
                self.world.watch.after_step()
                self.report.steps = number
                if number % SETTLE_EVERY == 0:
                    await self.settle()
        except Violation as violation:
            self.report.violation = str(violation)
        await self.world.kill()
        self.world.close()
        return self.report

    async def step(self, number: int, choices: Sequence[Step], weights: Sequence[float]) -> None:
        """One step that does something: what finds nothing to act on is drawn again."""
        done = NOTHING
        while done == NOTHING:
            chosen = self.rng.choices(choices, weights)[0]
            done = await chosen()
        self.note(f"{number} {chosen.__name__}: {done}")

    def note(self, line: str) -> None:
        trace = self.report.trace
        trace.append(line)
        if len(trace) > 400:
            del trace[:200]

    # traffic
    async def perform(self) -> str:
        requests = self.world.held.requests
        if not requests:
            return NOTHING
        index = 0 if self.rng.random() < 0.7 else self.rng.randrange(len(requests))
        request = requests.pop(index)
        before = set(self.world.engine.containers)
        late = request.answer.done()
        request.carry_out()
        if self.rng.random() < 0.3:
            self.world.held.answers.append(request)
        else:
            request.reply()
        for new in set(self.world.engine.containers) - before:
            name = self.world.engine.containers[new].instance.name
            if late:
                self.world.watch.late.add(name)
            else:
                self.world.watch.before_create(name)
        if request.what == "start":
            self.die_young()
        return f"{request.what} {request.about[-12:]}" + (" (late)" if late else "")

    def die_young(self) -> None:
        """Programs that end as soon as they begin."""
        for instance_id in self.world.live_ids():
            code = YOUNG_DEATHS.get(self.world.engine.containers[instance_id].spec.image)
            if code is not None and self.rng.random() < 0.9:
                self.world.engine.exit(instance_id, code)

    async def answer(self) -> str:
        """An answer that was on its way for a while arrives."""
        answers = self.world.held.answers
        if not answers:
            return NOTHING
        request = answers.pop(self.rng.randrange(len(answers)))
        request.reply()
        return f"{request.what} {request.about[-12:]}"

    async def refuse(self) -> str:
        held = self.world.held
        requests = [r for r in [*held.requests, *held.answers] if not r.answer.done()]
        if not requests:
            return NOTHING
        request = self.rng.choice(requests)
        failure = self.rng.choice(FAILURES)
        if request.what in {"list", "ping", "inspect", "find"}:
            failure = FAILURES[-1]
        if request.carried_out:
            held.answers.remove(request)
            failure = FAILURES[-1]
        else:
            held.requests.remove(request)
        request.fail(failure)
        return f"{request.what} {request.about[-12:]}: {failure}"

    async def lose_request(self) -> str:
        """The engine hangs on one request until its caller's deadline."""
        requests = self.world.held.requests
        if not requests:
            return NOTHING
        request = requests.pop(self.rng.randrange(len(requests)))
        return f"{request.what} {request.about[-12:]}"

    async def release(self) -> str:
        return "a commit" if self.world.release() else NOTHING

    async def deliver(self) -> str:
        events = self.world.held.events
        if not events:
            return NOTHING
        index = 0 if self.rng.random() < 0.9 else self.rng.randrange(len(events))
        event, deliver = events.pop(index)
        deliver(event)
        return type(event).__name__

    async def lose_event(self) -> str:
        events = self.world.held.events
        return type(events.pop(0)[0]).__name__ if events else NOTHING

    async def double_event(self) -> str:
        events = self.world.held.events
        if not events:
            return NOTHING
        event, deliver = events[0]
        deliver(event)
        return type(event).__name__

    # the workloads and other people
    async def exit(self) -> str:
        live = [i for i in self.world.live_ids() if i not in self.world.foreign]
        if not live:
            return NOTHING
        chosen, code = self.rng.choice(live), self.rng.choice(CODES)
        self.world.engine.exit(chosen, code, oom=code == 137 and self.rng.random() < 0.3)
        return f"{chosen[-4:]} with {code}"

    async def remove_by_hand(self) -> str:
        ids = [i for i in self.world.engine.containers if i not in self.world.foreign]
        if not ids:
            return NOTHING
        chosen = self.rng.choice(ids)
        self.world.engine.remove_by_hand(chosen)
        return chosen[-4:]

    async def stop_by_hand(self) -> str:
        live = [i for i in self.world.live_ids() if i not in self.world.foreign]
        if not live:
            return NOTHING
        chosen = self.rng.choice(live)
        self.world.engine.stop_by_hand(chosen, self.rng.choice((0, 143)))
        return chosen[-4:]

    async def pause_by_hand(self) -> str:
        """Freezes one, or lets it go on."""
        live = [i for i in self.world.live_ids() if i not in self.world.foreign]
        if not live:
            return NOTHING
        chosen = self.rng.choice(live)
        self.world.engine.pause_by_hand(chosen)
        if self.rng.random() < 0.7:
            self.world.engine.unpause_by_hand(chosen)
        return chosen[-4:]

    async def rename_by_hand(self) -> str:
        """Only what has come up.

        Of what is renamed while it is being created nothing is known but the old name: it is
        found by the next listing, not before.
        """
        known = {e.instance_id for e in self.world.entries() if e.phase is not Phase.CREATING}
        ids = [i for i in self.world.engine.containers if i in known]
        if not ids:
            return NOTHING
        chosen = self.rng.choice(ids)
        name = f"renamed_{self.rng.getrandbits(32):08x}"
        old = self.world.engine.containers[chosen].instance.name
        self.world.engine.rename_by_hand(chosen, name)
        return f"{chosen[-4:]} {old} → {name}"

    async def detach_by_hand(self) -> str:
        live = [i for i in self.world.live_ids() if i not in self.world.foreign]
        if not live:
            return NOTHING
        chosen = self.rng.choice(live)
        self.world.engine.detach_by_hand(chosen)
        return chosen[-4:]

    async def remove_network(self) -> str:
        self.world.engine.remove_network_by_hand("ring_sim")
        return "ring_sim"

    # the users
    async def apply(self) -> str:
        name = self.rng.choice(NAMES)
        image = self.rng.choices((*IMAGES, "missing:1"), IMAGE_WEIGHTS)[0]
        port = 8080 if name == "db" else None
        secret, config = self.rng.random() < 0.3, self.rng.random() < 0.2
        replicas = 1 if port else self.rng.randrange(5)
        wanted = spec(name, replicas, image, port, secret=secret, config=config)
        force, if_changed = self.rng.random() < 0.1, self.rng.random() < 0.7
        await self.world.apply(wanted, force=force, if_changed=if_changed)
        return f"{name} x {wanted.replicas} {image}"

    async def delete(self) -> str:
        rows = self.world.store.deployments()
        if not rows:
            return NOTHING
        row = self.rng.choice(rows)
        await self.world.delete(row.id)
        return row.spec.name

    async def write_secret(self) -> str:
        return await self.world.write_secret()

    async def delete_secret(self) -> str:
        return await self.world.delete_secret()

    async def write_config(self) -> str:
        return await self.world.write_config(self.rng.choice(('{"main":"a"}', '{"other":1}', "?")))

    async def change_minds(self) -> str:
        """Several people write at the same time."""
        writes = self.rng.choices((self.apply, self.apply, self.delete), k=self.rng.randrange(2, 5))
        return ", ".join([await write() for write in writes])

    # time and catastrophe
    async def next_timer(self) -> str:
        seconds = self.rng.choice((0.05, 0.3, 1.0, 2.5))
        self.world.loop.advance(seconds)
        return f"{seconds} s"

    async def long_time(self) -> str:
        seconds = self.rng.choice((10.0, 60.0, 130.0))
        self.world.loop.advance(seconds)
        return f"{seconds} s"

    async def jump_clock(self) -> str:
        self.world.clock.jump(timedelta(days=self.rng.choice((-1, 0, 1))))
        return str(self.world.clock.shift)

    async def engine_outage(self) -> str:
        if self.world.engine.away:
            self.world.engine.come_back()
            return "back"
        self._break_engine()
        return "away"

    def _break_engine(self) -> None:
        self.world.engine.go_away()
        for request in (*self.world.held.requests, *self.world.held.answers):
            request.fail(FAILURES[-1])
        self.world.held.requests.clear()
        self.world.held.answers.clear()

    async def cut_streams(self) -> str:
        self.world.engine.cut_streams()
        return "cut"

    async def engine_restart(self) -> str:
        """It ends every container with it."""
        if self.world.engine.away:
            return NOTHING
        self._break_engine()
        ended = self._end_everything()
        self._forget_events()
        await self.world.loop.idle()
        self.world.engine.come_back()
        return f"{ended} ended"

    async def engine_replaced(self) -> str:
        """The same behind a socket that somebody else holds: calls wait, and none fails."""
        if self.world.engine.away:
            return NOTHING
        self.world.engine.cut_streams()
        before = self.world.live_ids()
        self.world.watch.unseen |= set(before) - self.world.foreign
        ended = self._end_everything()
        self._forget_events()
        return f"{ended} ended"

    def _forget_events(self) -> None:
        """A new engine process has told nothing yet."""
        self.world.engine.log.clear()
        self.world.held.events.clear()

    def _end_everything(self) -> int:
        live = [i for i in self.world.live_ids() if i not in self.world.foreign]
        for one in live:
            self.world.engine.exit(one, self.rng.choice((0, 137, 143)))
        return len(live)

    async def reboot(self) -> str:
        """Server, engine and workloads end at once; the engine forgets its events."""
        await self.world.kill()
        self.report.kills += 1
        self.world.engine.come_back()
        ended = self._end_everything()
        self._forget_events()
        self.world.start()
        return f"{ended} ended"

    async def fill_disk(self) -> str:
        self.world.is_disk_full = not self.world.is_disk_full
        return "full" if self.world.is_disk_full else "free"

    async def stop(self) -> str:
        await self.world.stop()
        self.world.start()
        return "and started again"

    async def kill(self) -> str:
        await self.world.kill()
        self.report.kills += 1
        if self.rng.random() < 0.3:
            await self.perform()
            await self.exit()
        self.world.start()
        return "and started again"

    async def settle(self) -> None:
        """Faults stop: the fixed point comes within a bounded time, and nothing is written then."""
        world = self.world
        world.engine.come_back()
        world.is_disk_full = False
        await world.write_secret()
        await world.write_config('{"main":"b"}')
        world.held.flowing = True
        for request in (*world.held.answers, *world.held.requests):
            if request.what == "create" and request.answer.done():
                world.watch.late.add(InstanceName(request.about))
            request.perform()
        world.held.answers.clear()
        world.held.requests.clear()
        for event, deliver in world.held.events:
            deliver(event)
        world.held.events.clear()
        while world.release():
            pass
        if self.rng.random() < 0.3:
            await self.hang(self.rng.choice(NAMES))
        quiet_since, writes = world.loop.time(), world.watch.writes
        end = world.loop.time() + SETTLE_WITHIN_S
        while world.loop.time() - quiet_since < QUIET_S + 130.0:
            await world.loop.idle()
            world.watch.after_step()
            if world.watch.writes != writes:
                quiet_since, writes = world.loop.time(), world.watch.writes
            require(world.loop.time() < end, "22: no fixed point within the bound")
            world.loop.advance(0.5)
        world.watch.settled()
        world.watch.late.clear()
        world.held.flowing = False
        self.report.settled += 1

    async def hang(self, name: str) -> None:
        """Every call for one deployment hangs: the others come to rest all the same."""
        world = self.world

        def is_for_it(request: Request) -> bool:
            container = world.engine.containers.get(InstanceId(request.about))
            about = container.spec.name if container is not None else request.about
            return about == name or about.startswith(f"sim_{name}_")

        world.held.stuck = is_for_it
        end = world.loop.time() + SETTLE_WITHIN_S
        while (late := world.watch.unsettled(but=name)) is not None:
            require(world.loop.time() < end, f"23: {late} is delayed by {name}")
            await world.loop.idle()
            world.watch.after_step()
            world.loop.advance(0.5)
        world.held.stuck = lambda _: False
        for request in world.held.requests:
            request.perform()
        world.held.requests.clear()
