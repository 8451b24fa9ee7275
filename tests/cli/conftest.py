"""A stub server, and two ways to run the command line against it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.cli.main import run
from ring.cli.session import Session
from ring.cli.terminal import Terminal
from tests.cli.stub import Stub, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SOURCE = Path(__file__).parents[2] / "src"
TOKEN = "ring_pat_0f0f"


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


def no_pause(_: float) -> None:
    raise AssertionError("nothing waits here")


@dataclass
class Ring:
    """The command line of one user: an environment, a home, a way to wait."""

    home: Path
    capture: pytest.CaptureFixture[str]
    environ: dict[str, str] = field(default_factory=dict)
    pause: Callable[[float], None] = no_pause
    now: Callable[[], float] = time.monotonic

    @property
    def config(self) -> Path:
        return self.home / "config.toml"

    @property
    def auth(self) -> Path:
        return self.home / "auth.json"

    def point_at(self, stub: Stub) -> None:
        self.config.write_text(
            f'[contexts.default]\nhost = "127.0.0.1"\napi.scheme = "http"\napi.port = {stub.port}\n'
        )

    def __call__(self, *arguments: str) -> Ended:
        """Run in this process."""
        self.capture.readouterr()
        session = Session(
            self.environ,
            Terminal(sys.stdout, self.environ),
            Terminal(sys.stderr, self.environ),
            pause=self.pause,
            now=self.now,
        )
        code = run(arguments, session)
        out, err = self.capture.readouterr()
        return Ended(code, out, err)

    def process(self, *arguments: str, stdin: str = "") -> Ended:
        """Run as a program of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "ring", *arguments],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=30,
            check=False,
            cwd=self.home,
            env=environment(self),
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def on_terminal(self, *arguments: str, typed: Sequence[tuple[str, str]]) -> Ended:
        """Run as a program whose input is a terminal: each prompt on stderr, and its answer.

        `out` and `err` come with what the terminal echoed after `err`.
        """
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "ring", *arguments],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(self),
            start_new_session=True,
        ) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            err = b""
            for prompt, answer in typed:
                while not err.endswith(prompt.encode()):
                    piece = running.stderr.read(1)
                    assert piece, f"no prompt {prompt!r} in {err!r}"
                    err += piece
                os.write(ours, answer.encode())
            out = running.stdout.read()
            err += running.stderr.read()
        os.write(theirs, b"|")
        err += os.read(ours, 4096)
        os.close(theirs)
        os.close(ours)
        return Ended(running.returncode, out.decode(), err.decode())


class Clock:
    """Time that passes while somebody waits, and what happens meanwhile."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.events: dict[int, Callable[[], None]] = {}
        self.pauses = 0

    def now(self) -> float:
        return self.seconds

    def pause(self, seconds: float) -> None:
        self.seconds += seconds
        self.pauses += 1
        self.events.get(self.pauses, lambda: None)()


def environment(ring: Ring) -> dict[str, str]:
    """Of a process of its own."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), **ring.environ}


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as made:
        yield made


@pytest.fixture
def anyone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ring:
    """A user without a login and without a config file."""
    home = tmp_path / "home"
    home.mkdir()
    return Ring(home, capsys, {"RING_CONFIG_DIR": str(home)})


@pytest.fixture
def ring(anyone: Ring, stub: Stub) -> Ring:
    """A user with a token, whose context is the stub."""
    anyone.point_at(stub)
    anyone.environ["RING_TOKEN"] = TOKEN
    return anyone


@pytest.fixture
def clock(ring: Ring) -> Clock:
    """Of a user who waits."""
    made = Clock()
    ring.pause, ring.now = made.pause, made.now
    return made
