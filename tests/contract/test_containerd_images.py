"""Images on containerd: whose they are, and with whose login they come."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.stock import Origin
from ring.runtimes import containerd as runtimes
from ring.runtimes.base import HostLogins, RuntimeFailure
from ring.runtimes.logins import host
from tests.contract.containerd import options
from tests.contract.outside import eventually, required
from tests.contract.test_engine_images import Repository
from tests.contract.token_registry import TokenRegistry
from tests.contract.watched_registry import WatchedRegistry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.containerd import ContainerdOutside

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


async def test_what_somebody_else_pulled_meanwhile_is_theirs(
    containerd: ContainerdOutside,
) -> None:
    """Asked for when it was not there, and brought by another before our pull had begun."""
    repository = Repository(containerd, required("RING_TEST_REGISTRY", "a registry"))
    digest = await repository.push("1", content="one")
    with closing(WatchedRegistry(repository.registry)) as registry:
        registry.gate.clear()
        reference = f"{registry.address}/{repository.name}:1"
        pulling = asyncio.ensure_future(
            containerd.runtime.resolve_image(reference, "IfNotPresent", None)
        )

        async def is_held() -> bool:
            return bool(registry.asked)

        await eventually(is_held)
        await containerd.ctr("images", "pull", "--plain-http", f"{repository.path}:1")
        registry.gate.set()
        found = await pulling
        assert (found.origin, found.digest) == (Origin.PULLED, digest)
        await containerd.forgets(f"{registry.address}/{repository.name}")
    await repository.forget()


@pytest.mark.parametrize(
    ("document", "kept", "seen"),
    [
        ("credHelpers", ("mira", "hunter2-canary"), "mira:hunter2-canary"),
        ("credsStore", ("mira", "hunter2-canary"), "mira:hunter2-canary"),
        ("credHelpers", ("<token>", "identity-canary"), "identity-canary"),
    ],
    ids=["helper", "store", "identity-token"],
)
async def test_the_hosts_login_reaches_the_registry(
    containerd: ContainerdOutside,
    tmp_path: Path,
    document: str,
    kept: tuple[str, str],
    seen: str,
) -> None:
    helper = tmp_path / "docker-credential-x"
    said = json.dumps({"ServerURL": "", "Username": kept[0], "Secret": kept[1]})
    helper.write_text(f"#!/bin/sh\necho '{said}'\n")
    helper.chmod(0o755)
    with closing(TokenRegistry()) as registry:
        named = {"credHelpers": {registry.address: "x"}, "credsStore": "x"}
        config = tmp_path / "config.json"
        config.write_text(json.dumps({document: named[document]}))
        image = f"{registry.address}/team/app:1"
        runtime = runtimes.open_runtime(
            {
                **options(containerd.socket),
                "use_host_registry_auth": True,
                "host_registry_config": f"{config}",
                host.ENVIRONMENT: {"PATH": f"{tmp_path}:/usr/bin:/bin"},
            }
        )
        try:
            assert isinstance(runtime, HostLogins)
            login = await runtime.host_login(image)
            with pytest.raises(RuntimeFailure) as caught:
                await runtime.resolve_image(image, "Always", None, login)
        finally:
            await runtime.close()
        assert caught.value.failure.kind is FailureClass.IMAGE_NOT_FOUND
        assert "canary" not in caught.value.message
        assert set(registry.logins) == {seen}


async def test_the_hosts_login_is_for_who_may_have_it(containerd: ContainerdOutside) -> None:
    assert isinstance(containerd.runtime, HostLogins)
    with pytest.raises(RuntimeFailure, match="not authorized"):
        await containerd.runtime.host_login("127.0.0.1:1/x/y:1")
