"""A collector in this process: takes what is exported, over gRPC, and keeps it."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

Value = str | int | float | bool


def values(attributes: list[KeyValue]) -> dict[str, Value]:
    """Attributes as plain ones."""
    found: dict[str, Value] = {}
    for each in attributes:
        kind = each.value.WhichOneof("value")
        assert kind is not None
        found[each.key] = getattr(each.value, kind)
    return found


class Collector:
    """What has come so far."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.metrics: list[Metric] = []
        self.records: list[LogRecord] = []
        self.services: set[Value] = set()
        self._news = threading.Condition()
        self.endpoint = ""

    def wait_for_metrics(self, timeout_s: float = 60.0) -> bool:
        with self._news:
            return self._news.wait_for(lambda: bool(self.metrics), timeout_s)

    def took_spans(self, request: traces.ExportTraceServiceRequest) -> None:
        with self._news:
            for one in request.resource_spans:
                self.services.add(values(list(one.resource.attributes))["service.name"])
                self.spans += [span for scope in one.scope_spans for span in scope.spans]

    def took_metrics(self, request: metrics.ExportMetricsServiceRequest) -> None:
        with self._news:
            for one in request.resource_metrics:
                self.services.add(values(list(one.resource.attributes))["service.name"])
                self.metrics += [metric for scope in one.scope_metrics for metric in scope.metrics]
            self._news.notify_all()

    def took_logs(self, request: logs.ExportLogsServiceRequest) -> None:
        with self._news:
            for one in request.resource_logs:
                self.services.add(values(list(one.resource.attributes))["service.name"])
                self.records += [record for s in one.scope_logs for record in s.log_records]

    def span(self, name: str) -> Span:
        (found,) = (span for span in self.spans if span.name == name)
        return found


@contextmanager
def collector() -> Iterator[Collector]:
    """Listens on a free port of this machine."""
    kept = Collector()

    class Traces(traces_grpc.TraceServiceServicer):
        def Export(
            self, request: traces.ExportTraceServiceRequest, context: grpc.ServicerContext
        ) -> traces.ExportTraceServiceResponse:
            kept.took_spans(request)
            return traces.ExportTraceServiceResponse()

    class Metrics(metrics_grpc.MetricsServiceServicer):
        def Export(
            self, request: metrics.ExportMetricsServiceRequest, context: grpc.ServicerContext
        ) -> metrics.ExportMetricsServiceResponse:
            kept.took_metrics(request)
            return metrics.ExportMetricsServiceResponse()

    class Logs(logs_grpc.LogsServiceServicer):
        def Export(
            self, request: logs.ExportLogsServiceRequest, context: grpc.ServicerContext
        ) -> logs.ExportLogsServiceResponse:
            kept.took_logs(request)
            return logs.ExportLogsServiceResponse()

    with ThreadPoolExecutor(3) as pool:
        server = grpc.server(pool)
        traces_grpc.add_TraceServiceServicer_to_server(Traces(), server)  # type: ignore[no-untyped-call]  # generated
        metrics_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)  # type: ignore[no-untyped-call]  # generated
        logs_grpc.add_LogsServiceServicer_to_server(Logs(), server)  # type: ignore[no-untyped-call]  # generated
        kept.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield kept
        finally:
            server.stop(0).wait()


@contextmanager
def nobody() -> Iterator[str]:
    """An endpoint where nobody listens."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def mute() -> Iterator[str]:
    """An endpoint that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        taken: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for one in taken:
                one.close()
