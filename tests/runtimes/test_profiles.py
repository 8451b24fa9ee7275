from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.runtimes import profiles
from ring.runtimes.base import RuntimeFailure
from tests.runtimes.docker.orders import order

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def read(written: str) -> str | None:
    return await profiles.seccomp(order(security={"seccomp": written}).spec)


async def refusal(path: Path) -> str:
    with pytest.raises(RuntimeFailure) as caught:
        await read(f"{path}")
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert f"'{path}'" in caught.value.message
    return caught.value.message


async def test_a_profile_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"]}]}
    path.write_text(json.dumps(profile, indent=4))
    assert await read(f"{path}") == json.dumps(profile, separators=(",", ":"))


@pytest.mark.parametrize("word", ["default", "unconfined"])
async def test_a_word_is_no_file(word: str) -> None:
    assert await read(word) is None
    assert await profiles.seccomp(order().spec) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"defaultAction": 1}', "\xff", "[" * 100_000])
async def test_what_is_no_profile_is_named_and_not_quoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "profile.json"
    path.write_bytes(content.encode("latin-1"))
    assert await refusal(path) == (
        f"'{path}' is not a seccomp profile: a JSON object with a defaultAction"
    )


async def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert (await refusal(tmp_path / "none.json")).endswith(": No such file or directory")
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in await refusal(tmp_path / "pipe")
    assert "directory" in await refusal(tmp_path)
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (profiles.LARGEST_BYTES + 1))
    assert "larger than" in await refusal(large)
