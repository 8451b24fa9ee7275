"""The signals themselves, on the OpenTelemetry SDK: the only module that imports it."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider, ObservableGauge
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ring import __version__
from ring.telemetry.failures import is_about_exporting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from ring.core.model.deployment import Deployment
    from ring.core.model.usage import Snapshot, Taken
    from ring.settings.telemetry import Sampler, SignalSettings

EXPORT_S = 10.0
"""For one batch to be taken by the collector."""
EACH_S = 2.0
"""Between two batches of spans or of log records."""
MOST_SERIES = 100_000
"""Of a gauge; by itself the library would lump together all deployments beyond two thousand."""
LONGEST_TEXT = 2048
"""Of an attribute: strangers choose paths."""
SCOPE = "ring"

_SEVERITIES = (
    (logging.ERROR, SeverityNumber.ERROR, "ERROR"),
    (logging.WARNING, SeverityNumber.WARN, "WARN"),
    (logging.INFO, SeverityNumber.INFO, "INFO"),
    (logging.NOTSET, SeverityNumber.DEBUG, "DEBUG"),
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _resource(settings: SignalSettings) -> Resource:
    return Resource.create({SERVICE_NAME: settings.service_name, SERVICE_VERSION: __version__})


def _sampler(name: Sampler, ratio: float) -> sampling.Sampler:
    match name:
        case "always_on":
            return sampling.ALWAYS_ON
        case "always_off":
            return sampling.ALWAYS_OFF
        case "parent_based_always_on":
            return sampling.DEFAULT_ON
        case "parent_based_always_off":
            return sampling.DEFAULT_OFF
        case "ratio":
            return sampling.ParentBasedTraceIdRatio(ratio)


class RequestSpan:
    """One request under way."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def end(self, status: int | None) -> None:
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if status is None or status >= 500:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class Traces:
    """Spans of requests and of the scheduler."""

    def __init__(self, settings: SignalSettings, sampler: Sampler, ratio: float) -> None:
        self._exporter = OTLPSpanExporter(endpoint=settings.endpoint, timeout=EXPORT_S)
        self._processor = BatchSpanProcessor(self._exporter, schedule_delay_millis=EACH_S * 1000)
        provider = TracerProvider(
            sampler=_sampler(sampler, ratio),
            resource=_resource(settings),
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_span_attribute_length=LONGEST_TEXT),
        )
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer(SCOPE, __version__)
        self._propagator = TraceContextTextMapPropagator()

    def begin(
        self, method: str, route: str | None, path: str, headers: Mapping[str, str]
    ) -> RequestSpan:
        """`headers` are those of the trace context, by their lower-case names."""
        attributes = {"http.request.method": method, "url.path": path}
        if route is not None:
            attributes["http.route"] = route
        span = self._tracer.start_span(
            f"{method} {route or path[:LONGEST_TEXT]}",
            context=self._propagator.extract(headers),
            kind=SpanKind.SERVER,
            attributes=attributes,
        )
        return RequestSpan(span)

    def passed(self, rows: Sequence[Deployment], began: datetime, ended: datetime) -> None:
        """One cycle, and in it what was done for each row."""
        start, end = _nanoseconds(began), _nanoseconds(ended)
        cycle = self._tracer.start_span(
            "scheduler.cycle", start_time=start, attributes={"deployments.count": len(rows)}
        )
        within = trace.set_span_in_context(cycle)
        for row in rows:
            attributes = {
                "deployment.id": row.id,
                "deployment.namespace": row.spec.namespace,
                "deployment.name": row.spec.name,
                "deployment.status": row.status.value,
            }
            applied = self._tracer.start_span(
                "scheduler.apply", context=within, start_time=start, attributes=attributes
            )
            applied.end(end)
        cycle.end(end)

    def close(self, timeout_s: float) -> None:
        self._processor.shutdown()  # type: ignore[no-untyped-call]  # the library's own

    def give_up(self) -> None:
        self._exporter.shutdown(timeout_millis=0)


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000


