"""What a namespace's network lacks, as the engine tells of it and as Ring can mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceId
from ring.network import bridges
from ring.runtimes.docker import adapter
from ring.runtimes.podman import information, networks, open_runtime
from ring.runtimes.shortcomings import NO_ISOLATION, NO_NAMES, Shortcomings
from tests.runtimes.docker import scripted
from tests.runtimes.docker.scripted import answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ring.runtimes.docker.adapter import DockerRuntime
    from ring.runtimes.docker.connection import Endpoint
    from tests.runtimes.docker.scripted import Script

pytestmark = pytest.mark.anyio

THERE = [{"Name": "ring_shop", "Id": "n1", "Created": "2026-01-02T03:04:05Z"}]
NETWORK = "GET /v4.0.0/libpod/networks/ring_shop/json"
BRIDGE = {"network_interface": "podman1"}


@pytest.fixture
async def script(tmp_path: Path) -> AsyncIterator[Script]:
    async with scripted.engine(tmp_path) as one:
        one.say("GET /v1.41/networks?", answer(THERE))
        one.say(NETWORK, answer({**BRIDGE, "dns_enabled": True}))
        yield one


@pytest.fixture
async def runtime(script: Script) -> AsyncIterator[DockerRuntime]:
    one = open_runtime({"host": script.host})
    assert isinstance(one, Shortcomings)
    yield one  # type: ignore[misc]  # of that class, see from_options
    await one.close()


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Why Ring cannot keep networks apart; the last one holds. None while it is empty."""
    reasons: list[str] = []

    async def not_ours(endpoint: Endpoint) -> str:
        return ""

    async def keep_apart(bridge: str) -> str:
        assert bridge == "podman1"
        return reasons[-1] if reasons else ""

    monkeypatch.setattr(networks, "not_ours", not_ours)
    monkeypatch.setattr(networks, "keep_apart", keep_apart)
    return reasons


@pytest.mark.usefixtures("trouble")
async def test_a_whole_network_lacks_nothing(runtime: DockerRuntime) -> None:
    await runtime.ensure_network("shop")
    assert runtime.shortcomings("shop") == ()


async def test_one_that_is_not_apart_is_told_with_why(
    runtime: DockerRuntime, trouble: list[str]
) -> None:
    trouble.append("Ring does not run as root")
    assert runtime.shortcomings("shop") == ()  # nobody has looked yet
    await runtime.ensure_network("shop")
    (lack,) = runtime.shortcomings("shop")
    assert lack.reason == NO_ISOLATION
    assert "ring_shop" in lack.message
    assert lack.message.endswith(": Ring does not run as root")
    assert runtime.shortcomings("media") == ()


async def test_what_an_engine_does_not_tell_of_is_not_apart(
    script: Script, runtime: DockerRuntime
) -> None:
    script.say(NETWORK, answer({"message": "no such network"}, 404))
    await runtime.ensure_network("shop")
    (lack,) = runtime.shortcomings("shop")
    assert (lack.reason, "no such network" in lack.message) == (NO_ISOLATION, True)


@pytest.mark.usefixtures("trouble")
@pytest.mark.parametrize("told", ['x" }; flush ruleset', "", None, 7, "longer-than-it-may-be"])
async def test_only_the_name_of_an_interface_is_one(
    script: Script, runtime: DockerRuntime, told: object
) -> None:
    script.say(NETWORK, answer({"network_interface": told, "dns_enabled": True}))
    await runtime.ensure_network("shop")
    (lack,) = runtime.shortcomings("shop")
    assert lack.message.endswith("the engine does not tell its bridge")


@pytest.mark.usefixtures("trouble")
async def test_a_network_without_names_is_told(script: Script, runtime: DockerRuntime) -> None:
    script.say(NETWORK, answer({**BRIDGE, "dns_enabled": False}))
    await runtime.ensure_network("shop")
    (lack,) = runtime.shortcomings("shop")
    assert (lack.reason, "by name" in lack.message) == (NO_NAMES, True)
    assert runtime.capabilities().discovery  # of the engine: another network may have them


@pytest.mark.usefixtures("trouble")
@pytest.mark.parametrize("dns_enabled", [True, False])
async def test_an_engine_without_names_has_none_on_any_network(
    script: Script, runtime: DockerRuntime, monkeypatch: pytest.MonkeyPatch, dns_enabled: bool
) -> None:
    monkeypatch.setattr(information, "PLUGIN_FOLDERS", ())
    script.say("GET /v4.0.0/libpod/info", answer({"host": {"networkBackend": "cni"}}))
    script.say(NETWORK, answer({**BRIDGE, "dns_enabled": dns_enabled}))
    await runtime.notices()
    assert not runtime.capabilities().discovery
    await runtime.ensure_network("shop")
    assert [lack.reason for lack in runtime.shortcomings("shop")] == [NO_NAMES]


async def test_the_plugin_of_an_older_release_is_looked_for(
    script: Script, runtime: DockerRuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cni").mkdir()
    monkeypatch.setattr(information, "PLUGIN_FOLDERS", (f"{tmp_path}/none", f"{tmp_path}/cni"))
    script.say("GET /v4.0.0/libpod/info", answer({"host": {"networkBackend": "cni"}}))
    await runtime.notices()
    assert not runtime.capabilities().discovery
    (tmp_path / "cni/dnsname").touch()
    await runtime.notices()
    assert runtime.capabilities().discovery


@pytest.mark.usefixtures("trouble")
@pytest.mark.parametrize("whose", [True, OSError("gone fishing")], ids=["a user's", "who knows"])
async def test_no_interface_of_this_machine_is_touched_before_it_is_known_whose_the_engine_is(
    script: Script,
    runtime: DockerRuntime,
    whose: bool | OSError,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up: list[str] = []

    def index(_: object, name: str) -> None:
        looked_up.append(name)

    async def is_rootless(_: str | None) -> bool:
        if isinstance(whose, OSError):
            raise whose
        return whose

    monkeypatch.setattr(bridges, "_index", index)
    script.say("POST /v1.41/containers/one/start", answer(None, 204))
    await runtime.ensure_network("shop")
    with monkeypatch.context() as patched:
        patched.setattr(adapter, "is_rootless", is_rootless)
        await runtime.start(InstanceId("one"))
    assert looked_up == []
    monkeypatch.setattr(runtime, "_is_rootless", False)
    await runtime.start(InstanceId("one"))
    assert looked_up == ["podman1"]
