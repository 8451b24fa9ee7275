"""What a collector is sent, and that one that is away or hangs is in nobody's way."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ring.core.model.ids import DeploymentId
from ring.core.model.usage import Snapshot, Taken, Usage
from ring.settings.telemetry import SignalSettings, TelemetrySettings
from ring.telemetry import Telemetry
from ring.telemetry.exporting import FLUSH_S, shown
from tests.store.builders import accepted, memory_store
from tests.telemetry.collector import Collector, collector, mute, nobody, values
from tests.telemetry.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ring.settings.telemetry import Sampler

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARENT.removesuffix("1") + "0"
NOW = datetime(2027, 3, 2, 8, 15, 4, 120934, UTC)
SNAPSHOT = Snapshot(
    NOW,
    (
        Taken(
            DeploymentId("d1"),
            "web",
            "shop",
            "docker",
            2,
            Usage(
                cpu_percent=12.5,
                memory_bytes=10,
                memory_limit_bytes=20,
                rx_bytes=30,
                tx_bytes=40,
                read_bytes=50,
                written_bytes=60,
                pids=7,
                restarts=1,
            ),
        ),
    ),
)


@pytest.fixture
def kept() -> Iterator[Collector]:
    with collector() as one:
        yield one


@pytest.fixture
def console() -> Iterator[Console]:
    with Console() as one:
        yield one


def told(
    endpoint: str, *signals: str, sampler: Sampler = "parent_based_always_on", ratio: float = 1.0
) -> TelemetrySettings:
    each = {
        name: SignalSettings(name in signals, endpoint, f"ring-{name}")
        for name in ("traces", "metrics", "logs")
    }
    return TelemetrySettings(**each, sampler=sampler, ratio=ratio, interval_s=1)


async def opened(settings: TelemetrySettings) -> Telemetry:
    telemetry = Telemetry(settings)
    await telemetry.open(lambda: SNAPSHOT)
    return telemetry


def test_a_request_is_one_span(kept: Collector) -> None:
    async def main() -> None:
        telemetry = await opened(told(kept.endpoint, "traces"))
        span = telemetry.begin("GET", "/deployments/{id}", "/deployments/d1", {})
        span.end(200)
        telemetry.begin("GET", None, "/nowhere", {}).end(404)
        telemetry.begin("GET", "/healthz", "/healthz", {}).end(503)
        telemetry.begin("GET", "/namespaces", "/namespaces", {}).end(None)
        await telemetry.close()

    asyncio.run(main())
    span = kept.span("GET /deployments/{id}")
    assert span.kind == Span.SPAN_KIND_SERVER
    assert values(list(span.attributes)) == {
        "http.request.method": "GET",
        "url.path": "/deployments/d1",
        "http.route": "/deployments/{id}",
        "http.response.status_code": 200,
    }
    lost = values(list(kept.span("GET /nowhere").attributes))
    assert lost["http.response.status_code"] == 404
    assert "http.route" not in lost
    assert kept.span("GET /healthz").status.code == 2
    assert "http.response.status_code" not in values(list(kept.span("GET /namespaces").attributes))
    assert kept.services == {"ring-traces"}


def test_the_trace_of_the_caller_goes_on(kept: Collector) -> None:
    async def main() -> None:
        telemetry = await opened(told(kept.endpoint, "traces"))
        telemetry.begin("GET", "/healthz", "/healthz", {"traceparent": PARENT}).end(200)
        telemetry.begin("GET", "/login", "/login", {"traceparent": "nonsense"}).end(200)
        telemetry.begin("GET", "/x", "/x", {"traceparent": UNSAMPLED}).end(200)
        await telemetry.close()

    asyncio.run(main())
    span = kept.span("GET /healthz")
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert span.parent_span_id.hex() == "b7ad6b7169203331"
    assert kept.span("GET /login").parent_span_id == b""
    assert {one.name for one in kept.spans} == {"GET /healthz", "GET /login"}


@pytest.mark.parametrize(
    ("sampler", "ratio", "roots", "children"),
    [
        ("always_on", 1.0, 1, 2),
        ("always_off", 1.0, 0, 0),
        ("parent_based_always_on", 1.0, 1, 1),
        ("parent_based_always_off", 1.0, 0, 1),
        ("ratio", 0.0, 0, 1),
        ("ratio", 1.0, 1, 1),
    ],
)
def test_samplers(
    kept: Collector, sampler: Sampler, ratio: float, roots: int, children: int
) -> None:
    async def main() -> None:
        settings = told(kept.endpoint, "traces", sampler=sampler, ratio=ratio)
        telemetry = await opened(settings)
        telemetry.begin("GET", "/root", "/root", {}).end(200)
        for parent in (PARENT, UNSAMPLED):
            telemetry.begin("GET", "/child", "/child", {"traceparent": parent}).end(200)
        await telemetry.close()

    asyncio.run(main())
    assert len([one for one in kept.spans if one.name == "GET /root"]) == roots
    assert len([one for one in kept.spans if one.name == "GET /child"]) == children


def test_a_pass_of_the_scheduler(kept: Collector) -> None:
    store = memory_store()
    rows = [accepted(store, name="one"), accepted(store, name="two")]

    async def main() -> None:
        telemetry = await opened(told(kept.endpoint, "traces"))
        telemetry.passed(rows, NOW, NOW + timedelta(milliseconds=3))
        await telemetry.close()

    asyncio.run(main())
    cycle = kept.span("scheduler.cycle")
    assert cycle.kind == Span.SPAN_KIND_INTERNAL
    assert values(list(cycle.attributes)) == {"deployments.count": 2}
    assert cycle.end_time_unix_nano - cycle.start_time_unix_nano == 3_000_000
    applies = [span for span in kept.spans if span.name == "scheduler.apply"]
    assert {span.parent_span_id for span in applies} == {cycle.span_id}
    first = rows[0]
    assert values(list(applies[0].attributes)) == {
        "deployment.id": first.id,
        "deployment.namespace": first.spec.namespace,
        "deployment.name": first.spec.name,
        "deployment.status": first.status.value,
    }


def test_gauges_of_the_snapshot(kept: Collector) -> None:
    async def main() -> None:
        telemetry = await opened(told(kept.endpoint, "metrics"))
        assert await asyncio.to_thread(kept.wait_for_metrics)
        await telemetry.close()

    asyncio.run(main())
    found = {}
    for metric in kept.metrics:
        point = metric.gauge.data_points[0]
        assert values(list(point.attributes)) == {
            "deployment": "web",
            "namespace": "shop",
            "runtime": "docker",
        }
        found[metric.name.removeprefix("ring.deployment.")] = (
            metric.unit,
            point.as_double or point.as_int,
        )
    assert found == {
        "cpu.percent": ("percent", 12.5),
        "memory.used_bytes": ("By", 10),
        "memory.limit_bytes": ("By", 20),
        "network.rx_bytes": ("By", 30),
        "network.tx_bytes": ("By", 40),
        "disk.read_bytes": ("By", 50),
        "disk.write_bytes": ("By", 60),
        "pids": ("{pid}", 7),
        "instances": ("{instance}", 2),
        "restarts": ("{restart}", 1),
    }
    assert kept.services == {"ring-metrics"}


def test_gauges_of_more_deployments_than_the_library_expects(kept: Collector) -> None:
    one = SNAPSHOT.taken[0]
    many = Snapshot(NOW, tuple(replace(one, name=f"web-{number}") for number in range(2001)))

    async def main() -> None:
        telemetry = Telemetry(told(kept.endpoint, "metrics"))
        await telemetry.open(lambda: many)
        try:
            assert await asyncio.to_thread(kept.wait_for_metrics)
        finally:
            await telemetry.close()

    asyncio.run(main())
    pids = next(metric for metric in kept.metrics if metric.name == "ring.deployment.pids")
    names = {values(list(point.attributes))["deployment"] for point in pids.gauge.data_points}
    assert len(names) == 2001


@pytest.mark.usefixtures("console")
def test_log_records(kept: Collector) -> None:
    logger = logging.getLogger("ring.engine.test")

    async def main() -> None:
        telemetry = await opened(told(kept.endpoint, "logs"))
        logger.warning("disk %s is full", "sda", extra={"left": 3, "of": ("a", "b")})
        try:
            raise ValueError("broken")
        except ValueError:
            logger.exception("it failed")
        logging.getLogger("ring.telemetry.failures").warning("not this")
        logging.getLogger("opentelemetry.sdk").warning("nor this")
        await telemetry.close()

    asyncio.run(main())
    bodies = [record.body.string_value for record in kept.records]
    assert bodies[0].startswith("OTLP log export enabled")
    assert bodies[1:] == ["disk sda is full", "it failed"]
    full, failed = kept.records[1:]
    assert full.severity_text == "WARN"
    assert values(list(full.attributes)) == {"left": 3, "of": "('a', 'b')"}
    attributes = values(list(failed.attributes))
    assert (attributes["exception.type"], attributes["exception.message"]) == (
        "ValueError",
        "broken",
    )
    assert kept.services == {"ring-logs"}


@pytest.mark.usefixtures("console")
def test_a_record_that_cannot_be_formatted_breaks_nothing(kept: Collector) -> None:
    async def main() -> None:
        telemetry = await opened(told(kept.endpoint, "logs"))
        handler = logging.getLogger().handlers[-1]
        handler.emit(logging.makeLogRecord({"name": "x", "msg": "%d", "args": ("no",)}))
        await telemetry.close()

    asyncio.run(main())
    assert len(kept.records) == 1


@pytest.mark.parametrize("place", [nobody, mute])
def test_a_collector_that_does_not_answer_is_in_nobodys_way(
    place: Callable[[], AbstractContextManager[str]], console: Console
) -> None:
    async def main(endpoint: str) -> float:
        telemetry = await opened(told(endpoint, "traces", "metrics", "logs"))
        for number in range(1000):
            telemetry.begin("GET", "/healthz", f"/{number}", {}).end(200)
        began = time.monotonic()
        await telemetry.close()
        return time.monotonic() - began

    with place() as endpoint:
        assert asyncio.run(main(endpoint)) < FLUSH_S + 1
        for thread in threading.enumerate():  # broken off, they end by themselves
            if thread.name.startswith(("ring-telemetry-end", "Otel")):
                thread.join(10)
                assert not thread.is_alive()
    enabled = [one.getMessage() for one in console.records if "enabled" in one.getMessage()]
    assert enabled == [
        f"OTLP trace export enabled ({endpoint})",
        f"OTLP metrics export enabled ({endpoint}, every 1 s)",
        f"OTLP log export enabled ({endpoint})",
    ]
    complaints = [one for one in console.records if one.name == "ring.telemetry.failures"]
    assert len(complaints) <= 6
    assert not [one for one in console.records if one.name.startswith("opentelemetry")]


@pytest.mark.parametrize(
    "endpoint", ["ftp://127.0.0.1:21", "127.0.0.1:4317", "http://", "http://h:x"]
)
def test_an_endpoint_that_is_none_costs_its_signal(
    endpoint: str, kept: Collector, console: Console
) -> None:
    good = told(kept.endpoint, "metrics", "traces", "logs")
    settings = TelemetrySettings(
        traces=SignalSettings(enabled=True, endpoint=endpoint), metrics=good.metrics
    )

    async def main() -> None:
        telemetry = await opened(settings)
        telemetry.begin("GET", "/healthz", "/healthz", {}).end(200)
        await telemetry.close()

    asyncio.run(main())
    said = [(one.levelname, one.getMessage()) for one in console.records]
    assert said[0][0] == "ERROR"
    assert said[0][1].startswith("OTLP trace export is off: ")
    assert said[1][1].startswith("OTLP metrics export enabled")
    assert len(said) == 2


def test_an_endpoint_is_shown_without_credentials() -> None:
    assert shown("http://user:pass@host:4317/x") == "http://host:4317/x"


def test_nothing_enabled_loads_and_does_nothing() -> None:
    code = (
        "import asyncio, sys\n"
        "from ring.settings.telemetry import TelemetrySettings\n"
        "from ring.telemetry import Telemetry\n"
        "async def main():\n"
        "    telemetry = Telemetry(TelemetrySettings())\n"
        "    await telemetry.open(lambda: None)\n"
        "    telemetry.begin('GET', None, '/', {}).end(200)\n"
        "    telemetry.passed([], None, None)\n"
        "    await telemetry.close()\n"
        "    return telemetry.is_tracing\n"
        "assert asyncio.run(main()) is False\n"
        "assert not [name for name in sys.modules if name.startswith(('opentelemetry', 'grpc'))]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_packages_one_line_says_how_to_get_them() -> None:
    code = (
        "import asyncio, logging, sys\n"
        "sys.modules['opentelemetry'] = None\n"
        "logging.basicConfig(format='%(levelname)s %(message)s')\n"
        "from ring.settings.telemetry import SignalSettings, TelemetrySettings\n"
        "from ring.telemetry import Telemetry\n"
        "async def main():\n"
        "    signal = SignalSettings(enabled=True)\n"
        "    telemetry = Telemetry(TelemetrySettings(signal, signal, signal))\n"
        "    await telemetry.open(lambda: None)\n"
        "    telemetry.begin('GET', None, '/', {}).end(200)\n"
        "    await telemetry.close()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("ERROR OTLP export is off: opentelemetry")
    assert "ring-orchestrator[otlp]" in line
