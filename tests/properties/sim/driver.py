"""Chooses the steps: one seeded source of chance, so that a seed replays a run."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.model.ids import InstanceId
from tests.properties.sim.outside import Outside
from tests.properties.sim.traffic import NOTHING, Traffic
from tests.properties.sim.users import Users
from tests.properties.sim.violation import Violation, require
from tests.properties.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ring.runtimes.fake import Request
    from tests.properties.sim.world import Planner
    from tests.virtual_time import VirtualLoop

    Step = Callable[[], Awaitable[str]]

SETTLE_EVERY = 800  # steps
SETTLE_WITHIN_S = 1200.0  # virtual seconds from any state to the fixed point
QUIET_S = 190.0
GLANCE_S = 2.0
HANGABLE = ("web", "db", "job")


@dataclass(slots=True)
class Report:
    seed: int
    steps: int = 0
    settled: int = 0
    kills: int = 0
    trace: list[str] = field(default_factory=list)
    violation: str | None = None
    reasons: Counter[str] = field(default_factory=Counter)
    """Of the events that plans have made durable, by component and reason."""


class Driver:
    """One run of one seed."""

    def __init__(self, loop: VirtualLoop, seed: int, *, planner: Planner | None = None) -> None:
        self.rng = random.Random(seed)
        self.report = Report(seed)
        self.world = (
            World(loop, self.rng) if planner is None else World(loop, self.rng, planner=planner)
        )
        self.traffic = traffic = Traffic(self.world)
        self.outside = outside = Outside(self.world)
        users = Users(self.world)
        often = self.rng.choice
        self.steps: list[tuple[float, Step]] = [
            (60, traffic.perform),
            (20, traffic.answer),
            (50, traffic.release),
            (3, traffic.refuse),
            (1, traffic.lose_request),
            (30, traffic.deliver),
            (1, traffic.lose_event),
            (1, traffic.double_event),
            (often((1, 3)), outside.exit),
            (often((1, 4)), outside.change_manner),
            (0.5, outside.press_memory),
            (often((1, 4)), outside.remove_by_hand),
            (1, outside.stop_by_hand),
            (1, outside.pause_by_hand),
            (1, outside.rename_by_hand),
            (0.5, outside.detach_by_hand),
            (0.5, outside.remove_network),
            (often((1.0, 2.0, 4.0)), users.apply),
            (often((0.1, 0.3, 1.0)), users.delete),
            (often((0.3, 2.0)), users.act),
            (0.3, users.change_minds),
            (0.5, users.write_secret),
            (0.5, users.delete_secret),
            (0.5, users.write_config),
            (20, outside.next_timer),
            (2, outside.long_time),
            (1, outside.jump_clock),
            (1, self.change_weather),
            (often((0.2, 0.5, 2.0)), outside.engine_outage),
            (6, outside.recover),
            (0.5, outside.cut_streams),
            (0.2, outside.engine_restart),
            (0.2, outside.engine_replaced),
            (0.2, self.reboot),
            (often((0.1, 0.5)), outside.fill_disk),
            (often((0.1, 0.3, 1.0)), self.stop),
            (often((0.3, 0.5, 2.0, 5.0)), self.kill),
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
        self.report.reasons = self.world.watch.reasons
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

    # kinds of weather, and catastrophes of the server
    async def change_weather(self) -> str:
        """Everything waits until it is let through, or nothing does."""
        self._let_flow(flowing=not self.world.held.flowing)
        return "fair" if self.world.held.flowing else "stormy"

    def _let_flow(self, *, flowing: bool) -> None:
        held = self.world.held
        held.flowing = flowing
        if not flowing:
            return
        held.release()
        while self.world.release():
            pass

    async def reboot(self) -> str:
        """Server, engine and workloads end at once; the engine forgets its events."""
        await self.world.kill()
        self.report.kills += 1
        self.world.engine.come_back()
        ended = self.outside.end_everything()
        self.outside.forget_events()
        self.world.start()
        return f"{ended} ended"

    async def stop(self) -> str:
        await self.world.stop()
        self.world.start()
        return "and started again"

    async def kill(self) -> str:
        await self.world.kill()
        self.report.kills += 1
        if self.rng.random() < 0.3:
            await self.traffic.perform()
            await self.outside.exit()
        self.world.start()
        return "and started again"

    # the fixed point
    async def settle(self) -> None:
        """Faults stop: the fixed point comes within a bounded time, and nothing is written then."""
        world = self.world
        world.engine.come_back()
        world.is_disk_full = False
        world.programs.are_decided = True
        world.programs.free_bytes = 1 << 40
        await world.write_secret()
        await world.write_config('{"main":"b"}')
        was_flowing = world.held.flowing
        self._let_flow(flowing=True)
        if self.rng.random() < 0.3:
            await self.hang(self.rng.choice(HANGABLE))
        quiet_since, writes = world.loop.time(), world.writes
        end = world.loop.time() + SETTLE_WITHIN_S
        while world.loop.time() - quiet_since < QUIET_S:
            await asyncio.sleep(GLANCE_S)
            world.watch.after_step()
            if world.writes != writes:
                quiet_since, writes = world.loop.time(), world.writes
            require(world.loop.time() < end, f"22: no fixed point: {world.watch.last}")
        world.rest.settled()
        world.watch.late.clear()
        world.watch.truth.keep_only(world.engine.containers)
        world.programs.forget_all_but(world.engine.containers)
        world.programs.are_decided = False
        world.held.flowing = was_flowing
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
        while (late := world.rest.unsettled(but=name)) is not None:
            require(world.loop.time() < end, f"23: {late} is delayed by {name}")
            await asyncio.sleep(GLANCE_S)
            world.watch.after_step()
        world.held.stuck = lambda _: False
        for request in world.held.requests:
            world.held.flow(request)
        world.held.requests.clear()
