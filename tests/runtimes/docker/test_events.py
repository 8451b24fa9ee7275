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


def died(code: int | None) -> Died:
    return Died(ID, NAME, DEPLOYMENT, AT, code, certain=False)


@pytest.mark.parametrize(
    ("said", "event"),
    [
        (line("die", exitCode="3"), died(3)),
        (line("die", exitCode="-1073741510"), died(-1073741510)),
        (line("die"), died(None)),
        (line("start"), CameUp(ID, NAME, DEPLOYMENT, AT)),
        (line("unpause"), CameUp(ID, NAME, DEPLOYMENT, AT)),
        (line("kill", signal="15"), Signalled(ID, NAME, DEPLOYMENT, AT, "SIGTERM")),
        (line("kill", signal="99"), Signalled(ID, NAME, DEPLOYMENT, AT, "99")),
        (line("kill", signal="SIGHUP"), Signalled(ID, NAME, DEPLOYMENT, AT, "SIGHUP")),
        (line("kill", signal="SIGRTMIN+3"), Signalled(ID, NAME, DEPLOYMENT, AT, "SIGRTMIN+3")),
        (line("kill"), Signalled(ID, NAME, DEPLOYMENT, AT, "?")),
        (line("oom"), OutOfMemory(ID, NAME, DEPLOYMENT, AT)),
        (line("destroy"), Destroyed(ID, NAME, DEPLOYMENT, AT)),
    ],
)
def test_each_action(said: bytes, event: RuntimeEvent) -> None:
    assert events.read(said) == event


@pytest.mark.parametrize("code", ["", "?", " 3", "3\n", "+3", "--3", "1.5", "٣", "²", "9" * 5000])
def test_a_code_that_is_none_is_not_told(code: str) -> None:
    assert events.read(line("die", exitCode=code)) == died(None)


@pytest.mark.parametrize("sent", ["", "sigterm", "SIG TERM", "TERM\n", "<b>", "٣", "X" * 21])
def test_a_signal_that_is_none_is_not_told(sent: str) -> None:
    signalled = Signalled(ID, NAME, DEPLOYMENT, AT, "?")
    assert events.read(line("kill", signal=sent)) == signalled


@pytest.mark.parametrize(
    "said",
    [
        b"{not json",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"Action": "die", "Actor": {"ID": 7}}',
        line("rename", oldName="/shop_web_old"),
        line("die").replace(str(NANOS).encode(), b"9" * 30),
        line("die").replace(str(NANOS).encode(), b"-" + b"9" * 30),
        line("die").replace(str(NANOS).encode(), b"9" * 5000),
        line("die").replace(str(NANOS).encode(), b"1e99"),
    ],
    ids=lambda said: said[:12].decode() + said[-12:].decode(),
)
def test_what_tells_too_little_asks_for_a_listing(said: bytes) -> None:
    assert isinstance(events.read(said), Resync)


def test_since_is_exact() -> None:
    assert events.since_text(AT) == "1767323045.678901000"
    assert events.since_text(datetime(1970, 1, 1, tzinfo=UTC)) == "0.000000000"
