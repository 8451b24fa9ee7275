from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.api.asgi import Api
from ring.api.deadline import within
from ring.api.problems import Problem
from tests.api.client import Exchange, Question

if TYPE_CHECKING:
    from tests.api.world import World


def test_what_takes_too_long_is_408() -> None:
    with pytest.raises(Problem) as caught:
        asyncio.run(within(0.0, _endless()))
    assert (caught.value.status, caught.value.title) == (408, "Request Timeout")


def test_a_timeout_inside_is_not_ours() -> None:
    async def work() -> None:
        raise TimeoutError("engine")

    with pytest.raises(TimeoutError, match="engine"):
        asyncio.run(within(5.0, work()))


def test_a_body_that_does_not_come_is_408_with_a_body(world: World) -> None:
    api = Api(replace(world.app._services, request_s=0.01))
    headers = (("Authorization", f"Bearer {world.admin}"), ("Content-Type", "application/json"))

    async def ask() -> tuple[int, str, str]:
        exchange = _Stalled(api, Question("POST", "/namespaces", headers))
        reply = await exchange.reply()
        return reply.status, reply.json["title"], reply.headers["connection"]

    assert world.run(ask()) == (408, "Request Timeout", "close")


def test_a_client_that_leaves_in_the_middle_is_no_error(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    headers = (("Authorization", f"Bearer {world.admin}"), ("Content-Type", "application/json"))

    async def ask() -> None:
        exchange = _Stalled(world.app, Question("POST", "/namespaces", headers))
        await exchange.leave()

    world.run(ask())
    assert caplog.text == ""


class _Stalled(Exchange):
    """Sends no body."""

    async def _receive(self) -> dict[str, object]:
        await self._gone.wait()
        return {"type": "http.disconnect"}


async def _endless() -> None:
    await asyncio.Event().wait()
