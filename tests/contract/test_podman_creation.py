"""What an instance is made of on Podman where the engine wants it said another way."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.spec import Volume
from ring.runtimes.anonymous_volumes import AnonymousVolumes
from ring.runtimes.base import RuntimeFailure
from tests.contract.test_engine_options import running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.outside import PodmanOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


async def test_a_seccomp_profile_is_in_force(
    podman: PodmanOutside, podman_space: Space, tmp_path: Path
) -> None:
    profile = tmp_path / "no-mkdir.json"
    denied = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [denied]}))
    inside = await running(podman_space, podman, security={"seccomp": f"{profile}"})
    assert (await inside.status())["Seccomp"] == "2"
    assert "Operation not permitted" in await inside.says("mkdir /made && echo made")


async def test_a_bind_without_its_source_does_not_start(
    podman_space: Space, tmp_path: Path
) -> None:
    volume = Volume(type="bind", source=f"{tmp_path}/none", destination="/data")
    with pytest.raises(RuntimeFailure) as caught:
        await podman_space.running(await podman_space.order(volumes=(volume,)))
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert f"{tmp_path}/none" in caught.value.message


async def test_a_volume_that_a_deployment_names_is_never_a_leftover(podman_space: Space) -> None:
    """Podman does not tell which names it chose itself."""
    runtime = podman_space.runtime
    assert isinstance(runtime, AnonymousVolumes)
    name = secrets.token_hex(32)
    volume = Volume(type="volume", source=name, destination="/data")
    await runtime.remove(
        (await podman_space.running(await podman_space.order(volumes=(volume,)))).id
    )
    assert await runtime.remove_volume(name)
    again = await podman_space.running(await podman_space.order(volumes=(volume,)))
    assert (await runtime.inspect(again.id)).is_live
    found = await podman_space.outside.listed("/volumes", {"name": [name]})  # type: ignore[attr-defined]  # Podman's
    assert len(found) == 1
