"""Runs scenarios_inside, each on a containerd of its own.

RING_TEST_CYCLES says how many lives are led, and RING_TEST_KILLS how often somebody is killed where
that is done again and again: by hand 200, and 30, or 0 for every step where there are steps.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from ring.network.cni import plugins
from scripts import engines
from tests.contract.outside import missing, required
from tests.runtimes.containerd.leaks.own import end_keepers
from tests.runtimes.containerd.leaks.scenarios_inside import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.engines import Engine

pytestmark = pytest.mark.engine
NEEDED = ("bridge", "host-local", "portmap", "firewall")
CYCLES = int(os.environ.get("RING_TEST_CYCLES", "12"))
KILLS = int(os.environ.get("RING_TEST_KILLS", "2"))


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    required("RING_TEST_CONTAINERD", "a containerd")
    if os.geteuid() != 0:
        missing("a containerd of its own is needed: run as root")
    if absent := plugins.missing(NEEDED, plugins.directories(())):
        missing(f"the CNI plugins {', '.join(absent)} are needed: {plugins.PACKAGE}")
    root = tmp_path_factory.getbasetemp() / f"own-{uuid.uuid4().hex[:6]}"
    one = engines.containerd_up(root)
    try:
        engines.make_in_containerd(one.containerd_socket, engines.CONTAINERD_NAMESPACE)
        yield one
    finally:
        end_keepers(one)
        engines.down(root)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left(name: str, engine: Engine) -> None:
    times = CYCLES if name == "cycles" else KILLS
    program = (sys.executable, "-m", "tests.runtimes.containerd.leaks.scenarios_inside")
    mark = f"t{uuid.uuid4().hex[:8]}"
    ended = subprocess.run(
        engine.command(*program, name, os.fspath(engine.root), mark, str(times)),
        capture_output=True,
        text=True,
        timeout=90 + 10 * times if times else 1200,
        check=False,
    )
    print(ended.stdout)
    assert ended.returncode == 0, ended.stderr
