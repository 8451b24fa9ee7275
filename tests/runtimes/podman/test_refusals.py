"""Podman's refusals, in its own texts and statuses: mostly those of a server's fault."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.runtimes.base import Gone, NameTaken, RuntimeFailure
from ring.runtimes.docker import failures
from ring.runtimes.docker.connection import Answer
from ring.runtimes.podman import open_runtime
from tests.runtimes.docker import scripted
from tests.runtimes.docker.scripted import answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ring.runtimes.base import Runtime
    from tests.runtimes.docker.scripted import Script

pytestmark = pytest.mark.anyio

ONE = InstanceId("c" * 64)
NAME_TAKEN = (
    'container create: creating container storage: the container name "shop_web_0a1b2c3d" is '
    "already in use by 6dbde271509a. You have to remove that container to be able to reuse that "
    "name: that name is already in use"
)
PAUSED = "container 6dbde is running or paused, refusing to clean up: container state improper"
NO_NETWORK = "unable to find network with name or ID ring_shop: network not found"
CONNECTED = 'container c is already connected to network "ring_shop": network is already connected'
GOING = "cannot create network: route ip+net: no such network interface"


def said(text: str, status: int = 500) -> Answer:
    return Answer(status, json.dumps({"message": text, "cause": "x"}).encode())


@pytest.fixture
async def script(tmp_path: Path) -> AsyncIterator[Script]:
    async with scripted.engine(tmp_path) as one:
        yield one


@pytest.fixture
async def runtime(script: Script, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime]:
    monkeypatch.setattr("os.geteuid", lambda: 1000)  # rules of its own are not looked at here
    one = open_runtime({"host": script.host})
    yield one
    await one.close()


def test_a_name_that_is_taken() -> None:
    assert isinstance(failures.of_create(said(NAME_TAKEN), "i", "shop_web_0a1b2c3d"), NameTaken)
    busy = "cannot listen on the TCP port: listen tcp4 :80: bind: address already in use"
    assert not isinstance(failures.of_create(said(busy), "i", "shop_web_0a1b2c3d"), NameTaken)


@pytest.mark.parametrize("status", [404, 500])
def test_a_network_that_is_missing(status: int) -> None:
    assert failures.missing_network(said(NO_NETWORK, status)) == "ring_shop"


async def test_an_image_that_is_just_being_removed_is_not_there(
    script: Script, runtime: Runtime
) -> None:
    text = f"failed to convert ImageData: reading image {ONE}: locating image: image not known"
    script.say("GET /v1.41/images/", answer({"message": text}, 500))
    with pytest.raises(RuntimeFailure) as caught:
        await runtime.resolve_image("reg.example/app:1", "Never", None)
    assert caught.value.failure.kind is FailureClass.IMAGE_NOT_FOUND


async def test_a_pinned_image_whose_tag_moved_on_is_found_by_its_digest(
    script: Script, runtime: Runtime
) -> None:
    pin, other = (f"sha256:{digit * 64}" for digit in "ab")
    script.say("GET /v1.41/images/", answer({"message": "no such image"}, 404))
    listed = [{"Id": "d" * 64, "Digest": other}, {"Id": ONE, "Digest": pin}]
    script.say("GET /v4.0.0/libpod/images/json", answer(listed))
    image = await runtime.resolve_image("shop/app:1", "Never", pin)
    assert (image.ref, image.digest, image.id) == (f"sha256:{ONE}", pin, f"sha256:{ONE}")


def test_a_container_that_is_gone() -> None:
    text = 'no container with name or ID "ffff" found: no such container'
    assert isinstance(failures.of_start(said(text, 404)), Gone)


async def test_what_is_paused_goes_on_before_it_is_stopped(
    script: Script, runtime: Runtime
) -> None:
    stop = f"POST /v1.41/containers/{ONE}/stop"
    script.say(stop, answer({"message": PAUSED}, 500), answer(None, 204))
    script.say(f"POST /v1.41/containers/{ONE}/unpause", answer(None, 204))
    await runtime.stop(ONE, 1.0)
    verbs = [one.partition("?")[0].rpartition("/")[2] for one in script.asked if ONE in one]
    assert verbs == ["stop", "unpause", "stop"]


@pytest.mark.parametrize("status", [403, 500])
async def test_connected_already_is_success(script: Script, runtime: Runtime, status: int) -> None:
    """Podman 4 calls it a fault of its own, Podman 5 forbids it."""
    there = [{"Name": "ring_shop", "Id": "n1", "Created": "2026-01-02T03:04:05Z"}]
    script.say("GET /v1.41/networks?", answer(there))
    script.say("POST /v1.41/networks/ring_shop/connect", answer({"message": CONNECTED}, status))
    await runtime.attach(ONE, "shop", ("web",))


async def test_an_interface_that_is_just_going_is_no_reason_to_give_up(
    script: Script, runtime: Runtime
) -> None:
    there = [{"Name": "ring_shop", "Id": "n1", "Created": "2026-01-02T03:04:05Z"}]
    script.say("GET /v1.41/networks?", answer([]), answer([]), answer(there))
    script.say(
        "POST /v1.41/networks/create", answer({"message": GOING}, 500), answer({"Id": "n1"}, 201)
    )
    await runtime.ensure_network("shop")
