"""Credential helpers as they are: programs that answer, refuse, hang, or are not there."""

from __future__ import annotations

import asyncio
import json
import os
import select
from typing import TYPE_CHECKING

import pytest

from ring.runtimes.logins import helpers
from ring.runtimes.logins.helpers import HelperFailed, Kept

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio

ANSWER = json.dumps({"ServerURL": "reg.example", "Username": "mira", "Secret": "canary"})
HANGS_S = 2.0
ENDED_S = 5.0


async def test_the_key_is_its_input_and_never_an_argument(
    helper: Callable[[str, str], None], environment: dict[str, str], tmp_path: Path
) -> None:
    said, place = tmp_path / "said", tmp_path / "place"
    helper("x", f"echo \"$@\" >{said}; cat >>{said}; pwd >{place}; echo '{ANSWER}'")
    assert await helpers.ask("x", ["reg.example"], environment) == Kept("mira", "canary")
    assert said.read_text() == "get\nreg.example"
    assert place.read_text() == "/\n"


async def test_it_gets_the_variables_it_is_given_and_no_more(
    helper: Callable[[str, str], None], environment: dict[str, str], tmp_path: Path
) -> None:
    helper("x", f"env >{tmp_path}/env; echo '{ANSWER}'")
    await helpers.ask("x", ["k"], {**environment, "PASSWORD_STORE_DIR": "/p"})
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert {"PATH", "PASSWORD_STORE_DIR"} <= names
    assert names <= {"PATH", "PASSWORD_STORE_DIR", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}


@pytest.mark.parametrize(
    "refusal",
    [
        "echo 'credentials not found in native keychain'",
        "echo 'Credentials not found in native keychain' >&2",
        "echo 'not found' >&2",
        "echo 'item not found in the store' >&2",
    ],
)
async def test_every_key_is_tried_until_one_is_known(
    helper: Callable[[str, str], None], environment: dict[str, str], refusal: str
) -> None:
    helper("x", f"case $(cat) in b) echo '{ANSWER}';; *) {refusal}; exit 1;; esac")
    assert await helpers.ask("x", ["a", "b"], environment) == Kept("mira", "canary")
    assert await helpers.ask("x", ["a", "c"], environment) is None


async def test_an_empty_secret_is_none(
    helper: Callable[[str, str], None], environment: dict[str, str]
) -> None:
    helper("x", """echo '{"Username": "", "Secret": ""}'""")
    assert await helpers.ask("x", ["a"], environment) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("echo the vault is locked >&2; echo more >&2; exit 1", "failed: the vault is locked"),
        ("echo; echo '  the store is locked'; exit 1", "failed: the store is locked"),
        ("printf 'a\\033[31mb\\n' >&2; exit 1", "failed: a[31mb"),
        ("gpg-canary-unknown; exit 1", "failed: /"),
        ("exit 3", "failed: exit code 3"),
        ("kill -9 $$", "failed: exit code -9"),
        ('echo \'{"Secret": "canary"}\'; exit 1', "failed: exit code 1"),
        (f"echo '{ANSWER}'; echo 'bad: canary' >&2; exit 1", "failed: its message quotes"),
        ("echo canary", "gave an answer without Username and Secret"),
        ("echo '[\"canary\"]'", "gave an answer without Username and Secret"),
        ('echo \'{"Username": 1, "Secret": "canary"}\'', "gave an answer without"),
        ("head -c 200000 /dev/zero | tr '\\0' 'x'", "gave an answer without"),
    ],
)
async def test_what_goes_wrong_is_told_by_its_first_line(
    helper: Callable[[str, str], None], environment: dict[str, str], text: str, why: str
) -> None:
    helper("x", text)
    with pytest.raises(HelperFailed) as caught:
        await helpers.ask("x", ["a"], environment)
    message = str(caught.value)
    assert message.startswith(f"docker-credential-x {why}")
    assert "more" not in message
    assert 'Secret"' not in message
    assert len(message) < 300
    if "gpg" not in text:
        assert "canary" not in message


