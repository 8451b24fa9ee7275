"""Steps of the programs, of other people at the engine, of time, and catastrophes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ring.core.model.ids import InstanceName
from ring.core.model.ledger import Phase
from tests.properties.sim.programs import MANNERS, MIB
from tests.properties.sim.traffic import FAILURES, NOTHING

if TYPE_CHECKING:
    from ring.core.model.ids import InstanceId
    from tests.properties.sim.world import World

CODES = (0, 0, 1, 1, 1, 2, 126, 127, 137, 143)


@dataclass(slots=True)
class Outside:
    world: World

    async def exit(self) -> str:
        live = self._ours()
        if not live:
            return NOTHING
        chosen, code = self.world.rng.choice(live), self.world.rng.choice(CODES)
        self.world.engine.exit(chosen, code, oom=code == 137 and self.world.rng.random() < 0.3)
        return f"{chosen[-4:]} with {code}"

    async def change_manner(self) -> str:
        """One answers its probes in another way from now on, or takes another load."""
        programs = self.world.programs
        if self.world.rng.random() < 0.2:
            return programs.misread()
        live = self._ours()
        if not live:
            return NOTHING
        chosen = self.world.rng.choice(live)
        manner = self.world.rng.choices(MANNERS, (5, 2, 2, 1, 1))[0]
        programs.manners[chosen] = manner
        return f"{chosen[-4:]} is {manner}"

    async def press_memory(self) -> str:
        """The host's memory runs out, or comes free."""
        programs = self.world.programs
        programs.free_bytes = self.world.rng.choice((100 * MIB, 300 * MIB, 1 << 40, 1 << 40))
        return f"{programs.free_bytes // MIB} MiB"

    async def remove_by_hand(self) -> str:
        ids = [i for i in self.world.engine.containers if i not in self.world.foreign]
        if not ids:
            return NOTHING
        chosen = self.world.rng.choice(ids)
        self.world.watch.jobs.removed_by_hand(chosen)
        self.world.engine.remove_by_hand(chosen)
        return chosen[-4:]

    async def stop_by_hand(self) -> str:
        live = self._ours()
        if not live:
            return NOTHING
        chosen = self.world.rng.choice(live)
        self.world.engine.stop_by_hand(chosen, self.world.rng.choice((0, 143)))
        return chosen[-4:]

    async def pause_by_hand(self) -> str:
        """Freezes one, or lets it go on."""
        live = self._ours()
        if not live:
            return NOTHING
        chosen = self.world.rng.choice(live)
        self.world.engine.pause_by_hand(chosen)
        if self.world.rng.random() < 0.7:
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
        chosen = self.world.rng.choice(ids)
        name = f"renamed_{self.world.rng.getrandbits(32):08x}"
        old = self.world.engine.containers[chosen].instance.name
        self.world.engine.rename_by_hand(chosen, name)
        if old in self.world.watch.late:
            self.world.watch.late.add(InstanceName(name))
        return f"{chosen[-4:]} {old} → {name}"

    async def detach_by_hand(self) -> str:
        live = self._ours()
        if not live:
            return NOTHING
        chosen = self.world.rng.choice(live)
        self.world.engine.detach_by_hand(chosen)
        return chosen[-4:]

    async def remove_network(self) -> str:
        self.world.engine.remove_network_by_hand("ring_sim")
        return "ring_sim"

    async def next_timer(self) -> str:
        seconds = self.world.rng.choice((0.05, 0.3, 1.0, 2.5))
        self.world.loop.advance(seconds)
        return f"{seconds} s"

    async def long_time(self) -> str:
        seconds = self.world.rng.choice((10.0, 60.0, 130.0))
        self.world.loop.advance(seconds)
        return f"{seconds} s"

    async def jump_clock(self) -> str:
        self.world.clock.jump(timedelta(days=self.world.rng.choice((-1, 0, 1))))
        return str(self.world.clock.shift)

    async def recover(self) -> str:
        """An engine that is away comes back, or a disk that is full is made room on."""
        if self.world.engine.away:
            self.world.engine.come_back()
            return "back"
        if self.world.is_disk_full:
            self.world.is_disk_full = False
            return "free"
        return NOTHING

    async def engine_outage(self) -> str:
        if self.world.engine.away:
            return NOTHING
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
        ended = self.end_everything()
        self.forget_events()
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
        ended = self.end_everything()
        self.forget_events()
        return f"{ended} ended"

    def forget_events(self) -> None:
        """A new engine process has told nothing yet."""
        self.world.engine.log.clear()
        self.world.held.events.clear()

    def end_everything(self) -> int:
        live = self._ours()
        for one in live:
            self.world.engine.exit(one, self.world.rng.choice((0, 137, 143)))
        return len(live)

    async def fill_disk(self) -> str:
        if self.world.is_disk_full:
            return NOTHING
        self.world.is_disk_full = True
        return "full"

    def _ours(self) -> list[InstanceId]:
        return [i for i in self.world.live_ids() if i not in self.world.foreign]
