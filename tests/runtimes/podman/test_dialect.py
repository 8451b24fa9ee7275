"""Podman's words in Docker's, and what its short names mean."""

from __future__ import annotations

import pytest

from ring.runtimes.base import Destroyed, Detached, RuntimeEvent
from ring.runtimes.docker import events
from ring.runtimes.podman.dialect import PODMAN, repositories
from tests.runtimes.docker.test_events import AT, DEPLOYMENT, ID, NAME, died, line


def of_network(action: str) -> bytes:
    """Podman tells of it by the container, and leaves out which network it is."""
    return line(action).replace(b'"container"', b'"network"')


@pytest.mark.parametrize(
    ("said", "event"),
    [
        (line("die", exitCode="3"), died(3)),
        (line("die", containerExitCode="4"), died(4)),
        (line("died", containerExitCode="137"), died(137)),
        (line("remove"), Destroyed(ID, NAME, DEPLOYMENT, AT)),
        (line("exec_died", containerExitCode="1"), None),
        (line("health_status"), None),
        (line("cleanup"), None),
        (of_network("disconnect"), Detached(ID, AT)),
        (of_network("connect"), None),
    ],
)
def test_each_action(said: bytes, event: RuntimeEvent | None) -> None:
    assert events.read(said, PODMAN) == event


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("redis", ("docker.io/library/redis", "localhost/redis")),
        ("acme/tool", ("docker.io/acme/tool", "localhost/acme/tool")),
        ("docker.io/redis", ("docker.io/library/redis",)),
        ("localhost/mine", ("localhost/mine",)),
        ("reg.example:5000/team/app", ("reg.example:5000/team/app",)),
    ],
)
def test_names_are_sent_in_full(written: str, meant: tuple[str, ...]) -> None:
    assert repositories(written) == meant
