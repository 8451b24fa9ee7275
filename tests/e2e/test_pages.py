"""Whoever follows a page of the documentation to the letter gets where it says."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scripts.docs import ROOT

from tests.e2e.pages import Block, blocks
from tests.e2e.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.outside import Docker

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]  # they wait for one another

COMMAND_S = 60.0
SHOWN_S = 30.0
TUTORIAL = ROOT / "docs" / "tutorials" / "first-deployment.md"
HOW_TO = [
    ROOT / "docs" / "how-to" / f"{name}.md"
    for name in (
        "change-safely",
        "harden-a-workload",
        "look-inside",
        "rolling-updates",
        "secrets",
        "tokens-and-ci",
        "users",
        "webhooks",
    )
]
IMAGE = "busybox:1"
STATE = """
trap 'export -p > "$READER/exports"; pwd > "$READER/directory"' EXIT
. "$READER/exports"
cd "$(cat "$READER/directory")"
set -aeu -o pipefail
"""
"""What one terminal keeps from block to block."""


class Reader:
    """Somebody with an empty home and a terminal, on the engine's host."""

    def __init__(self, home: Path, docker_host: str) -> None:
        self.home = home
        self._background: list[subprocess.Popen[bytes]] = []
        self._environment = {
            "HOME": f"{home}",
            "READER": f"{home}",
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            "DOCKER_HOST": docker_host,
            "RING_DATABASE_PATH": f"{home}/ring.db",
        }
        (home / "exports").touch()
        (home / "directory").write_text(f"{home}")

    def follow(self, page: Path) -> None:
        for block in blocks(page):
            if block.is_run:
                self.type(block)

    def type(self, block: Block) -> None:
        if block.background:
            self._begin(block)
        elif block.until is None:
            done = self._run(block)
            assert done.returncode == 0, f"{block.text}\n{done.stdout}"
        else:
            seen = [""]

            def shows() -> bool:
                seen[0] = self._run(block).stdout
                return block.until in seen[0]  # type: ignore[operator]  # not None here

            wait_until(shows, SHOWN_S, f"'{block.until}' is shown", lambda: seen[0])

    def _run(self, block: Block) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", STATE + block.text],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )

    def _begin(self, block: Block) -> None:
        log = self.home / f"background{len(self._background)}"
        with log.open("wb") as into:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {block.text}"],
                env=self._environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=into,
                stderr=into,
            )
        self._background.append(process)
        wanted = block.until or ""
        wait_until(
            lambda: wanted in log.read_text(), SHOWN_S, f"'{wanted}' is shown", log.read_text
        )

    def leave(self) -> None:
        for process in self._background:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=15)


@pytest.fixture
def reader(
    docker: Docker, image: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reader]:
    """One at a time: all pages use the same port and the same names."""
    docker.tag(image, IMAGE)
    place = tmp_path_factory.getbasetemp().parent / "pages.lock"
    with place.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        one = Reader(tmp_path, docker.host)
        yield one
        one.leave()
        for namespace in ("hello", "shop"):
            docker.clean(namespace)


@pytest.mark.parametrize("page", [ROOT / "README.md", TUTORIAL], ids=lambda page: page.stem)
def test_a_page_for_beginners(reader: Reader, page: Path) -> None:
    reader.follow(page)


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_a_how_to(reader: Reader, page: Path) -> None:
    """After the first four steps of the tutorial: set up, a server, a login."""
    for block in blocks(TUTORIAL)[:4]:
        if block.is_run:
            reader.type(block)
    reader.follow(page)
