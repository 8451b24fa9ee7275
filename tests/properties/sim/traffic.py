"""Steps between server and engine: what waits goes on, is lost, doubled or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure, Unavailable

if TYPE_CHECKING:
    from ring.runtimes.fake import Request
    from tests.properties.sim.world import World

NOTHING = "-"
"""There was nothing to act on."""
FAILURES = (
    RuntimeFailure(FailureClass.OTHER, "the fake engine is out of sorts"),
    RuntimeFailure(FailureClass.INSTANCE_REJECTED, "the fake engine refuses"),
    Unavailable("the fake engine hung up"),
)


@dataclass(slots=True)
class Traffic:
    world: World

    async def perform(self) -> str:
        held = self.world.held
        requests = [request for request in held.requests if held.may_go(request)]
        if not requests:
            return NOTHING
        chance = self.world.rng
        request = requests[0] if chance.random() < 0.7 else chance.choice(requests)
        held.requests.remove(request)
        late = request.answer.done()
        self.carry_out(request)
        if chance.random() < 0.3:
            held.answers.append(request)
        else:
            request.reply()
        return f"{request.what} {request.about[-12:]}" + (" (late)" if late else "")

    def carry_out(self, request: Request) -> None:
        """As the engine does, whoever still waits."""
        world = self.world
        world.held.before(request)
        request.carry_out()

    async def answer(self) -> str:
        """An answer that was on its way for a while arrives."""
        answers = self.world.held.answers
        if not answers:
            return NOTHING
        request = answers.pop(self.world.rng.randrange(len(answers)))
        request.reply()
        return f"{request.what} {request.about[-12:]}"

    async def refuse(self) -> str:
        held = self.world.held
        requests = [r for r in [*held.requests, *held.answers] if not r.answer.done()]
        if not requests:
            return NOTHING
        request = self.world.rng.choice(requests)
        failure = self.world.rng.choice(FAILURES)
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
        request = requests.pop(self.world.rng.randrange(len(requests)))
        self.world.held.ends.pop(request, None)
        return f"{request.what} {request.about[-12:]}"

    async def release(self) -> str:
        return "a commit" if self.world.release() else NOTHING

    async def deliver(self) -> str:
        events = self.world.held.events
        if not events:
            return NOTHING
        index = 0 if self.world.rng.random() < 0.9 else self.world.rng.randrange(len(events))
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
