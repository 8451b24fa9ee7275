"""On Podman, too, nothing reaches a namespace from another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.outside import eventually

if TYPE_CHECKING:
    from tests.contract.outside import PodmanOutside
    from tests.contract.space import Space

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
    await keeps_addresses(podman, podman_space)


async def test_a_bridge_of_a_user_keeps_its_address_whatever_ends(
    rootless: PodmanOutside, rootless_space: Space
) -> None:
    await keeps_addresses(rootless, rootless_space)


async def keeps_addresses(outside: PodmanOutside, space: Space) -> None:
    """Who knows the old one finds no names for half a minute."""
    for _ in range(2):  # the bridge goes with its last instance, and is made anew
        first = await space.running()
        # That of its only port, which is what it has without being given one.
        address = await outside.bridge_address(first.id)
        second = await space.running()
        await outside.runtime.remove(first.id)
        assert await outside.bridge_address(second.id) == address
        await outside.runtime.remove(second.id)
