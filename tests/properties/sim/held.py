"""The traffic between server and engine, which the driver lets through piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.model.ids import InstanceId

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.runtimes.base import RuntimeEvent
    from ring.runtimes.fake import Request
    from tests.virtual_time import VirtualLoop


@dataclass(slots=True)
class Held:
    """Requests not yet carried out and events not yet delivered."""

    loop: VirtualLoop
    requests: list[Request] = field(default_factory=list)
    answers: list[Request] = field(default_factory=list)
    """Carried out; the answer is on its way."""
    events: list[tuple[RuntimeEvent, Callable[[RuntimeEvent], None]]] = field(default_factory=list)
    flowing: bool = False
    """True: everything happens at once."""
    stuck: Callable[[Request], bool] = lambda _: False
    """Requests that hang although everything else flows."""
    stubborn: Callable[[InstanceId], bool] = lambda _: False
    """Instances that do not end before their grace is over."""
    noticed: Callable[[RuntimeEvent], None] = lambda _: None
    """Told of everything that happens, when it happens."""
    asked: Callable[[Request], None] = lambda _: None
    """Told of every request when it is sent, whenever it is carried out."""
    before: Callable[[Request], None] = lambda _: None
    """Told of every request just before it is carried out."""
    graces: dict[InstanceId, float] = field(default_factory=dict)
    ends: dict[Request, float] = field(default_factory=dict)
    """By request to stop a stubborn instance: when it has ended."""

    def requested(self, request: Request) -> None:
        self.asked(request)
        instance_id = InstanceId(request.about)
        if request.what == "stop" and self.stubborn(instance_id):
            self.ends[request] = self.loop.time() + self.graces.get(instance_id, 0.0)
        if not self.flowing or self.stuck(request):
            self.requests.append(request)
        else:
            self.flow(request)

    def flow(self, request: Request) -> None:
        """Carries it out as soon as the instance lets it."""
        end = self.ends.pop(request, None)
        if end is None or end <= self.loop.time():
            self.perform(request)
        else:
            self.loop.call_at(end, self.perform, request)

    def perform(self, request: Request) -> None:
        if not request.carried_out:
            self.before(request)
        request.perform()

    def may_go(self, request: Request) -> bool:
        return self.ends.get(request, 0.0) <= self.loop.time()

    def happened(self, event: RuntimeEvent, deliver: Callable[[RuntimeEvent], None]) -> None:
        self.noticed(event)
        if self.flowing:
            deliver(event)
        else:
            self.events.append((event, deliver))

    def release(self) -> None:
        """Everything that waits goes on at once, and in order."""
        for request in (*self.answers, *self.requests):
            self.flow(request)
        self.answers.clear()
        self.requests.clear()
        for event, deliver in self.events:
            deliver(event)
        self.events.clear()
