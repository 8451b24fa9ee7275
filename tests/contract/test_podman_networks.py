"""On Podman, too, nothing reaches a namespace from another one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from scripts.lib import rootless

from scripts import engines
from tests.contract.outside import RootlessOutside, eventually, required
from tests.contract.space import Space

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ring.core.model.observed import Instance
    from tests.contract.outside import PodmanOutside

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

SERVE = ("sh", "-c", "echo served >/index.html; exec httpd -f -p 80 -h /")


async def test_namespaces_stay_apart_whatever_ends(
    podman: PodmanOutside, podman_space: Space
) -> None:
    """Podman's backend takes its rule out when the last instance of any network ends."""
    other = podman_space.sibling(namespace=f"{podman_space.namespace}b")
    one = await podman_space.running(await podman_space.order(command=SERVE))
    friend = await podman_space.running()
    foreigner = await other.running()
    third = podman_space.sibling(namespace=f"{podman_space.namespace}c")
    try:
        await podman.runtime.remove((await third.running()).id)
        address = (await podman.runtime.inspect(one.id)).address
        assert address
        # No ping: that is a privilege which a newer Podman does not give.
        fetch = ("timeout", "1", "wget", "-q", "-O-", f"http://{address}/index.html")

        async def is_served() -> bool:
            return (await podman.run(friend.id, *fetch))[0] == 0

        await eventually(is_served)
        assert (await podman.run(foreigner.id, *fetch))[0] != 0
        told = await podman.told(f"/containers/{one.id}/json")
        assert list(told["NetworkSettings"]["Networks"]) == [  # type: ignore[index]  # JSON
            f"ring_{podman_space.namespace}"
        ]
    finally:
        await podman.clean(other.namespace)
        await podman.clean(third.namespace)


async def test_a_bridge_keeps_its_address_whatever_ends(
    podman: PodmanOutside, podman_space: Space
) -> None:
    for _ in range(2):  # it goes with its last instance, and is made anew
        last = await keeps_its_address(podman, podman_space)
        await podman.runtime.remove(last.id)


@pytest.fixture
async def own_rootless(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PodmanOutside]:
    """A service of the test's own. When the last instance of one ends and another begins at once,
    what tells its names (seen with Podman 4.3) may stay behind in the network that is gone."""
    required("RING_TEST_ROOTLESS_HOST", "a rootless Podman")
    one = await asyncio.to_thread(rootless.up, tmp_path_factory.getbasetemp() / "own-rootless")
    try:
        subject = RootlessOutside(rootless.host(one), engines.TEST_IMAGE)
        await asyncio.to_thread(engines.make_image, subject.host)
        await subject.runtime.ping()
        yield subject
        await subject.close()
    finally:
        await asyncio.to_thread(engines.down, one.root)


async def test_a_bridge_of_a_user_keeps_its_address_whatever_ends(
    own_rootless: PodmanOutside,
) -> None:
    await keeps_its_address(own_rootless, Space(own_rootless))


async def keeps_its_address(outside: PodmanOutside, space: Space) -> Instance:
    """Who knows the old one finds no names for half a minute."""
    first = await space.running()
    # That of its only port, which is what it has without being given one.
    address = await outside.bridge_address(first.id)
    second = await space.running()
    await outside.runtime.remove(first.id)
    assert await outside.bridge_address(second.id) == address
    return second
