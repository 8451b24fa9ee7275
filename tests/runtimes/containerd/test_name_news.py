"""What changes who is found, and who needs a network, is handed on without anybody waiting."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.name_news import NameNews

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

pytestmark = pytest.mark.anyio
A, B = InstanceId("a"), InstanceId("b")


class Networks:
    def __init__(self) -> None:
        self.noted: list[tuple[dict[InstanceId, bool], set[InstanceId]]] = []
        self.let_go: list[InstanceId] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.fails: Exception | None = None
        self.has_been_told = asyncio.Event()

    async def note(self, ready: Mapping[InstanceId, bool], gone: Collection[InstanceId]) -> None:
        self.noted.append((dict(ready), set(gone)))
        self.has_been_told.set()
        await self.may_go_on.wait()
        if self.fails is not None:
            raise self.fails

    async def ended(self, instance_id: InstanceId) -> None:
        self.let_go.append(instance_id)
        if instance_id == B:
            raise RuntimeFailure(FailureClass.OTHER, "b")


async def settled(news: NameNews) -> None:
    async with asyncio.timeout(5):
        while news._task is not None and not news._task.done():  # noqa: ASYNC110 - the same loop
            await asyncio.sleep(0)


async def test_what_comes_meanwhile_goes_with_the_next() -> None:
    networks = Networks()
    news = NameNews(networks.note, networks.ended)
    networks.may_go_on.clear()
    news.ready({A: False})
    await networks.has_been_told.wait()
    news.ready({A: True})
    news.ready({B: True})
    news.gone(B)
    networks.may_go_on.set()
    await settled(news)
    assert networks.noted == [({A: False}, set()), ({A: True, B: True}, {B})]
    assert networks.let_go == [B]
    await news.close()


async def test_names_that_become_known_are_told_once_and_again_if_more_do() -> None:
    networks = Networks()
    news = NameNews(networks.note, networks.ended)
    networks.may_go_on.clear()
    news.known()
    news.known()
    await networks.has_been_told.wait()
    news.known()
    networks.may_go_on.set()
    await settled(news)
    assert networks.noted == [({}, set()), ({}, set())]
    await news.close()


@pytest.mark.parametrize("error", [OSError("full"), RuntimeFailure(FailureClass.OTHER, "no")])
async def test_a_failure_stops_nothing(error: Exception) -> None:
    networks = Networks()
    networks.fails = error
    news = NameNews(networks.note, networks.ended)
    news.gone(B)
    news.gone(A)
    await settled(news)
    assert sorted(networks.let_go) == [A, B]
    networks.fails = None
    news.ready({A: True})
    await settled(news)
    assert networks.noted[-1] == ({A: True}, set())
