"""Large bodies: one at a time, few in waiting, and short answers about them."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING

import pytest

from ring.api.checks import Checks
from ring.api.problems import Problem
from tests.api.world import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.world import World

LARGE = json.dumps(manifest(labels={"a": "x" * 40_000})).encode()


@pytest.fixture
def checks() -> Iterator[Checks]:
    checks = Checks()
    yield checks
    checks.close()


def test_the_queue_of_large_bodies_is_bounded(checks: Checks) -> None:
    async def scenario() -> tuple[Problem, int]:
        may_end = threading.Event()
        blocked = asyncio.ensure_future(checks.beside(may_end.wait))
        waiting = [asyncio.ensure_future(checks.check(LARGE, {})) for _ in range(9)]
        await asyncio.sleep(0)
        with pytest.raises(Problem) as caught:
            await checks.check(LARGE, {})
        assert (await checks.check(b"{}", {})).violations  # a short one does not wait
        waiting.pop().cancel()
        await asyncio.sleep(0)
        waiting.append(asyncio.ensure_future(checks.check(LARGE, {})))
        may_end.set()
        await blocked
        return caught.value, len(await asyncio.gather(*waiting))

    refusal, checked = asyncio.run(scenario())
    assert (refusal.status, refusal.headers) == (503, {"Retry-After": "1"})
    assert checked == 9


def test_who_gave_up_is_not_checked(checks: Checks) -> None:
    async def scenario() -> list[str]:
        done: list[str] = []
        may_end = threading.Event()
        blocked = asyncio.ensure_future(checks.beside(may_end.wait))
        left = asyncio.ensure_future(checks.beside(lambda: done.append("left")))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.sleep(0)
        may_end.set()
        await blocked
        await checks.beside(lambda: done.append("stayed"))
        return done

    assert asyncio.run(scenario()) == ["stayed"]


def test_a_body_full_of_mistakes_gets_a_short_answer(world: World) -> None:
    environment = {f"1{number}": "\0" for number in range(4096)}
    reply = world.apply(environment=environment)
    assert reply.status == 422
    assert len(reply.json["violations"]) == 1000
    assert reply.codes[-1] == "deployment.too_many_violations"
    assert len(reply.body) < 1024 * 1024
    assert reply.json["error"] == reply.json["message"] == reply.json["detail"]


def test_what_no_list_can_carry_is_refused(world: World) -> None:
    reply = world.apply(labels={"a": "x" * 300_000})
    assert (reply.status, reply.codes) == (422, ["deployment.too_large"])
