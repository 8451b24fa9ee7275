from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

from ring.core.errors import EngineError
from ring.runtimes.containerd import methods
from ring.runtimes.containerd.client import Client, Refused
from ring.runtimes.containerd.content import Damaged
from ring.runtimes.containerd.leases import Leases
from tests.runtimes.containerd.scripted import Context, Server, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

FULL = Refused("write /x/data: no space left on device", "UNKNOWN")


class Kept:
    """Leases that there are; those that went are told with whether somebody waited for it."""

    def __init__(self, server: Server) -> None:
        self.ids: list[str] = []
        self.ended: list[tuple[str, bool]] = []
        self.refuses = False
        server.answers(methods.NAMESPACES_CREATE, self.namespace)
        server.answers(methods.LEASES_CREATE, self.create)
        server.answers(methods.LEASES_DELETE, self.delete)

    async def namespace(self, _request: Any, _context: Context) -> Any:
        return methods.NAMESPACES_CREATE.answer_type()

    async def create(self, request: Any, context: Context) -> Any:
        if request.id in self.ids:
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, "there is")
        self.ids.append(request.id)
        return methods.LEASES_CREATE.answer_type()

    async def delete(self, request: Any, context: Context) -> Any:
        if self.refuses:
            await context.abort(grpc.StatusCode.UNKNOWN, "meta.db: no space left on device")
        self.ids.remove(request.id)
        self.ended.append((request.id, request.sync))
        return methods.LEASES_DELETE.answer_type()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path / "socket") as one:
        yield one


@pytest.fixture
def kept(server: Server) -> Kept:
    return Kept(server)


@pytest.fixture
async def leases(server: Server, kept: Kept) -> AsyncIterator[Leases]:
    client = Client(server.socket, "shop")
    yield Leases(client)
    await client.close()


def damaged() -> Damaged:
    """As a layer is told of that there was no room to unpack."""
    error = Damaged("it cannot be unpacked")
    error.__cause__ = FULL
    return error


async def fail(leases: Leases, error: Exception) -> None:
    with pytest.raises(type(error)):
        async with leases.held("a"):
            raise error


async def test_it_ends_with_success(leases: Leases, kept: Kept) -> None:
    async with leases.held("a") as one, leases.held("a") as other:
        assert one == other
        assert kept.ids == [one]
    assert kept.ended == [(one, False)]


@pytest.mark.parametrize(
    "error", [Refused("no such thing", "UNKNOWN"), EngineError(FULL.message), OSError("gone")]
)
async def test_it_is_kept_for_who_tries_again(leases: Leases, kept: Kept, error: Exception) -> None:
    await fail(leases, error)
    await fail(leases, error)
    assert len(kept.ids) == 1
    async with leases.held("a"):
        pass
    assert kept.ids == []


@pytest.mark.parametrize("error", [FULL, damaged()])
async def test_on_a_full_disk_it_makes_room(leases: Leases, kept: Kept, error: Exception) -> None:
    await fail(leases, error)
    assert [is_waited_for for _, is_waited_for in kept.ended] == [True]
    assert kept.ids == []


async def test_on_a_full_disk_it_stays_with_who_has_it_too(leases: Leases, kept: Kept) -> None:
    async with leases.held("a") as one:
        await fail(leases, FULL)
        assert kept.ids == [one]
    assert kept.ids == []


async def test_on_a_disk_too_full_to_give_it_back_that_is_told(
    leases: Leases, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    kept.refuses = True
    await fail(leases, FULL)
    assert len(kept.ids) == 1
    assert "stays on the full disk for a day: meta.db" in caplog.text
