"""`ring login`, `ring logout`, and where the token lives."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ring.cli.credentials import Credentials
from ring.core.errors import HostError, UserError
from tests.cli.catalogue import EVERY, Command, name_of
from tests.cli.conftest import SOURCE
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub

MINTED = "ring_pat_9f9f"
DEAD = '[contexts.default]\nhost = "127.0.0.1"\napi.scheme = "http"\napi.port = 1\n'


@pytest.fixture
def user(anyone: Ring, stub: Stub) -> Ring:
    """Somebody with a context and no token; the stub takes the login."""
    anyone.point_at(stub)
    stub.on("POST /login", Answer(200, {"token": MINTED}))
    stub.on("POST /logout", Answer(204))
    return anyone


def log_in(user: Ring) -> None:
    assert user("login", "-u", "mira", "-p", "pw").code == 0


def test_the_token_is_kept_compact_and_private(user: Ring, stub: Stub) -> None:
    ended = user.process("login", "--username", "mira", "--password", "pw")
    assert (ended.code, ended.out, ended.err) == (0, "Logging in as mira\n", "")
    assert user.auth.read_text() == f'{{"default":{{"token":"{MINTED}"}}}}'
    assert stat.S_IMODE(user.auth.stat().st_mode) == 0o600
    (asked,) = stub.requests
    assert asked.json == {"username": "mira", "password": "pw"}
    assert "Authorization" not in asked.headers


def test_a_directory_made_for_it_is_private(user: Ring) -> None:
    inner = user.home / "deep" / "ring"
    user.environ |= {"RING_CONFIG_DIR": str(inner), "RING_CONFIG_FILE": str(user.config)}
    log_in(user)
    assert stat.S_IMODE(inner.stat().st_mode) == 0o700
    assert [entry.name for entry in inner.iterdir()] == ["auth.json"]


def test_the_password_may_come_from_stdin(user: Ring, stub: Stub) -> None:
    ended = user.process("login", "-u", "mira", "--password-stdin", stdin="p w \n")
    assert ended.code == 0
    assert stub.requests[0].json == {"username": "mira", "password": "p w "}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), "error: username required; pass --username or run in a terminal\n"),
        (("-u", "m"), "error: password required; pass --password or run in a terminal\n"),
    ],
)
def test_nothing_is_prompted_without_a_terminal(
    user: Ring, stub: Stub, words: tuple[str, ...], line: str
) -> None:
    ended = user.process("login", *words)
    assert (ended.code, ended.out, ended.err) == (1, "", line)
    assert stub.requests == []


def test_prompting_on_a_terminal(user: Ring, stub: Stub) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "ring", "login"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), **user.environ},
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        asked = b""
        for prompt, answer in ((b"Username: ", b"mira\n"), (b"Password: ", b"pw\n")):
            while not asked.endswith(prompt):
                asked += running.stderr.read(1)
            os.write(ours, answer)
        assert running.stdout.read() == b"Logging in as mira\n"
        assert b"pw" not in asked + running.stderr.read()
    os.close(theirs)
    shown = os.read(ours, 4096)
    os.close(ours)
    assert running.returncode == 0
    assert b"pw" not in shown
    assert stub.requests[0].json == {"username": "mira", "password": "pw"}


def test_a_password_that_is_no_text(user: Ring, stub: Stub) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ring", "login", "-u", "mira", "--password-stdin"],
        input=b"\xff\n",
        capture_output=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), **user.environ},
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == b"error: the password on standard input is not UTF-8 text\n"
    assert stub.requests == []


def test_two_passwords_are_a_misuse(user: Ring) -> None:
    assert user("login", "-u", "m", "-p", "x", "--password-stdin").code == 2


def test_a_refusal_is_explained(user: Ring, stub: Stub) -> None:
    stub.on("POST /login", problem(401, "Unauthorized", "invalid credentials"))
    ended = user("login", "-u", "mira", "-p", "wrong")
    assert ended.code == 2
    assert ended.err == "Login failed: Unauthorized (401)\n  invalid credentials\n"
    assert not user.auth.exists()


def test_a_server_that_is_away(user: Ring) -> None:
    user.config.write_text(DEAD)
    ended = user.process("login", "-u", "mira", "-p", "pw")
    assert ended.code == 3
    assert ended.err == (
        "error: cannot reach the server at http://127.0.0.1:1 — is it running?"
        " (connection refused)\n"
    )


@pytest.mark.parametrize("body", [{"token": ""}, {"token": 1}, [], b"<html>"])
def test_an_answer_without_a_token_stores_none(user: Ring, stub: Stub, body: object) -> None:
    stub.on("POST /login", Answer(200, body))
    assert user("login", "-u", "mira", "-p", "pw").code == 1
    assert not user.auth.exists()


def test_contexts_keep_their_own_tokens(user: Ring, stub: Stub) -> None:
    user.auth.write_text('{"staging":{"token":"ring_pat_11","note":"kept"}}')
    log_in(user)
    assert json.loads(user.auth.read_text()) == {
        "staging": {"token": "ring_pat_11", "note": "kept"},
        "default": {"token": MINTED},
    }
    ended = user("logout")
    assert (ended.code, ended.out, ended.err) == (0, "Logged out of context 'default'\n", "")
    assert json.loads(user.auth.read_text()) == {
        "staging": {"token": "ring_pat_11", "note": "kept"}
    }
    assert stub.requests[-1].headers["Authorization"] == f"Bearer {MINTED}"


def test_logout_twice(user: Ring, stub: Stub) -> None:
    log_in(user)
    assert user("logout").code == 0
    assert user("logout").code == 0
    assert stub.seen() == ["POST /login", "POST /logout"]


def test_logout_with_the_server_down(user: Ring) -> None:
    log_in(user)
    user.config.write_text(DEAD)
    ended = user("logout")
    assert (ended.code, ended.out) == (0, "Logged out of context 'default'\n")
    assert ended.err.startswith("error: cannot reach the server")
    assert user.auth.read_text() == "{}"


@pytest.mark.parametrize(("status", "warned"), [(401, False), (500, True)])
def test_logout_goes_on_whatever_the_server_says(
    user: Ring, stub: Stub, status: int, warned: bool
) -> None:
    log_in(user)
    stub.on("POST /logout", problem(status, "no"))
    ended = user("logout")
    assert ended.code == 0
    assert ended.err.startswith("Warning: ") == warned
    assert user.auth.read_text() == "{}"


def test_logout_goes_on_after_an_endless_answer(
    user: Ring, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(user)
    monkeypatch.setattr("ring.cli.client.LARGEST_ANSWER", 3)
    stub.on("POST /logout", Answer(200, b"much"))
    ended = user("logout")
    assert (ended.code, ended.out) == (0, "Logged out of context 'default'\n")
    assert "answered with more than" in ended.err
    assert user.auth.read_text() == "{}"


def test_logout_leaves_the_variable_alone(user: Ring, stub: Stub) -> None:
    log_in(user)
    user.environ["RING_TOKEN"] = "ring_pat_other"
    ended = user("logout")
    assert ended.err == "Warning: RING_TOKEN is set and still applies\n"
    assert stub.requests[-1].headers["Authorization"] == f"Bearer {MINTED}"


def test_the_variable_wins_over_the_file(user: Ring, stub: Stub) -> None:
    stub.on("GET /namespaces", Answer(200, []))
    log_in(user)
    user("namespace")
    user.environ["RING_TOKEN"] = "ring_pat_other"
    user("namespace")
    sent = [request.headers["Authorization"] for request in stub.requests[1:]]
    assert sent == [f"Bearer {MINTED}", "Bearer ring_pat_other"]


@pytest.mark.parametrize("command", EVERY, ids=name_of)
@pytest.mark.parametrize("variable", [None, ""])
def test_without_credentials_nothing_is_asked(
    user: Ring, stub: Stub, command: Command, variable: str | None
) -> None:
    if variable is not None:
        user.environ["RING_TOKEN"] = variable
    ended = user(*command.words)
    assert ended.code == 2
    assert ended.err == (
        "error: no credentials for context 'default' — run `ring login` or set RING_TOKEN\n"
    )
    assert stub.requests == []


@pytest.mark.parametrize("content", ["{", "[]", '{"default":"x"}'])
def test_a_broken_file_is_not_overwritten(user: Ring, stub: Stub, content: str) -> None:
    user.auth.write_text(content)
    ended = user("login", "-u", "mira", "-p", "pw")
    assert ended.code == 1
    assert ended.err.startswith(f"error: cannot parse {user.auth}: ")
    assert user.auth.read_text() == content
    assert stub.requests == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path / "ring")
    credentials.store("default", "one")
    assert credentials.token("default") == "one"
    assert [entry.name for entry in (tmp_path / "ring").iterdir()] == ["auth.json"]
    (tmp_path / "ring" / "auth.json").unlink()
    (tmp_path / "ring" / "auth.json").mkdir()
    with pytest.raises(HostError, match=r"cannot read .*auth\.json: is a directory"):
        credentials.store("default", "two")
    blocked = Credentials(tmp_path / "ring" / "auth.json" / "x")
    (tmp_path / "ring" / "auth.json" / "x").write_text("")
    with pytest.raises((HostError, UserError)):
        blocked.store("default", "two")
    assert [entry.name for entry in (tmp_path / "ring").iterdir()] == ["auth.json"]
