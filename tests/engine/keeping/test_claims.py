"""Starts and removals at the same image."""

from __future__ import annotations

import asyncio

import pytest

from ring.core.model.stock import HeldImage
from ring.engine.keeping.claims import Busy, Claims
from ring.runtimes.base import Image
from tests.engine.bench import Bench

ID = "sha256:" + "a" * 64
DIGEST = "sha256:" + "d" * 64
HELD = HeldImage(ID, ("app:1", f"app@{DIGEST}"), 1)


def is_busy(claims: Claims, runtime: str = "docker", image: HeldImage = HELD) -> bool:
    try:
        with claims.going(runtime, image):
            return False
    except Busy:
        return True


@pytest.mark.parametrize("image", [Image("app@x", DIGEST), Image("app:1", None, id=ID)])
def test_what_was_found_stays_until_it_is_let_go(image: Image) -> None:
    claims = Claims()
    one, two = claims.found("docker", image), claims.found("docker", image)
    one.release()
    one.release()
    assert is_busy(claims)
    assert not is_busy(claims, "podman")
    two.release()
    assert not is_busy(claims)


def test_nothing_of_a_repository_goes_while_one_looks_there() -> None:
    bench = Bench()

    async def story() -> None:
        claims = Claims()
        async with claims.looking("docker", "docker.io/library/app:2"):
            assert is_busy(claims)
            assert not is_busy(claims, image=HeldImage(ID, ("other:1",), 1))
        assert not is_busy(claims)

    bench.run(story())


def test_who_looks_waits_until_it_is_gone() -> None:
    bench = Bench()

    async def story() -> None:
        claims = Claims()
        found = asyncio.Event()

        async def look() -> None:
            async with claims.looking("docker", "app:1"):
                found.set()

        with claims.going("docker", HELD):
            assert is_busy(claims)
            bench.spawn(look())
            await bench.idle()
            assert not found.is_set()
        await bench.idle()
        assert found.is_set()
        assert not is_busy(claims)

    bench.run(story())