_GAUGES: tuple[tuple[str, str, Callable[[Taken], float]], ...] = (
    ("cpu.percent", "percent", lambda one: one.usage.cpu_percent),
    ("memory.used_bytes", "By", lambda one: one.usage.memory_bytes),
    ("memory.limit_bytes", "By", lambda one: one.usage.memory_limit_bytes),
    ("network.rx_bytes", "By", lambda one: one.usage.rx_bytes),
    ("network.tx_bytes", "By", lambda one: one.usage.tx_bytes),
    ("disk.read_bytes", "By", lambda one: one.usage.read_bytes),
    ("disk.write_bytes", "By", lambda one: one.usage.written_bytes),
    ("pids", "{pid}", lambda one: one.usage.pids),
    ("instances", "{instance}", lambda one: one.instances),
    ("restarts", "{restart}", lambda one: one.usage.restarts),
)


class Metrics:
    """Gauges of what deployments take, from the last snapshot."""

    def __init__(
        self, settings: SignalSettings, interval_s: int, snapshot: Callable[[], Snapshot]
    ) -> None:
        self._exporter = OTLPMetricExporter(endpoint=settings.endpoint, timeout=EXPORT_S)
        reader = PeriodicExportingMetricReader(
            self._exporter,
            export_interval_millis=interval_s * 1000,
            export_timeout_millis=EXPORT_S * 1000,
            cardinality_limits={ObservableGauge: MOST_SERIES},
        )
        self._provider = MeterProvider([reader], _resource(settings), shutdown_on_exit=False)
        meter = self._provider.get_meter(SCOPE, __version__)
        for name, unit, figure in _GAUGES:
            meter.create_observable_gauge(
                f"ring.deployment.{name}", [_observed(snapshot, figure)], unit=unit
            )

    def close(self, timeout_s: float) -> None:
        self._provider.shutdown(timeout_s * 1000)

    def give_up(self) -> None:
        self._exporter.shutdown(timeout_millis=0)


def _observed(
    snapshot: Callable[[], Snapshot], figure: Callable[[Taken], float]
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        return [
            Observation(
                figure(one),
                {"deployment": one.name, "namespace": one.namespace, "runtime": one.runtime},
            )
            for one in snapshot().series()
        ]

    return observe


class Logs(logging.Handler):
    """Every record that the console gets, but those about exporting."""

    def __init__(self, settings: SignalSettings) -> None:
        super().__init__()
        self._exporter = OTLPLogExporter(endpoint=settings.endpoint, timeout=EXPORT_S)
        self._processor = BatchLogRecordProcessor(
            self._exporter, schedule_delay_millis=EACH_S * 1000
        )
        self._provider = LoggerProvider(_resource(settings), shutdown_on_exit=False)
        self._provider.add_log_record_processor(self._processor)
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if is_about_exporting(record):
            return
        with suppress(Exception):  # a record that cannot be told must not break who logs it
            self._provider.get_logger(record.name).emit(_told(record))

    def close(self, timeout_s: float = 0.0) -> None:
        logging.getLogger().removeHandler(self)
        self._processor.shutdown()  # type: ignore[no-untyped-call]  # the library's own
        super().close()

    def give_up(self) -> None:
        self._exporter.shutdown(timeout_millis=0)


def _told(record: logging.LogRecord) -> LogRecord:
    number, text = next(
        (number, text) for level, number, text in _SEVERITIES if record.levelno >= level
    )
    return LogRecord(
        timestamp=int(record.created * 1_000_000) * 1000,
        severity_number=number,
        severity_text=text,
        body=record.getMessage(),
        attributes=_attributes(record),
    )


def _attributes(record: logging.LogRecord) -> dict[str, str | int | float | bool]:
    """What was given as `extra`, and the exception it was logged with."""
    found = {
        name: value if isinstance(value, str | int | float | bool) else str(value)
        for name, value in vars(record).items()
        if name not in _STANDARD
    }
    if record.exc_info and record.exc_info[1] is not None:
        kind, error, _ = record.exc_info
        found["exception.type"] = kind.__qualname__ if kind is not None else ""
        found["exception.message"] = str(error)
        found["exception.stacktrace"] = logging.Formatter().formatException(record.exc_info)
    return found
