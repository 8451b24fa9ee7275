"""What `[server.telemetry.*]` and the OpenTelemetry variables say about each exported signal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ring.settings.sources import Environ, Table

Sampler = Literal[
    "always_on", "always_off", "parent_based_always_on", "parent_based_always_off", "ratio"
]

DEFAULT_ENDPOINT = "http://127.0.0.1:4317"
DEFAULT_SERVICE_NAME = "ring-server"
DEFAULT_SAMPLER: Sampler = "parent_based_always_on"
DEFAULT_INTERVAL_S = 15

_NAMED: dict[str, Sampler] = {
    "always_on": "always_on",
    "always_off": "always_off",
    "parent_based_always_on": "parent_based_always_on",
    "parent_based_always_off": "parent_based_always_off",
}


@dataclass(frozen=True, slots=True)
class SignalSettings:
    """What every signal is told."""

    enabled: bool = False
    endpoint: str = DEFAULT_ENDPOINT
    """OTLP over gRPC, as written: whether an exporter can be built for it is found out there."""
    service_name: str = DEFAULT_SERVICE_NAME


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """The three signals, independent of each other."""

    traces: SignalSettings = SignalSettings()
    metrics: SignalSettings = SignalSettings()
    logs: SignalSettings = SignalSettings()
    sampler: Sampler = DEFAULT_SAMPLER
    """Of traces; `ratio` is parent based."""
    ratio: float = 1.0
    """The part of root traces that `ratio` keeps, 0 to 1; without meaning for any other sampler."""
    interval_s: int = DEFAULT_INTERVAL_S
    """Between two exports of the metrics, at least 1."""


def telemetry(table: Table, environ: Environ, warnings: list[str]) -> TelemetrySettings:
    """`[server.telemetry]` under the environment. Raises UserError for a value of a wrong type."""
    traces, metrics = table.table("traces"), table.table("metrics")
    sampler, ratio = _sampler(traces, warnings)
    interval_s = DEFAULT_INTERVAL_S
    if "interval_seconds" in metrics:
        interval_s = max(1, metrics.whole("interval_seconds"))
    return TelemetrySettings(
        traces=_signal(traces, "TRACES", environ),
        metrics=_signal(metrics, "METRICS", environ),
        logs=_signal(table.table("logs"), "LOGS", environ),
        sampler=sampler,
        ratio=ratio,
        interval_s=interval_s,
    )


def _signal(table: Table, signal: str, environ: Environ) -> SignalSettings:
    named = _first_set(
        environ, f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    endpoint = table.text("endpoint").strip() if "endpoint" in table else DEFAULT_ENDPOINT
    name = table.text("service_name") if "service_name" in table else DEFAULT_SERVICE_NAME
    return SignalSettings(
        enabled=table.flag("enabled"),
        endpoint=named or endpoint,
        service_name=_first_set(environ, "OTEL_SERVICE_NAME") or name,
    )


def _first_set(environ: Environ, *names: str) -> str:
    """The first of these variables that says something, trimmed; empty when none does."""
    return next((value for name in names if (value := environ.get(name, "").strip())), "")


def _sampler(table: Table, warnings: list[str]) -> tuple[Sampler, float]:
    if "sampler" not in table:
        return DEFAULT_SAMPLER, 1.0
    written = table.text("sampler").strip().lower()
    if written in _NAMED:
        return _NAMED[written], 1.0
    kind, _, part = written.partition(":")
    if kind == "ratio" and (ratio := _ratio(part)) is not None:
        return "ratio", ratio
    warnings.append(
        f"{table.path('sampler')}: unknown sampler '{written}', using {DEFAULT_SAMPLER} "
        f"(known: {', '.join(_NAMED)}, ratio:<0 to 1>)"
    )
    return DEFAULT_SAMPLER, 1.0


def _ratio(text: str) -> float | None:
    try:
        ratio = float(text)
    except ValueError:
        return None
    return None if math.isnan(ratio) else min(1.0, max(0.0, ratio))
