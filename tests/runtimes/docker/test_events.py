from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.runtimes.base import (
    CameUp,
    Destroyed,
    Died,
    OutOfMemory,
    Resync,
    RuntimeEvent,
    Signalled,
)
from ring.runtimes.docker import events

ID, NAME, DEPLOYMENT = InstanceId("c" * 64), InstanceName("shop_web_0a1b2c3d"), DeploymentId("d-1")
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
NANOS = 1_767_323_045_678_901_234


def line(action: str, **attributes: str) -> bytes:
    everything = {"name": NAME, "ring_deployment": DEPLOYMENT, **attributes}
    return json.dumps(
        {
            "Type": "container",
            "Action": action,
            "Actor": {"ID": ID, "Attributes": everything},
            "time": NANOS // 1_000_000_000,
            "timeNano": NANOS,
        }
    ).encode()


@pytest.mark.parametrize(
    ("said", "event"),
    [
        (line("die", exitCode="3"), Died(ID, NAME, DEPLOYMENT, AT, 3)),
        (line("die"), Died(ID, NAME, DEPLOYMENT, AT, None)),
        (line("die", exitCode="?"), Died(ID, NAME, DEPLOYMENT, AT, None)),
        (line("start"), CameUp(ID, NAME, DEPLOYMENT, AT)),
        (line("unpause"), CameUp(ID, NAME, DEPLOYMENT, AT)),
        (line("kill", signal="15"), Signalled(ID, NAME, DEPLOYMENT, AT, "SIGTERM")),
        (line("kill", signal="99"), Signalled(ID, NAME, DEPLOYMENT, AT, "99")),
        (line("kill", signal="SIGHUP"), Signalled(ID, NAME, DEPLOYMENT, AT, "SIGHUP")),
        (line("oom"), OutOfMemory(ID, NAME, DEPLOYMENT, AT)),
        (line("destroy"), Destroyed(ID, NAME, DEPLOYMENT, AT)),
    ],
)
def test_each_action(said: bytes, event: RuntimeEvent) -> None:
    assert events.read(said) == event


@pytest.mark.parametrize(
    "said",
    [b"{not json", b"[]", b"{}", b'{"Action": "die", "Actor": {"ID": 7}}', line("pause")],
)
def test_what_tells_too_little_asks_for_a_listing(said: bytes) -> None:
    assert isinstance(events.read(said), Resync)


def test_since_is_exact() -> None:
    assert events.since_text(AT) == "1767323045.678901000"
    assert events.since_text(datetime(1970, 1, 1, tzinfo=UTC)) == "0.000000000"
