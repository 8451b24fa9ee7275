"""Runs networks_inside, each scenario in a network namespace of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from ring.network.cni import plugins
from tests.contract.outside import missing
from tests.runtimes.containerd.networking.networks_inside import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.engine
NEEDED = ("bridge", "host-local", "portmap", "firewall")


@pytest.fixture
def network() -> Iterator[str]:
    """The name of a network namespace."""
    if os.geteuid() != 0:
        missing("root is needed")
    if absent := plugins.missing(NEEDED, plugins.directories(())):
        missing(f"the CNI plugins {', '.join(absent)} are needed: {plugins.PACKAGE}")
    name = f"t{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_on_this_host(scenario: str, network: str, tmp_path: Path) -> None:
    within = ("nsenter", f"--net=/run/netns/{network}")
    program = (sys.executable, "-m", "tests.runtimes.containerd.networking.networks_inside")
    ended = subprocess.run(
        (*within, *program, scenario, tmp_path, network),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
