"""A registry login goes with what asks a registry, and with nothing else."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes.base import File, Login, RuntimeFailure
from ring.runtimes.docker import credentials, open_runtime
from ring.runtimes.images import references, refusals
from tests.runtimes.docker import scripted
from tests.runtimes.docker.orders import order
from tests.runtimes.docker.scripted import answer, opening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ring.runtimes.base import Runtime
    from tests.runtimes.docker.scripted import Script

ID = "c" * 64
CREATED = {
    "Id": ID,
    "Name": "/shop_web_0a1b2c3d",
    "Created": "2026-01-02T03:04:05Z",
    "State": {"Status": "created", "ExitCode": 0, "FinishedAt": "0001-01-01T00:00:00Z"},
    "Config": {"Labels": {}},
}
LOGIN = Login("reg.example", "mira", "hunter2>>>\u00e9", "image_pull_secret 'hub'")
TOKEN = Login("reg.example", "", "", "image_pull_secret 'hub'", identity_token="tok-canary")


@pytest.fixture
async def script(tmp_path: Path) -> AsyncIterator[Script]:
    async with scripted.engine(tmp_path) as one:
        yield one


@pytest.fixture
async def runtime(script: Script) -> AsyncIterator[Runtime]:
    one = open_runtime({"host": script.host})
    yield one
    await one.close()


def decoded(header: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(base64.urlsafe_b64decode(header))
    return found


def sent(script: Script) -> dict[str, dict[str, str] | None]:
    """By request line, the login that went with it."""
    found: dict[str, dict[str, str] | None] = {}
    for request, head in zip(script.asked, script.heads, strict=True):
        lines = [line for line in head.split("\r\n") if line.startswith("X-Registry-Auth: ")]
        found[request.split("?")[0]] = decoded(lines[0].partition(": ")[2]) if lines else None
    return found


def test_the_header_of_a_login() -> None:
    assert decoded(credentials.headers(LOGIN)["X-Registry-Auth"]) == {
        "username": "mira",
        "password": "hunter2>>>\u00e9",
        "serveraddress": "reg.example",
    }
    assert decoded(credentials.headers(TOKEN)["X-Registry-Auth"]) == {
        "identitytoken": "tok-canary",
        "serveraddress": "reg.example",
    }
    assert credentials.headers(None) == {}


def test_a_login_shows_nothing_of_itself() -> None:
    assert "mira" not in repr(LOGIN)
    assert "hunter2" not in repr(LOGIN)
    assert "canary" not in repr(TOKEN)


@pytest.mark.anyio
async def test_it_goes_with_a_pull_and_no_other_call(script: Script, runtime: Runtime) -> None:
    local = {"Id": "sha256:" + "1" * 64, "RepoDigests": []}
    script.say("POST /v1.41/images/create", opening())
    script.say("GET /v1.41/images/", answer(local))
    await runtime.resolve_image("reg.example/app:1", "Always", None, LOGIN)
    seen = sent(script)
    pull = seen.pop("POST /v1.41/images/create")
    assert pull is not None
    assert pull["password"] == LOGIN.password
    assert set(seen.values()) == {None}


@pytest.mark.anyio
async def test_it_goes_with_the_question_for_a_digest(script: Script, runtime: Runtime) -> None:
    script.say("GET /v1.41/distribution/", answer({"Descriptor": {"digest": "sha256:1"}}))
    assert await runtime.remote_digest("reg.example/app:1", LOGIN) == "sha256:1"
    asked = sent(script)["GET /v1.41/distribution/reg.example/app:1/json"]
    assert asked is not None
    assert asked["username"] == "mira"
    await runtime.remote_digest("reg.example/app:1")
    assert sent(script)["GET /v1.41/distribution/reg.example/app:1/json"] is None


def test_a_refusal_names_where_the_login_came_from() -> None:
    reference = references.parse("reg.example/app:1")
    message = refusals.of_pull(reference, "unauthorized: no", LOGIN).message
    assert "registry authentication failed for 'reg.example/app:1'" in message
    assert "check image_pull_secret 'hub'" in message
    assert "hunter2" not in message
    anonymous = refusals.of_pull(reference, "Head: no basic auth credentials").message
    assert "registry authentication failed for 'reg.example/app:1'" in anonymous
    assert "config.server, config.username and config.password" in anonymous


# files for an engine on another host


@pytest.mark.anyio
async def test_files_are_copied_before_the_start(script: Script, runtime: Runtime) -> None:
    script.say("POST /v1.41/containers/create", answer({"Id": ID}, 201))
    script.say(f"PUT /v1.41/containers/{ID}/archive?path=%2F", answer({}))
    script.say(f"GET /v1.41/containers/{ID}/json", answer(CREATED))
    await runtime.create(
        order(files=(File("/run/keys/key", b"one", None), File("/etc/a", b"", None)))
    )
    with tarfile.open(fileobj=io.BytesIO(script.bodies[-1])) as archive:
        told = {
            entry.name: (entry.mode, entry.uid, archive.extractfile(entry).read())  # type: ignore[union-attr]  # files alone
            for entry in archive
        }
    assert told == {"run/keys/key": (0o444, 0, b"one"), "etc/a": (0o444, 0, b"")}
    assert "Content-Type: application/x-tar" in script.heads[-2]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (403, "container rootfs is marked read-only", FailureClass.INSTANCE_REJECTED),
        (404, "No such container: it", FailureClass.OTHER),
        (503, "shutting down", FailureClass.UNAVAILABLE),
    ],
)
async def test_a_copy_that_is_refused_leaves_no_instance(
    script: Script, runtime: Runtime, status: int, message: str, kind: FailureClass
) -> None:
    script.say("POST /v1.41/containers/create", answer({"Id": ID}, 201))
    script.say(f"PUT /v1.41/containers/{ID}/archive", answer({"message": message}, status))
    script.say(f"DELETE /v1.41/containers/{ID}", answer(None, 204))
    with pytest.raises(RuntimeFailure) as caught:
        await runtime.create(order(files=(File("/run/key", b"canary", None),)))
    assert caught.value.failure.kind is kind
    assert "canary" not in caught.value.message
    removed = any(one.startswith(f"DELETE /v1.41/containers/{ID}") for one in script.asked)
    assert removed is (status == 403)
