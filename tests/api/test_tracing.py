"""Every request is told to whoever traces: its route, and never its query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ring.api.asgi import build_app
from ring.core.channels import Kind
from tests.api.channel import ClientChannel
from tests.api.test_serving import Served

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.api.world import World


@dataclass
class Told:
    method: str
    route: str | None
    path: str
    headers: Mapping[str, str]
    ends: list[int | None] = field(default_factory=list)

    def end(self, status: int | None) -> None:
        self.ends.append(status)


class Recorder:
    def __init__(self) -> None:
        self.spans: list[Told] = []

    def begin(self, method: str, route: str | None, path: str, headers: Mapping[str, str]) -> Told:
        self.spans.append(Told(method, route, path, headers))
        return self.spans[-1]


@pytest.fixture
def recorder(world: World) -> Recorder:
    one = Recorder()
    world.app.close()

    async def build() -> None:
        world.app = build_app(
            world.store,
            world.engine,
            clock=world.clock,
            cors_origins=["https://ui.example"],
            tracing=one,
        )

    world.run(build())
    return one


@pytest.mark.parametrize(
    ("request_line", "route", "status"),
    [
        ("GET /healthz", "/healthz", 200),
        ("GET /deployments?label=a", "/deployments", 200),
        ("GET /deployments/nope/events?limit=3", "/deployments/{id}/events", 404),
        ("POST /namespaces", "/namespaces", 415),
        ("PATCH /deployments", "/deployments", 405),
        ("GET /does-not-exist?secret=1", None, 404),
    ],
)
def test_a_request(
    world: World, recorder: Recorder, request_line: str, route: str | None, status: int
) -> None:
    method, target = request_line.split()
    assert world.call(method, target).status == status

    (span,) = recorder.spans
    assert (span.method, span.route, span.ends) == (method, route, [status])
    assert span.path == target.partition("?")[0]


def test_a_request_without_a_token(world: World, recorder: Recorder) -> None:
    world.call("GET", "/deployments?ticket=secret", token=None)

    assert (recorder.spans[0].path, recorder.spans[0].ends) == ("/deployments", [401])


def test_the_trace_context_and_no_other_header(world: World, recorder: Recorder) -> None:
    given = {"traceparent": "00-1-2-01", "tracestate": "a=b", "X-Other": "c"}
    world.call("GET", "/namespaces", headers=given)

    assert recorder.spans[0].headers == {"traceparent": "00-1-2-01", "tracestate": "a=b"}


def test_a_preflight(world: World, recorder: Recorder) -> None:
    headers = {"Origin": "https://ui.example", "Access-Control-Request-Method": "GET"}
    reply = world.call("OPTIONS", "/deployments", token=None, headers=headers)

    assert recorder.spans[0].ends == [reply.status]


def test_what_goes_on_as_a_websocket_was_answered(world: World, recorder: Recorder) -> None:
    identity = world.apply().json["id"]
    world.instances.start(identity, "0000000a")
    served = Served(world)

    async def main() -> None:
        path = f"/deployments/{identity}/exec"
        channel = await ClientChannel.open(served.port, path, world.admin)
        await channel.tell(Kind.BEGIN)
        _, last = await channel.rest()
        assert "argv" in str(last["error"])
        channel.close()

    served.run(main)
    assert [told.ends for told in recorder.spans if told.route == "/deployments/{id}/exec"] == [
        [101]
    ]
