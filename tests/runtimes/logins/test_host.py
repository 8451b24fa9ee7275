"""Which login of the server's host a pull gets, and what is said where there is none."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ring.core.errors import HostError
from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.logins.host import HostFiles, host_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.runtimes.base import Login

pytestmark = pytest.mark.anyio

TABLE = "server.runtime.docker"
IMAGE = "reg.example:5000/team/app:1"
KEPT = {"ServerURL": "", "Username": "helped", "Secret": "canary-helped"}
ANSWER = f"echo '{json.dumps(KEPT)}'"
UNKNOWN = "echo 'credentials not found in native keychain'; exit 1"


def entry(username: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:canary-{username}".encode()).decode()}


class Home:
    """Files of a host, and the lookup in them."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.paths: list[Path] = []

    def holds(self, **members: Any) -> Path:
        """Another file to look in, after those before it."""
        return self.writes(json.dumps(members))

    def writes(self, text: str) -> Path:
        path = self.lacks()
        path.write_text(text)
        return path

    def lacks(self) -> Path:
        path = self.folder / f"config{len(self.paths)}.json"
        self.paths.append(path)
        return path

    async def login(self, image: str = IMAGE) -> Login:
        files = HostFiles(TABLE, is_allowed=True, files=self.paths, environment=self.environment)
        return await files.login(image)

    async def refused(self, image: str = IMAGE) -> str:
        with pytest.raises(RuntimeFailure) as caught:
            await self.login(image)
        failure = caught.value.failure
        assert failure.kind is FailureClass.IMAGE_PULL_FAILED
        beginning = f"Failed to pull image '{image}': "
        assert failure.message.startswith(beginning)
        assert "canary" not in failure.message
        assert "not found" not in failure.message
        return failure.message.removeprefix(beginning)


@pytest.fixture
def home(tmp_path: Path, environment: dict[str, str]) -> Home:
    return Home(tmp_path, environment)


async def test_the_login_that_stands_in_the_file(home: Home) -> None:
    path = home.holds(auths={"reg.example:5000": entry("mira")})
    found = await home.login()
    assert (found.server, found.username, found.password) == (
        "reg.example:5000", "mira", "canary-mira",
    )  # fmt: skip
    assert found.source == f"use_host_auth (the host's login in {path})"


@pytest.mark.parametrize(
    "members",
    [
        {"credHelpers": {"reg.example:5000": "x"}},
        {"credsStore": "x"},
        {"credsStore": "broken", "credHelpers": {"reg.example:5000": "x"}},
        {"credHelpers": {"reg.example:5000": "x"}, "auths": {"reg.example:5000": entry("stands")}},
    ],
)
async def test_a_helper_goes_before_what_stands_there(
    home: Home, helper: Callable[[str, str], None], members: dict[str, Any]
) -> None:
    helper("x", ANSWER)
    helper("broken", "exit 1")
    path = home.holds(**members)
    found = await home.login()
    assert (found.username, found.password) == ("helped", "canary-helped")
    assert found.source == f"use_host_auth (docker-credential-x, named in {path})"


async def test_a_helper_that_knows_nothing_leaves_it_to_the_file(
    home: Home, helper: Callable[[str, str], None]
) -> None:
    helper("x", UNKNOWN)
    home.holds(credsStore="x", auths={"reg.example:5000": entry("mira")})
    assert (await home.login()).username == "mira"


async def test_identity_tokens(home: Home, helper: Callable[[str, str], None]) -> None:
    helper("x", f"echo '{json.dumps({'Username': '<token>', 'Secret': 'canary-token'})}'")
    home.holds(
        credHelpers={"reg.example:5000": "x"}, auths={"docker.io": {"identitytoken": "canary-own"}}
    )
    kept, own = await home.login(), await home.login("redis")
    assert (kept.username, kept.password, kept.identity_token) == ("", "", "canary-token")
    assert (own.username, own.password, own.identity_token) == ("", "", "canary-own")


async def test_files_are_looked_through_in_order(home: Home) -> None:
    home.lacks()
    home.holds(auths={"other.example": entry("other")})
    home.holds(auths={"reg.example:5000": entry("second")})
    home.holds(auths={"reg.example:5000": entry("third")})
    assert (await home.login()).username == "second"


async def test_a_file_is_read_anew(home: Home) -> None:
    path = home.lacks()
    await home.refused()
    path.write_text(json.dumps({"auths": {"reg.example:5000": entry("mira")}}))
    assert (await home.login()).username == "mira"


