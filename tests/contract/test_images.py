"""Which image a reference means under each pull policy, without a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from ring.core.model.spec import PullPolicy
    from ring.runtimes.base import Runtime
    from tests.contract.outside import Outside

pytestmark = pytest.mark.anyio

ABSENT = "ring-test/absent:7"


@pytest.mark.parametrize("policy", ["IfNotPresent", "Never"])
async def test_a_local_image_is_taken(
    runtime: Runtime, outside: Outside, policy: PullPolicy
) -> None:
    image = await runtime.resolve_image(outside.image, policy, None)
    assert image.digest is not None
    assert image.digest.startswith("sha256:")


async def test_never_does_not_pull(runtime: Runtime) -> None:
    with pytest.raises(RuntimeFailure) as caught:
        await runtime.resolve_image(ABSENT, "Never", None)
    assert caught.value.failure.kind is FailureClass.IMAGE_NOT_FOUND
    assert caught.value.message.startswith(f"Image '{ABSENT}' not found: ")
    assert "image_pull_policy=Never" in caught.value.message


@pytest.mark.parametrize("policy", ["Always", "IfNotPresent", "Never"])
async def test_a_pinned_image_needs_no_registry(
    runtime: Runtime, outside: Outside, policy: PullPolicy
) -> None:
    first = await runtime.resolve_image(outside.image, "Never", None)
    again = await runtime.resolve_image(outside.image, policy, first.digest)
    assert again.digest == first.digest


async def test_a_pin_that_is_not_here_is_not_replaced(runtime: Runtime, outside: Outside) -> None:
    with pytest.raises(RuntimeFailure) as caught:
        await runtime.resolve_image(outside.image, "Never", "sha256:" + "0" * 64)
    assert caught.value.failure.kind is FailureClass.IMAGE_NOT_FOUND
