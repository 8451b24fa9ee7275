"""Where Podman's engine is, what it is asked, and what is told of it at the start."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ring.core.errors import HostError
from ring.runtimes.base import HostLogins, Image, Notices, RuntimeFailure
from ring.runtimes.podman import information, open_runtime
from tests.runtimes.docker import scripted
from tests.runtimes.docker.orders import order
from tests.runtimes.docker.scripted import answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ring.runtimes.base import Runtime
    from tests.runtimes.docker.scripted import Script

pytestmark = pytest.mark.anyio

DIGEST = "sha256:" + "a" * 64
ID = "sha256:" + "b" * 64
INFO = "GET /v4.0.0/libpod/info"


@pytest.fixture
async def script(tmp_path: Path) -> AsyncIterator[Script]:
    async with scripted.engine(tmp_path) as one:
        yield one


@pytest.fixture
async def runtime(script: Script) -> AsyncIterator[Runtime]:
    one = open_runtime({"host": script.host})
    yield one
    await one.close()


@pytest.mark.parametrize(
    ("options", "location"),
    [
        ({"host": " tcp://p:1 ", "environment_host": "unix:///e.sock"}, "tcp://p:1"),
        ({"host": " ", "environment_host": "unix:///e.sock"}, "unix:///e.sock"),
        ({"environment_host": "unix:///e.sock"}, "unix:///e.sock"),
    ],
)
def test_the_table_goes_before_the_environment(options: dict[str, object], location: str) -> None:
    runtime = open_runtime(options)
    assert (runtime.name, runtime.location) == ("podman", location)
    assert runtime.is_remote is location.startswith("tcp")


async def test_the_logins_of_the_host_are_those_of_its_table(tmp_path: Path) -> None:
    own = tmp_path / "auth.json"
    own.write_text('{"auths": {"reg.example": {"username": "mira", "password": "canary"}}}')
    around = {"login_files": (str(own),), "login_environment": {}}
    runtime = open_runtime({"host": "unix:///p.sock", "use_host_registry_auth": True, **around})
    assert isinstance(runtime, HostLogins)
    assert (await runtime.host_login("reg.example/app:1")).username == "mira"
    closed = open_runtime({"host": "unix:///p.sock", **around})
    assert isinstance(closed, HostLogins)
    with pytest.raises(RuntimeFailure, match=r"not authorized.*\[server\.runtime\.podman\]"):
        await closed.host_login("reg.example/app:1")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"host": "ssh://far"}, "podman host 'ssh://far' has the unknown scheme 'ssh'"),
        ({"host": "/run/podman.sock"}, "podman host '/run/podman.sock' has no scheme"),
        ({"host": 7}, "podman host 7 is not text"),
        ({"host": "unix:///p.sock", "tls_ca": "/ca.pem"}, "podman: 'tls_ca' is set"),
    ],
)
def test_what_is_named_is_never_passed_over(options: dict[str, object], named: str) -> None:
    with pytest.raises(HostError, match=named):
        open_runtime({**options, "environment_host": "unix:///e.sock"})


def test_importing_the_package_does_not_import_the_client() -> None:
    code = "import sys, ring.runtimes.podman; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_a_short_name_is_asked_for_in_full(script: Script, runtime: Runtime) -> None:
    known = {"Id": ID, "RepoDigests": [f"docker.io/library/redis@{DIGEST}"]}
    script.say("GET /v1.41/images/docker.io/library/redis:7/json", answer(known))
    image = await runtime.resolve_image("redis:7", "IfNotPresent", None)
    assert image == Image(ref=f"docker.io/library/redis@{DIGEST}", digest=DIGEST, id=ID)


async def test_what_was_built_here_is_found_by_its_short_name(
    script: Script, runtime: Runtime
) -> None:
    script.say("GET /v1.41/images/docker.io/library/mine/json", answer({"message": "no"}, 404))
    script.say("GET /v1.41/images/localhost/mine/json", answer({"Id": ID, "RepoDigests": []}))
    image = await runtime.resolve_image("mine", "Never", None)
    assert image == Image(ref="localhost/mine", digest=ID, id=ID)


async def test_networks_are_apart_from_each_other(script: Script, runtime: Runtime) -> None:
    there = [{"Name": "ring_shop", "Id": "n1", "Created": "2026-01-02T03:04:05Z"}]
    script.say("GET /v1.41/networks?", answer([]), answer(there))
    script.say("POST /v1.41/networks/create", answer({"Id": "n1"}, 201))
    await runtime.ensure_network("shop")
    options = json.loads(script.bodies[-1])["Options"]
    assert options["isolate"] == "true"
    assert options["com.docker.network.bridge.name"].startswith("rbr-")


SOUND = {"networkBackend": "netavark", "security": {"rootless": False}, "cgroupVersion": "v1"}
NAMED = {"backend": "netavark", "dns": {"path": "/usr/lib/podman/aardvark-dns"}}
NAMELESS = {"backend": "netavark", "dns": {}}
ROOTLESS = {**SOUND, "security": {"rootless": True}, "cgroupVersion": "v2"}


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (SOUND, []),
        ({**SOUND, "networkBackend": "cni"}, ["does not isolate", "dnsname is not installed"]),
        ({**SOUND, "networkBackendInfo": NAMELESS}, ["aardvark-dns is not installed"]),
        ({**SOUND, "networkBackendInfo": NAMED}, []),
        ({**ROOTLESS, "cgroupControllers": ["cpu", "memory", "pids"]}, []),
        ({**ROOTLESS, "cgroupControllers": ["memory", "pids"]}, ["may not limit cpu:"]),
        ({**ROOTLESS, "cgroupVersion": "v1"}, ["Podman ignores limits"]),
    ],
)
async def test_what_is_amiss_is_told(
    script: Script,
    runtime: Runtime,
    host: dict[str, object],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(information, "PLUGIN_FOLDERS", ())
    script.say(INFO, answer({"host": host}))
    assert isinstance(runtime, Notices)
    assert runtime.capabilities().discovery
    notices = [one for one in await runtime.notices() if "linger" not in one]
    assert len(notices) == len(words)
    assert all(word in notice for word, notice in zip(words, notices, strict=True))
    assert runtime.capabilities().discovery is not any("not installed" in word for word in words)


@pytest.mark.parametrize("said", [answer({}, 404), answer([]), answer({"host": 1}), b""])
async def test_an_engine_that_does_not_say_counts_as_sound(
    script: Script, runtime: Runtime, said: bytes
) -> None:
    script.say(INFO, said)
    assert isinstance(runtime, Notices)
    assert await runtime.notices() == ()
    assert runtime.capabilities().discovery


async def test_a_profile_of_this_host_is_none_of_another_ones(tmp_path: Path) -> None:
    """Podman opens it itself, and there may be another one at the same path."""
    path = tmp_path / "profile.json"
    path.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    runtime = open_runtime({"host": "tcp://127.0.0.1:9"})
    with pytest.raises(RuntimeFailure, match="podman on another one takes only its own"):
        await runtime.create(order(security={"seccomp": f"{path}"}))
    await runtime.close()