# refusals


async def test_both_have_to_agree(home: Home) -> None:
    home.holds(auths={"reg.example:5000": entry("mira")})
    files = HostFiles(TABLE, is_allowed=False, files=home.paths, environment={})
    with pytest.raises(RuntimeFailure) as caught:
        await files.login(IMAGE)
    assert caught.value.failure.kind is FailureClass.IMAGE_PULL_FAILED
    assert caught.value.message == (
        f"Failed to pull image '{IMAGE}': use_host_auth is not authorized by this server: its "
        "operator has to set use_host_registry_auth = true in [server.runtime.docker]"
    )


async def test_no_file(home: Home) -> None:
    paths = (home.lacks(), home.lacks())
    message = await home.refused()
    assert all(str(path) in message for path in paths)
    assert "there is no such file" in message
    assert "host_registry_config in [server.runtime.docker]" in message


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.mkdir(), "that is no file"),
        (os.mkfifo, "that is no file"),
        (lambda path: path.write_bytes(b" " * (1024 * 1024 + 1)), "more than 1048576 bytes"),
        (lambda path: path.symlink_to(path.name), "too many levels of symbolic links"),
        (lambda path: path.write_text("canary"), "is not a Docker config.json"),
        (lambda path: path.write_bytes(b"\xff\xfe{}"), "is not a Docker config.json"),
        (lambda path: path.write_text('{"auths": ["canary"]}'), "its `auths` is no object"),
    ],
    ids=["folder", "pipe", "long", "loop", "text", "bytes", "shape"],
)
async def test_a_file_of_no_use(home: Home, make: Callable[[Path], object], why: str) -> None:
    path = home.lacks()
    make(path)
    message = await home.refused()
    assert why in message
    assert str(path) in message
    assert "host_registry_config" in message


@pytest.mark.parametrize(
    ("image", "registry", "command"),
    [
        (IMAGE, "reg.example:5000", "docker login reg.example:5000"),
        ("redis", "docker.io", "docker login"),
        ("localhost/app", "localhost", "docker login localhost"),
        ("acme/tool:2", "docker.io", "docker login"),
    ],
)
async def test_no_entry(home: Home, image: str, registry: str, command: str) -> None:
    path = home.holds(auths={"other.example": entry("other")})
    assert await home.refused(image) == (
        f"no host credential for the registry '{registry}' in {path}: "
        f"run `{command}` as the server's user"
    )


async def test_a_helper_that_fails_is_no_reason_to_go_in_as_nobody(
    home: Home, helper: Callable[[str, str], None]
) -> None:
    helper("x", "echo 'vault is locked' >&2; exit 1")
    path = home.holds(credsStore="x", auths={"reg.example:5000": entry("mira")})
    assert await home.refused() == (
        f"the credential helper for the registry 'reg.example:5000' that {path} names: "
        "docker-credential-x failed: vault is locked"
    )


async def test_an_entry_that_cannot_be_read(home: Home) -> None:
    path = home.holds(auths={"reg.example:5000": {"auth": "canary!"}})
    assert await home.refused() == (
        f"{path} has an `auth` that is not base64 of user:password, "
        "for the registry 'reg.example:5000'"
    )


# settings


def test_what_the_table_says() -> None:
    around = {"login_files": ("/home/a.json", "/home/b.json"), "login_environment": {"A": "secret"}}
    found = host_files(TABLE, around)
    assert not found.is_allowed
    assert found.files == (Path("/home/a.json"), Path("/home/b.json"))
    assert found.environment == {"A": "secret"}
    assert "secret" not in repr(found)
    named = {"use_host_registry_auth": True, "host_registry_config": " /etc/ring/registry.json "}
    found = host_files(TABLE, {**around, **named})
    assert found.is_allowed
    assert found.files == (Path("/etc/ring/registry.json"),)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"use_host_registry_auth": "yes"}, "write true or false"),
        ({"use_host_registry_auth": 1}, "write true or false"),
        ({"host_registry_config": " "}, "write the path of a file"),
        ({"host_registry_config": ["a"]}, "write the path of a file"),
    ],
)
def test_settings_that_are_none(options: dict[str, object], why: str) -> None:
    with pytest.raises(HostError, match=why) as caught:
        host_files(TABLE, options)
    assert TABLE in caught.value.message
