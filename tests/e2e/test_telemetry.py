"""Export of traces, metrics and logs by a server process: to a collector, to nobody, to a mute."""

from __future__ import annotations

import http.client
import json
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from tests.e2e.polling import wait_until
from tests.telemetry.collector import collector, mute, nobody

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.e2e.conftest import MakeRing
    from tests.e2e.ring import Ring

pytestmark = pytest.mark.engine

LINES = {
    "traces": "OTLP trace export enabled",
    "metrics": "OTLP metrics export enabled",
    "logs": "OTLP log export enabled",
}


def export(ring: Ring, endpoint: str, *signals: str) -> None:
    """Has it export these."""
    config = ring.home / "config.toml"
    tables = [
        f'[server.telemetry.{signal}]\nenabled = true\nendpoint = "{endpoint}"\n'
        for signal in signals
    ]
    config.write_text(config.read_text() + "".join(tables))


def has_said(ring: Ring, text: str) -> bool:
    return text in ring.log.read_text()


def answers(ring: Ring, path: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", ring.port, timeout=10)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


@pytest.mark.parametrize("place", [nobody, mute])
@pytest.mark.parametrize("signal", LINES)
def test_without_a_collector_the_server_is_as_healthy_as_ever(
    make_ring: MakeRing, signal: str, place: Callable[[], AbstractContextManager[str]]
) -> None:
    ring = make_ring()
    with place() as endpoint:
        export(ring, endpoint, signal)
        ring.start()
        wait_until(lambda: has_said(ring, f"{LINES[signal]} ({endpoint}"), 20, "the line is there")
        assert (answers(ring, "/healthz"), answers(ring, "/metrics")) == (200, 200)

        began = time.monotonic()
        assert ring.stop() == 0
        assert time.monotonic() - began < 10

    lines = ring.log.read_text().splitlines()
    assert any("shut down gracefully" in line for line in lines)
    assert lines[-1].endswith("ring server stopped")
    assert len([line for line in lines if "OTLP export:" in line]) <= 2


def test_a_collector_gets_all_three_at_the_end_at_the_latest(make_ring: MakeRing) -> None:
    ring = make_ring()
    with ExitStack() as stack:
        kept = stack.enter_context(collector())
        export(ring, kept.endpoint, *LINES)
        ring.start()
        wait_until(lambda: has_said(ring, LINES["logs"]), 20, "the last line is there")
        answers(ring, "/healthz?ticket=tk_stream_secret")
        assert ring.stop() == 0

    assert "GET /healthz" in {span.name for span in kept.spans}
    bodies = [record.body.string_value for record in kept.records]
    assert any("shut down gracefully" in body for body in bodies)
    everything = f"{kept.spans}{kept.records}{kept.metrics}"
    assert "tk_stream_secret" not in everything


def test_logs_as_json(make_ring: MakeRing) -> None:
    ring = make_ring(environment={"RING_LOG_FORMAT": "json"})
    ring.start()
    assert ring.stop() == 0

    lines = [line for line in ring.log.read_text().splitlines() if line.startswith("{")]
    first = json.loads(lines[0])
    assert set(first) == {"timestamp", "level", "target", "fields"}
    assert first["fields"]["message"]
    assert json.loads(lines[-1])["fields"]["message"] == "ring server stopped"
