"""Who gives way to starts, and how long."""

from __future__ import annotations

import asyncio

import pytest

from ring.runtimes.containerd import precedence
from ring.runtimes.containerd.precedence import Precedence

pytestmark = pytest.mark.anyio


async def test_without_a_start_nobody_waits() -> None:
    async with asyncio.timeout(0):
        await Precedence().given()


async def test_it_is_given_to_every_step_of_a_start() -> None:
    one = Precedence()
    with one.taken():
        waiting = asyncio.create_task(one.given())
        await asyncio.sleep(0)
    with one.taken():  # at once after the step before
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting


async def test_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedence, "MOST_S", 0.0)
    one = Precedence()
    with one.taken():
        await one.given()


async def test_a_step_that_fails_is_over() -> None:
    one = Precedence()
    with pytest.raises(LookupError), one.taken():
        raise LookupError
    async with asyncio.timeout(0):
        await one.given()