@pytest.mark.parametrize(
    ("secret", "complaint"),
    [
        ("canary" * 100, "{secret}"),  # longer than what is told of a line
        ("canary-one\ncanary-two", "{secret}"),
        ("canary-one\ncanary-two", "it is canary-two of them"),
        ("canary", "can\033ary"),
    ],
)
async def test_no_part_of_a_secret_is_told(
    helper: Callable[[str, str], None],
    environment: dict[str, str],
    tmp_path: Path,
    secret: str,
    complaint: str,
) -> None:
    (tmp_path / "answer").write_text(json.dumps({"Username": "mira", "Secret": secret}))
    (tmp_path / "complaint").write_text(f"bad: {complaint.format(secret=secret)}\n")
    helper("x", f"cat {tmp_path}/answer; cat {tmp_path}/complaint >&2; exit 1")
    with pytest.raises(HelperFailed, match=r"failed: its message quotes the secret$"):
        await helpers.ask("x", ["a"], environment)


async def test_one_that_is_not_there(environment: dict[str, str]) -> None:
    with pytest.raises(HelperFailed, match="docker-credential-none is not in the PATH"):
        await helpers.ask("none", ["a"], environment)


async def test_one_that_may_not_be_run(
    helper: Callable[[str, str], None], environment: dict[str, str], tmp_path: Path
) -> None:
    helper("x", "exit 0")
    (tmp_path / "bin" / "docker-credential-x").chmod(0o644)
    with pytest.raises(HelperFailed, match="docker-credential-x cannot be run: permission denied"):
        await helpers.ask("x", ["a"], environment)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "-x", "a b"])
async def test_a_name_is_no_path(name: str, environment: dict[str, str]) -> None:
    with pytest.raises(HelperFailed, match="cannot be the name of a credential helper"):
        await helpers.ask(name, ["a"], environment)


@pytest.mark.parametrize(
    "text",
    [
        "sleep 600 & echo $! >{pids}; echo $$ >>{pids}; wait",
        "sleep 600 & echo $! >{pids}; echo '{{}}'",  # it ends itself, and what holds its output
    ],
)
async def test_one_that_hangs_is_ended_with_all_it_started(
    helper: Callable[[str, str], None], environment: dict[str, str], tmp_path: Path, text: str
) -> None:
    pids = tmp_path / "pids"
    helper("x", text.format(pids=pids))
    with pytest.raises(HelperFailed, match=r"gave no answer within 2 s, and was ended"):
        await helpers.ask("x", ["a"], environment, timeout_s=HANGS_S)
    assert pids.read_text().split()
    assert [pid for pid in pids.read_text().split() if not ends(pid)] == []


async def test_one_whose_caller_gives_up_is_ended(
    helper: Callable[[str, str], None], environment: dict[str, str], tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    helper("x", f"sleep 600 & echo $! $$ >{pipe}; wait")
    asking = asyncio.create_task(helpers.ask("x", ["a"], environment))
    pids = (await asyncio.to_thread(pipe.read_text)).split()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert [pid for pid in pids if not ends(pid)] == []


async def test_one_whose_caller_gives_up_while_it_starts_is_ended(
    helper: Callable[[str, str], None], environment: dict[str, str], tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDWR)
    helper("x", f"sleep 600 & echo $! $$ >{pipe}; wait")
    asking = asyncio.create_task(helpers.ask("x", ["a"], environment))
    for _ in range(3):
        await asyncio.sleep(0)  # it is made by then, and the loop has not heard of it
    assert select.select([reading], [], [], ENDED_S)[0]  # the loop stands still until it runs
    pids = os.read(reading, 100).split()
    os.close(reading)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert [pid for pid in pids if not ends(pid.decode())] == []


def ends(pid: str) -> bool:
    """It is over, or is about to be: a kill takes effect a moment after it is sent."""
    try:
        descriptor = os.pidfd_open(int(pid))
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], ENDED_S)[0])
    finally:
        os.close(descriptor)
