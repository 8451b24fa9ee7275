"""What of a login reaches a registry, by way of a real engine."""

from __future__ import annotations

import base64
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import Login, RuntimeFailure
from tests.contract.outside import required
from tests.contract.test_engine_images import Repository
from tests.contract.token_registry import ACCESS, TokenRegistry
from tests.contract.watched_registry import WatchedRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.engines import EngineOutside

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


@pytest.fixture
def registry() -> Iterator[TokenRegistry]:
    with closing(TokenRegistry()) as one:
        yield one


async def refused(engine: EngineOutside, image: str, login: Login | None) -> RuntimeFailure:
    with pytest.raises(RuntimeFailure) as caught:
        await engine.runtime.resolve_image(image, "Always", None, login)
    assert "canary" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("login", "seen"),
    [
        (("mira", "hunter2-canary", ""), "mira:hunter2-canary"),
        (("", "", "identity-canary"), "identity-canary"),
    ],
    ids=["password", "identity-token"],
)
async def test_a_login_is_exchanged_for_access(
    engine: EngineOutside, registry: TokenRegistry, login: tuple[str, str, str], seen: str
) -> None:
    username, password, token = login
    given = Login(registry.address, username, password, "use_host_auth", identity_token=token)
    image = f"{registry.address}/team/app:1"
    failure = await refused(engine, image, given)
    assert failure.failure.kind is FailureClass.IMAGE_NOT_FOUND
    assert set(registry.logins) == {seen}
    assert registry.is_asked_with_access


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
async def test_a_private_image_comes_with_its_login_only(
    engine: EngineOutside, registry: TokenRegistry, scheme: str
) -> None:
    repository = Repository(engine, required("RING_TEST_REGISTRY", "a registry"))
    digest = await repository.push("1", content="one")
    known = base64.b64encode(b"mira:hunter2-canary").decode()
    with closing(WatchedRegistry(repository.registry)) as private:
        image = f"{private.address}/{repository.name}:1"
        login = Login(private.address, "mira", "hunter2-canary", "image_pull_secret")
        if scheme == "Basic":
            private.challenge, private.authorization = 'Basic realm="tests"', f"Basic {known}"
        else:
            private.challenge = f'Bearer realm="http://{registry.address}/token",service="tests"'
            private.authorization = f"Bearer {ACCESS}"
        wrong = Login(private.address, "mira", "canary", "image_pull_secret")
        if scheme == "Basic":
            failure = await refused(engine, image, wrong)
            assert "registry authentication failed" in failure.message
        found = await engine.runtime.resolve_image(image, "Always", None, login)
        assert found.digest == digest
        if scheme == "Bearer":
            assert set(registry.logins) == {"mira:hunter2-canary"}
        await engine.forgets(f"{private.address}/{repository.name}")


async def test_a_registry_that_allows_no_more_is_told_apart(
    but_podman: EngineOutside, registry: TokenRegistry
) -> None:
    """Podman asks again for minutes, by itself, before it says so."""
    registry.refusal = (HTTPStatus.TOO_MANY_REQUESTS, "TOOMANYREQUESTS", "denied, retry-after: 7s")
    image = f"{registry.address}/team/app:1"
    login = Login(registry.address, "mira", "canary", "use_host_auth")
    failure = await refused(but_podman, image, login)
    assert "allows no more for now" in failure.message
    assert failure.failure.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        ((403, "DENIED", "no access"), "registry authentication failed"),
        ((404, "NAME_UNKNOWN", "repository name not known"), "Image '"),
    ],
)
async def test_what_a_registry_answers_is_told(
    engine: EngineOutside, registry: TokenRegistry, refusal: tuple[int, str, str], says: str
) -> None:
    status, code, text = refusal
    registry.refusal = (HTTPStatus(status), code, text)
    image = f"{registry.address}/team/app:1"
    failure = await refused(
        engine, image, Login(registry.address, "mira", "canary", "use_host_auth")
    )
    assert says in failure.message
    assert image in failure.message
    assert failure.failure.retry_after_s == 0.0
    if status == 403:
        assert "check use_host_auth" in failure.message
